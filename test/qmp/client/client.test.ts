import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, QmpCommandError, QmpConnectionError, QmpTimeoutError } from '../../../qmp/client/index.js';
import { deadline } from '../../support/deadline.js';
import { FakeDispatcher, version } from '../../support/qmp-peer.js';
import { emit, pipe, rejection, serve } from '../../support/qmp-wire.js';

/** A client of the project's own session, through a pipe in memory. */
async function connected(options: Parameters<typeof connect>[1] = {}, dispatcher?: FakeDispatcher) {
  const [here, there] = pipe();
  const session = serve(there, dispatcher);
  const client = await deadline('the connection', connect(here, options));
  return { client, session, here, there };
}

const client = suite('client');

client('connects, runs declared and undeclared commands, and closes', async () => {
  const { client, here } = await connected();
  assert.equal(client.greeting.version, version);
  assert.equal(await client.execute('query-status'), { status: 'running', running: true });
  assert.is(await client.execute('qom-get', { path: '/machine', property: 'type' }), 'type');
  const error = await rejection(client.execute('nonesuch'));
  assert.instance(error, QmpCommandError);
  assert.equal((error as QmpCommandError).errorClass, 'CommandNotFound');
  await deadline('the end', client.close());
  assert.is(here.destroyed, true);
  assert.match((await client.closed).message, 'closed by this client');
});

client('10,000 commands at once are answered in order', async () => {
  const { client } = await connected();
  const order: number[] = [];
  const results = await deadline(
    'all replies',
    Promise.all(
      Array.from({ length: 10_000 }, async (_, i) => {
        const result = await client.execute('qom-get', { path: '/', property: String(i) });
        order.push(i);
        return result;
      }),
    ),
  );
  assert.equal(results.map(Number), order);
  assert.is(results.length, 10_000);
  await client.close();
});

client('out-of-band commands overtake a slow one', async () => {
  let finish: (() => void) | undefined;
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const dispatcher = new FakeDispatcher({ slow: { run: () => slow.then(() => 'slow') } });
  const { client } = await connected({ oob: true }, dispatcher);
  assert.is(client.oob, true);
  const waiting = client.execute('slow');
  const error = await deadline('the reply', rejection(client.execute('migrate-pause', {}, { oob: true })));
  assert.match(error.message, 'migrate-pause is currently only supported');
  finish?.();
  assert.is(await deadline('the slow one', waiting), 'slow');
  await client.close();
});

client('commands have the limit of the connection unless they have one of their own', async () => {
  const stuck = new FakeDispatcher({ stuck: { run: () => new Promise(() => {}) } });
  const { client } = await connected({ commandTimeoutMs: 5 }, stuck);
  assert.instance(await deadline('the limit', rejection(client.execute('stuck'))), QmpTimeoutError);
  const abort = new AbortController();
  const waiting = client.execute('stuck', {}, { timeoutMs: Number.POSITIVE_INFINITY, signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  assert.is((await deadline('the abort', rejection(waiting))).name, 'AbortError');
  await client.close();
});

client('a peer that goes away rejects what is pending, ends the events and resolves closed', async () => {
  const stuck = new FakeDispatcher({ stuck: { run: () => new Promise(() => {}) } });
  const { client, there } = await connected({}, stuck);
  const pending = rejection(client.execute('stuck'));
  const waiting = rejection(client.waitFor('STOP'));
  const events = rejection(client.events().next());
  there.destroy();
  for (const error of await deadline('the ends', Promise.all([pending, waiting, events]))) {
    assert.instance(error, QmpConnectionError);
  }
  assert.match((await client.closed).message, 'connection lost');
  assert.instance(await rejection(client.events().next()), QmpConnectionError);
  assert.instance(await rejection(client.waitFor('STOP')), QmpConnectionError);
  await deadline('close', client.close());
});

client('a block that ends closes the connection, and its events end without an error', async () => {
  const [here, there] = pipe();
  serve(there);
  let events: AsyncIterableIterator<unknown>;
  {
    await using scoped = await connect(here);
    events = scoped.events();
    await scoped.execute('query-status');
  }
  assert.is(here.destroyed, true);
  assert.equal(await events.next(), { value: undefined, done: true });
});

client('no listener of the client is left on a stream that it was given', async () => {
  const { client, here } = await connected();
  await client.close();
  const ours = ['data', 'end', 'error', 'close'].map((name) => here.listenerCount(name));
  assert.equal(ours, [0, 0, 0, 0]);
});

client('a stream that is over already is a lost connection', async () => {
  const [here] = pipe();
  here.destroy();
  assert.instance(await deadline('the end', rejection(connect(here))), QmpConnectionError);
});

client('a server that does not greet is left in time, and when the caller aborts', async () => {
  const [here] = pipe();
  const error = await deadline('the limit', rejection(connect(here, { timeoutMs: 5 })));
  assert.is(error.message, 'stream: greeting took longer than 5 ms');
  const [other] = pipe();
  const abort = new AbortController();
  const attempt = rejection(connect(other, { signal: abort.signal }));
  abort.abort();
  assert.is((await deadline('the abort', attempt)).name, 'AbortError');
});

client.run();

const events = suite('client events');

events('come with their data, all or those asked for', async () => {
  const { client, session } = await connected();
  const all = client.events();
  const some = client.events({ names: ['SHUTDOWN'] });
  emit(session, 'STOP');
  emit(session, 'SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
  assert.is((await deadline('STOP', all.next())).value?.event, 'STOP');
  const timestamp = { seconds: 1, microseconds: 2 };
  const expected = { timestamp, event: 'SHUTDOWN', data: { guest: true, reason: 'guest-shutdown' } };
  assert.equal((await deadline('SHUTDOWN', all.next())).value, expected);
  assert.equal((await deadline('SHUTDOWN', some.next())).value, expected);
  await client.close();
});

events('waitFor gives the first that matches', async () => {
  const { client, session } = await connected();
  const fromGuest = client.waitFor('RESET', ({ data }) => data.guest);
  emit(session, 'STOP');
  emit(session, 'RESET', { guest: false, reason: 'host-qmp-system-reset' });
  emit(session, 'RESET', { guest: true, reason: 'guest-reset' });
  assert.is((await deadline('the reset', fromGuest)).data.reason, 'guest-reset');
  await client.close();
});

events('waitFor ends by time, by abort and by a throwing predicate, and stops listening each time', async () => {
  const { client, session } = await connected();
  assert.match((await rejection(client.waitFor('STOP', () => true, { timeoutMs: 5 }))).message, 'event STOP took');
  const aborted = AbortSignal.abort(new Error('enough'));
  assert.is((await rejection(client.waitFor('STOP', () => true, { signal: aborted }))).message, 'enough');
  let asked = 0;
  const throwing = client.waitFor('STOP', () => {
    asked++;
    throw new Error('what is this');
  });
  emit(session, 'STOP');
  assert.is((await rejection(throwing)).message, 'what is this');
  emit(session, 'STOP');
  await client.execute('query-status');
  assert.is(asked, 1);
  await client.close();
});

events('a slow reader loses the oldest and neither the commands nor the others wait', async () => {
  const { client, session } = await connected();
  const slow = client.events({ limit: 10 });
  const quick = client.events();
  for (let i = 0; i < 1000; i++) emit(session, 'BALLOON_CHANGE', { actual: i });
  await client.execute('query-status');
  assert.is(slow.dropped, 990);
  assert.equal((await slow.next()).value?.data, { actual: 990 });
  assert.equal((await quick.next()).value?.data, { actual: 0 });
  await client.close();
});

events.run();
