import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EventStream } from '../../../qmp/client/event-stream.js';
import { deadline } from '../../support/deadline.js';
import { rejection } from '../../support/qmp-wire.js';

const events = suite('event stream');

function stream(options: { limit?: number; signal?: AbortSignal } = {}) {
  let attached = 0;
  const made = new EventStream<number>(options, () => {
    attached++;
    return () => attached--;
  });
  return { made, attached: () => attached };
}

async function collect(from: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = [];
  for await (const one of from) all.push(one);
  return all;
}

events('gives what came before and during the loop, in order, until it ends', async () => {
  const { made, attached } = stream();
  made.push(1);
  made.push(2);
  const all = collect(made);
  await Promise.resolve();
  made.push(3);
  made.end();
  made.push(4);
  assert.equal(await deadline('the end', all), [1, 2, 3]);
  assert.is(attached(), 0);
});

events('drops and counts the oldest when nobody reads', async () => {
  const { made } = stream({ limit: 3 });
  for (let i = 0; i < 10; i++) made.push(i);
  assert.is(made.dropped, 7);
  made.end();
  assert.equal(await collect(made), [7, 8, 9]);
});

events('several readers get one event each', async () => {
  const { made } = stream();
  const readers = [made.next(), made.next(), made.next()];
  made.push(1);
  made.push(2);
  made.end();
  assert.equal(
    (await Promise.all(readers)).map(({ value }) => value),
    [1, 2, undefined],
  );
});

events('an error comes behind the last event, once', async () => {
  const { made } = stream();
  made.push(1);
  made.end({ reason: new Error('lost') });
  assert.is((await made.next()).value, 1);
  assert.is((await rejection(made.next())).message, 'lost');
  assert.is((await made.next()).done, true);
});

events('an error reaches a reader that waits', async () => {
  const { made } = stream();
  const [first, second] = [rejection(made.next()), made.next()];
  made.end({ reason: new Error('lost') });
  assert.is((await first).message, 'lost');
  assert.is((await second).done, true);
});

events('an abort throws its reason, also one from before', async () => {
  const abort = new AbortController();
  const { made, attached } = stream({ signal: abort.signal });
  made.push(1);
  abort.abort(new Error('enough'));
  assert.is((await rejection(collect(made))).message, 'enough');
  assert.is(attached(), 0);
  const late = stream({ signal: abort.signal });
  assert.is((await rejection(collect(late.made))).message, 'enough');
  assert.is(late.attached(), 0);
});

events('leaving the loop, and leaving the block, detach it', async () => {
  const left = stream();
  left.made.push(1);
  for await (const _ of left.made) break;
  assert.is(left.attached(), 0);
  const scoped = stream();
  {
    await using kept = scoped.made;
    kept.push(1);
    assert.is(scoped.attached(), 1);
  }
  assert.is(scoped.attached(), 0);
});

events('a limit below one is refused', () => {
  assert.throws(() => stream({ limit: 0 }), /leaves no room/);
  assert.throws(() => stream({ limit: Number.NaN }), /leaves no room/);
});

events.run();
