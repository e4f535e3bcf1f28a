import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QmpCommandError, QmpConnectionError, QmpTimeoutError } from '../../../qmp/client/errors.js';
import { type JsonObject, QFloat } from '../../../src/system/json.js';
import { deadline } from '../../support/deadline.js';
import { recordedExchanges } from '../../support/exchanges.js';
import { event, greeting, rejection, WirePeer } from '../../support/qmp-wire.js';

const negotiation = suite('client session: negotiation');

negotiation('a greeting is answered with qmp_capabilities, and is what ready gives', async () => {
  const peer = new WirePeer();
  peer.tell(greeting);
  assert.equal(await peer.requests(), [{ execute: 'qmp_capabilities', id: 1 }]);
  peer.tell({ return: {}, id: 1 });
  assert.equal(await deadline('ready', peer.session.ready), greeting.QMP);
  assert.is(peer.session.oob, false);
});

negotiation('out-of-band execution is enabled only where it is offered', async () => {
  const offered = new WirePeer({ oob: true });
  offered.tell(greeting);
  assert.equal(await offered.requests(), [{ execute: 'qmp_capabilities', arguments: { enable: ['oob'] }, id: 1 }]);
  offered.tell({ return: {}, id: 1 });
  assert.is(offered.session.oob, true);

  const lacking = new WirePeer({ oob: true });
  lacking.tell({ QMP: { ...(greeting.QMP as JsonObject), capabilities: [] } });
  assert.equal(await lacking.requests(), [{ execute: 'qmp_capabilities', id: 1 }]);
  lacking.tell({ return: {}, id: 1 });
  const error = await rejection(lacking.session.request('stop', undefined, { oob: true }));
  assert.instance(error, TypeError);
  assert.match(error.message, 'stop: out-of-band execution is not enabled');
});

negotiation('commands made before wait for it', async () => {
  const peer = new WirePeer();
  const early = peer.session.request('query-status', undefined);
  assert.equal(await peer.requests(), []);
  peer.tell(greeting);
  await peer.requests();
  peer.tell({ return: {}, id: 1 });
  assert.equal(await peer.requests(), [{ execute: 'query-status', id: 2 }]);
  peer.tell({ return: { running: true }, id: 2 });
  assert.equal(await early, { running: true });
});

for (const [what, text] of Object.entries({
  'no greeting but {"return": {}}': '{"return": {}}',
  'no QMP greeting but {"QMP": 1}': '{"QMP": 1}',
  'JSON parse error': 'SSH-2.0-OpenSSH_9.2\r\n',
  'unexpected [1]': '[1]',
})) {
  negotiation(`a peer that begins with ${text.trim()} is left`, async () => {
    const peer = new WirePeer();
    peer.tell(text);
    const error = await rejection(peer.session.ready);
    assert.instance(error, QmpConnectionError);
    assert.match(error.message, what.replace('no greeting', 'no QMP greeting'));
    assert.is(peer.closed, true);
  });
}

negotiation('a refused negotiation ends the connection with the reason', async () => {
  const peer = new WirePeer();
  peer.tell(greeting, { id: 1, error: { class: 'GenericError', desc: 'not today' } });
  assert.match((await rejection(peer.session.ready)).message, 'peer: negotiation failed: not today');
});

negotiation.run();

const commands = suite('client session: commands');

commands('those made in one turn leave in one piece, and replies find them in any order', async () => {
  const peer = await new WirePeer().negotiate();
  const first = peer.session.request('qom-get', { path: '/machine', property: 'type' });
  const second = peer.session.request('query-name', undefined);
  await Promise.resolve();
  assert.is(peer.sent.length, 1);
  assert.equal(await peer.requests(), [
    { execute: 'qom-get', arguments: { path: '/machine', property: 'type' }, id: 2 },
    { execute: 'query-name', id: 3 },
  ]);
  peer.tell({ return: 'b', id: 3 }, { return: 'a', id: 2 });
  assert.equal(await Promise.all([first, second]), ['a', 'b']);
});

commands('an error reply is a QmpCommandError with class and sentence', async () => {
  const peer = await new WirePeer().negotiate();
  const request = peer.session.request('qom-get', { path: '/x', property: 'y' });
  peer.tell({ id: 2, error: { class: 'DeviceNotFound', desc: "Device '/x' not found" } });
  const error = await rejection(request);
  assert.instance(error, QmpCommandError);
  const { command, errorClass, desc, message } = error as QmpCommandError;
  assert.equal([command, errorClass, desc], ['qom-get', 'DeviceNotFound', "Device '/x' not found"]);
  assert.is(message, desc);
});

commands('an error without id is about the oldest command', async () => {
  const peer = await new WirePeer().negotiate();
  const [first, second] = [peer.session.request('a', undefined), peer.session.request('b', undefined)];
  peer.tell({ error: { class: 'GenericError', desc: 'JSON token size limit exceeded' } }, { return: 1, id: 3 });
  assert.match((await rejection(first)).message, 'JSON token size limit exceeded');
  assert.is(await second, 1);
});

commands('members that are undefined are left out', async () => {
  const peer = await new WirePeer().negotiate();
  void peer.session.request('device_add', { driver: 'd', id: undefined as never });
  assert.equal(await peer.requests(), [{ execute: 'device_add', arguments: { driver: 'd' }, id: 2 }]);
});

commands('64-bit integers come and go exactly', async () => {
  const peer = await new WirePeer().negotiate();
  const request = peer.session.request('a', { size: 18446744073709551615n });
  await Promise.resolve();
  assert.match(peer.sent.at(-1)?.text ?? '', '"size": 18446744073709551615');
  peer.tell('{"return": 9223372036854775807, "id": 2}\r\n');
  assert.is(await request, 9223372036854775807n);
});

commands('descriptors go with their own command, behind what was made before it', async () => {
  const peer = await new WirePeer().negotiate();
  void peer.session.request('a', undefined);
  void peer.session.request('getfd', { fdname: 'x' }, { fds: [7] });
  void peer.session.request('b', undefined);
  await Promise.resolve();
  assert.equal(
    peer.sent.map(({ text, fds }) => [text.match(/"execute": "(\w+)"/)?.[1], fds]),
    [
      ['a', undefined],
      ['getfd', [7]],
      ['b', undefined],
    ],
  );
});

commands('with oob eight in-band commands are under way, and an out-of-band one passes those that wait', async () => {
  const peer = await new WirePeer({ oob: true }).negotiate();
  const all = Array.from({ length: 10 }, (_, i) => peer.session.request(`c${i}`, undefined));
  assert.equal(
    (await peer.requests()).map((request) => request.execute),
    ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'],
  );
  const urgent = peer.session.request('migrate-pause', undefined, { oob: true });
  assert.equal(await peer.requests(), [{ 'exec-oob': 'migrate-pause', id: 10 }]);
  peer.tell({ return: 'oob', id: 10 });
  assert.is(await urgent, 'oob');
  assert.equal(await peer.requests(), []);
  peer.tell({ return: 0, id: 2 });
  assert.equal(await peer.requests(), [{ execute: 'c8', id: 11 }]);
  for (const id of [3, 4, 5, 6, 7, 8, 9, 11]) peer.tell({ return: id, id });
  assert.equal(await peer.requests(), [{ execute: 'c9', id: 12 }]);
  peer.tell({ return: 9, id: 12 });
  assert.is((await deadline('all replies', Promise.all(all))).length, 10);
});

commands('a server that answers nothing cannot make memory grow without end', async () => {
  const peer = await new WirePeer().negotiate();
  for (let i = 0; i < 100_000; i++) peer.session.request('a', undefined).catch(() => {});
  assert.instance(await rejection(peer.session.request('a', undefined)), RangeError);
  peer.session.close();
});

commands.run();

const ends = suite('client session: ends of waits');

ends('an abort rejects with its reason and the late reply is ignored', async () => {
  const peer = await new WirePeer().negotiate();
  const abort = new AbortController();
  const request = peer.session.request('a', undefined, { signal: abort.signal });
  await peer.requests();
  abort.abort(new Error('enough'));
  assert.is((await rejection(request)).message, 'enough');
  const next = peer.session.request('b', undefined);
  peer.tell({ return: 'late', id: 2 }, { return: 'b', id: 3 });
  assert.is(await next, 'b');
});

ends('what is aborted before it left is never sent', async () => {
  const peer = new WirePeer();
  const abort = new AbortController();
  const early = peer.session.request('a', undefined, { signal: abort.signal });
  abort.abort();
  assert.is((await rejection(early)).name, 'AbortError');
  assert.is((await rejection(peer.session.request('b', undefined, { signal: abort.signal }))).name, 'AbortError');
  await peer.negotiate();
  assert.equal(await peer.requests(), []);
});

ends('a time limit rejects with a QmpTimeoutError that names the command', async () => {
  const peer = await new WirePeer().negotiate();
  const error = await deadline('the limit', rejection(peer.session.request('a', undefined, { timeoutMs: 5 })));
  assert.instance(error, QmpTimeoutError);
  assert.is(error.message, 'peer: a took longer than 5 ms');
});

ends('a signal that outlives its commands keeps no listener of theirs', async () => {
  const peer = await new WirePeer().negotiate();
  const abort = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = abort.signal;
  abort.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(abort.signal, args);
  };
  abort.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(abort.signal, args);
  };
  const requests = Array.from({ length: 100 }, () => peer.session.request('a', undefined, { signal: abort.signal }));
  assert.is(listeners, 1);
  for (let id = 2; id < 102; id++) peer.tell({ return: {}, id });
  await Promise.all(requests);
  assert.is(listeners, 0);
});

ends('a lost connection rejects everything, each with its own command, and everything later', async () => {
  const peer = await new WirePeer({ oob: true }).negotiate();
  const requests = Array.from({ length: 12 }, (_, i) => rejection(peer.session.request(`c${i}`, undefined)));
  peer.session.end(new Error('read ECONNRESET'));
  for (const [i, error] of (await deadline('all ends', Promise.all(requests))).entries()) {
    assert.instance(error, QmpConnectionError);
    assert.is(error.message, `peer: connection lost: read ECONNRESET; no reply to c${i}`);
    assert.is((error.cause as Error).message, 'read ECONNRESET');
  }
  assert.instance(await rejection(peer.session.request('late', undefined)), QmpConnectionError);
  assert.is((await peer.session.ended).message, 'peer: connection lost: read ECONNRESET');
});

for (const text of [
  '{"return": {}, "id": 99}',
  '{"return": {}}',
  '{"neither": 1}',
  '{"return": ',
  '{"event": 7}',
  '{"id": 2, "error": 5}',
  'garbage',
]) {
  ends(`a server that says ${text} breaks the protocol, or has not finished`, async () => {
    const peer = await new WirePeer().negotiate();
    const request = rejection(peer.session.request('a', undefined));
    await peer.requests();
    peer.tell(text, '\n');
    if (text.endsWith(' ')) peer.session.end();
    const error = await deadline('the end', request);
    assert.instance(error, QmpConnectionError);
    assert.is(peer.closed, !text.endsWith(' '));
  });
}

ends('a listener hears the events and the end once, and later listeners the end at once', async () => {
  const peer = await new WirePeer().negotiate();
  const heard: string[] = [];
  const listener = (name: string) => ({
    event: (one: { event: string }) => heard.push(`${name} ${one.event}`),
    ended: (_: Error, here: boolean) => heard.push(`${name} ended ${here}`),
  });
  const stop = peer.session.listen(listener('a'));
  peer.session.listen(listener('b'));
  peer.tell(event('STOP'));
  stop();
  peer.tell(event('RESUME'));
  peer.session.close();
  peer.session.close();
  peer.session.listen(listener('c'));
  assert.equal(heard, ['a STOP', 'b STOP', 'b RESUME', 'b ended true', 'c ended true']);
});

ends.run();

/** Large integers and integral doubles have types of their own when they were read. */
function plainText(value: unknown): string {
  return JSON.stringify(value, (_, one) =>
    typeof one === 'bigint' ? Number(one) : one instanceof QFloat ? one.value : one,
  );
}

const wire = suite('client session: the wire');

wire('every reply that a real QEMU was recorded to give is understood', async () => {
  let replies = 0;
  for (const { steps } of recordedExchanges()) {
    for (const line of steps.flatMap(({ receive }) => [...receive])) {
      const message = JSON.parse(line) as JsonObject;
      if (!('return' in message || 'error' in message)) continue;
      const peer = await new WirePeer().negotiate();
      const request = peer.session.request('a', undefined);
      await peer.requests();
      peer.tell({ ...message, id: 2 });
      const error = message.error as { desc: string } | undefined;
      if (error === undefined) assert.equal(await request, message.return);
      else assert.is((await rejection(request)).message, error.desc);
      replies++;
    }
  }
  assert.ok(replies > 100);
});

wire('any replies and events, in any order and cut anywhere, reach those they are for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ failed: fc.boolean(), value: fc.jsonValue({ maxDepth: 2 }), events: fc.nat(2) }), {
        maxLength: 20,
      }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      fc.infiniteStream(fc.nat()),
      async (outcomes, cuts, order) => {
        const peer = await new WirePeer().negotiate();
        let events = 0;
        peer.session.listen({ event: () => events++, ended: () => {} });
        const requests = outcomes.map((_, i) => peer.session.request(`c${i}`, undefined));
        const messages = outcomes.map(({ failed, value }, i) => ({
          id: i + 2,
          ...(failed ? { error: { class: 'C', desc: JSON.stringify(value) } } : { return: value }),
        }));
        const shuffled: object[] = outcomes.flatMap(({ events: n }) => Array.from({ length: n }, () => event('E')));
        for (const message of messages) shuffled.splice((order.next().value ?? 0) % (shuffled.length + 1), 0, message);
        const bytes = Buffer.from(shuffled.map((message) => `${JSON.stringify(message)}\r\n`).join(''));
        for (let at = 0; at < bytes.length; ) {
          const end = at + (cuts.next().value ?? 1);
          peer.session.receive(bytes.subarray(at, end));
          at = end;
        }
        const results = await Promise.allSettled(requests);
        for (const [i, result] of results.entries()) {
          const { failed, value } = outcomes[i] ?? { failed: false, value: null };
          if (result.status === 'rejected') assert.is((result.reason as Error).message, JSON.stringify(value));
          else assert.is(plainText(result.value), plainText(value));
          assert.is(result.status === 'rejected', failed);
        }
        assert.is(
          events,
          outcomes.reduce((sum, one) => sum + one.events, 0),
        );
      },
    ),
    { numRuns: 100 },
  );
});

wire('any bytes are an orderly end or are waited on, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
      fc.boolean(),
      async (chunks, late) => {
        const peer = new WirePeer();
        if (late) await peer.negotiate();
        const request = rejection(peer.session.request('a', undefined));
        for (const chunk of chunks) peer.session.receive(chunk);
        peer.session.end();
        assert.instance(await request, Error);
      },
    ),
    { numRuns: 300 },
  );
});

wire.run();
