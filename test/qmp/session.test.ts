import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Broadcast } from '../../qmp/session/wire.js';
import type { JsonValue } from '../../src/system/json.js';
import { deadline } from '../support/deadline.js';
import { type Exchange, recordedExchanges } from '../support/exchanges.js';
import { FakeDispatcher, fakeCommands, QmpPeer } from '../support/qmp-peer.js';

const exchanges = recordedExchanges();

/** Cases that need a machine or objects belong to the product's test. */
function isProtocol({ steps }: Exchange): boolean {
  return steps.every(({ send }) => {
    const commands = [...send.toString('latin1').matchAll(/"exec(?:ute|-oob)": ?"([a-z_-]+)"/g)].map(
      (match) => match[1],
    );
    return commands.every(
      (name) =>
        name === undefined || name === 'nonesuch' || name === 'qmp_capabilities' || Object.hasOwn(fakeCommands, name),
    );
  });
}
const protocolExchanges = exchanges
  .slice(
    0,
    exchanges.findIndex(({ name }) => name === 'qom-get missing path'),
  )
  .filter(isProtocol);

function fresh(exchange: Exchange): QmpPeer {
  const peer = new QmpPeer();
  peer.take();
  return exchange.negotiated ? peer.negotiate() : peer;
}

const recorded = suite('session: recorded exchanges');

recorded('the recording is whole and most of its protocol part can be replayed here', () => {
  assert.is(exchanges.length, 160);
  assert.is(protocolExchanges.length, 93);
});

for (const exchange of protocolExchanges) {
  recorded(exchange.name, () => {
    const peer = fresh(exchange);
    for (const { send, receive } of exchange.steps) assert.equal(peer.ask(send), [...receive]);
  });
}

recorded('every input gives the same when it comes byte by byte', () => {
  for (const exchange of protocolExchanges) {
    const peer = fresh(exchange);
    for (const { send, receive } of exchange.steps) {
      for (const byte of send) peer.session.receive(Uint8Array.of(byte));
      assert.equal(peer.takeLines(), [...receive], exchange.name);
    }
  }
});

recorded('every input gives the same when it is cut in two anywhere', () => {
  for (const exchange of protocolExchanges) {
    const length = Math.max(...exchange.steps.map(({ send }) => send.length));
    // All cuts of ordinary requests; a sample of cuts of the deep and the long ones.
    for (let cut = 1; cut < length; cut += length > 500 ? 997 : 1) {
      const peer = fresh(exchange);
      for (const { send, receive } of exchange.steps) {
        peer.session.receive(send.subarray(0, cut));
        peer.session.receive(send.subarray(cut));
        assert.equal(peer.takeLines(), [...receive], `${exchange.name} cut at ${cut}`);
      }
    }
  }
});

recorded.run();

const session = suite('session');

session('greets as the recorded QEMU does', () => {
  assert.equal(new QmpPeer().takeLines(), [
    '{"QMP": {"version": {"qemu": {"micro": 50, "minor": 2, "major": 10}, "package": ""}, "capabilities": ["oob"]}}',
  ]);
});

session('indents as QEMU does with pretty=on', () => {
  // Recorded from qemu-system-x86_64 7.2 -mon pretty=on.
  const peer = new QmpPeer({ pretty: true }).negotiate();
  peer.session.receive(Buffer.from('{"execute": "query-name", "id": {"a": [], "b": [1, [2, {}]], "c": {}}}'));
  assert.is(
    peer.take(),
    `{
    "return": {
    },
    "id": {
        "a": [
        ],
        "b": [
            1,
            [
                2,
                {
                }
            ]
        ],
        "c": {
        }
    }
}
`.replaceAll('\n', '\r\n'),
  );
});

session('writes errors indented with pretty=on, the id first', () => {
  const lines = new QmpPeer({ pretty: true }).negotiate().ask('{"execute": "nonesuch", "id": 1}');
  assert.equal(lines, [
    '{',
    '    "id": 1,',
    '    "error": {',
    '        "class": "CommandNotFound",',
    '        "desc": "The command nonesuch has not been found"',
    '    }',
    '}',
  ]);
});

session('answers the out-of-band mistakes as QEMU does', () => {
  // Recorded from qemu-system-x86_64 7.2.
  const peer = new QmpPeer().negotiate(true);
  const reply = (input: string): string => peer.ask(input).join('|');
  const clash = `{"id": 2, "error": {"class": "GenericError", "desc": "QMP input member 'execute' clashes with 'exec-oob'"}}`;
  assert.is(reply('{"execute":"query-name","exec-oob":"query-name","id":2}'), clash);
  assert.is(reply('{"exec-oob":"query-name","execute":"query-name","id":2}'), clash);
  assert.is(
    reply('{"exec-oob":"query-name","id":2}'),
    '{"id": 2, "error": {"class": "GenericError", "desc": "The command query-name does not support OOB"}}',
  );
  assert.is(
    reply('{"exec-oob":"nope","id":2}'),
    '{"id": 2, "error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}',
  );
  assert.is(
    reply('{"exec-oob":3}'),
    `{"error": {"class": "GenericError", "desc": "QMP input member 'exec-oob' must be a string"}}`,
  );
  assert.is(
    reply('{"exec-oob":"qmp_capabilities"}'),
    '{"error": {"class": "GenericError", "desc": "The command qmp_capabilities does not support OOB"}}',
  );
  assert.is(
    reply('{"execute":"qmp_capabilities","arguments":{"x":1}}'),
    `{"error": {"class": "GenericError", "desc": "Parameter 'x' is unexpected"}}`,
  );
});

session('checks the arguments of qmp_capabilities as QEMU does', () => {
  // Recorded from qemu-system-x86_64 7.2.
  const peer = new QmpPeer();
  peer.take();
  const reply = (args: string): string => peer.ask(`{"execute":"qmp_capabilities","arguments":${args}}`).join('|');
  const wrong = (text: string): string => `{"error": {"class": "GenericError", "desc": "${text}"}}`;
  assert.is(reply('{"enable":1}'), wrong("Invalid parameter type for 'enable', expected: array"));
  assert.is(reply('{"enable":[1]}'), wrong("Invalid parameter type for 'enable[0]', expected: string"));
  assert.is(reply('{"enable":["oob",1]}'), wrong("Invalid parameter type for 'enable[1]', expected: string"));
  assert.is(reply('{"enable":["oob"],"x":1}'), wrong("Parameter 'x' is unexpected"));
  assert.not.ok(peer.session.negotiated);
});

/** A command that answers when told to. */
class Slow {
  readonly started: JsonValue[] = [];
  readonly #finish: ((value: JsonValue) => void)[] = [];

  readonly command = {
    args: { meta: 'object', name: 'slow', members: { n: { type: { meta: 'builtin', name: 'any' }, optional: false } } },
    run: (args: { n?: JsonValue }): Promise<JsonValue> => {
      this.started.push(args.n ?? null);
      return new Promise((resolve) => this.#finish.push(resolve));
    },
  } as const;

  /** Lets the oldest call return, and everything that follows from it happen. */
  async finish(): Promise<void> {
    this.#finish.shift()?.({});
    await deadline('the reply', new Promise((resolve) => setImmediate(resolve)));
  }
}

function slowPeer(oob: boolean): { slow: Slow; peer: QmpPeer } {
  const slow = new Slow();
  const peer = new QmpPeer({ dispatcher: new FakeDispatcher({ slow: slow.command }) }).negotiate(oob);
  return { slow, peer };
}

const slowRequest = (n: number): string => `{"execute": "slow", "arguments": {"n": ${n}}, "id": ${n}}\n`;

session('without oob looks at the next request only after the reply', async () => {
  const { slow, peer } = slowPeer(false);
  assert.equal(peer.ask(`${slowRequest(1)}]\n${slowRequest(2)}{"execute": "query-name", "id": 3}\n`), []);
  assert.ok(peer.paused);
  assert.equal(slow.started, [1]);
  await slow.finish();
  assert.equal(slow.started, [1, 2]);
  assert.equal(peer.takeLines(), [
    '{"return": {}, "id": 1}',
    '{"error": {"class": "GenericError", "desc": "JSON parse error, expecting value"}}',
  ]);
  await slow.finish();
  assert.equal(peer.takeLines(), ['{"return": {}, "id": 2}', '{"return": {}, "id": 3}']);
  assert.not.ok(peer.paused);
});

session('with oob queues eight requests beside the running one and then stops reading', async () => {
  const { slow, peer } = slowPeer(true);
  for (let n = 1; n <= 8; n++) peer.session.receive(Buffer.from(slowRequest(n)));
  assert.not.ok(peer.paused);
  // An out-of-band request overtakes them all.
  assert.equal(peer.ask('{"exec-oob": "yank", "id": "now"}'), ['{"return": {}, "id": "now"}']);
  assert.equal(peer.ask(slowRequest(9)), []);
  assert.not.ok(peer.paused);
  assert.equal(peer.ask('{"exec-oob": "yank", "id": "late"}'), []);
  assert.ok(peer.paused);
  await slow.finish();
  assert.equal(peer.takeLines(), ['{"return": {}, "id": 1}', '{"return": {}, "id": "late"}']);
  assert.not.ok(peer.paused);
  for (let n = 2; n <= 9; n++) await slow.finish();
  assert.equal(
    peer.takeLines(),
    Array.from({ length: 8 }, (_, i) => `{"return": {}, "id": ${i + 2}}`),
  );
  assert.equal(slow.started, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

session('answers the requests of one chunk with one write and never touches the transport', () => {
  const peer = new QmpPeer().negotiate();
  peer.session.receive(Buffer.from('{"execute": "query-name"}\n'.repeat(100)));
  assert.is(peer.writes.length, 1);
  assert.is(peer.takeLines().length, 100);
  assert.is(peer.throttlings, 0);
});

session('takes no request while the client does not read, and goes on when it does', () => {
  const peer = new QmpPeer().negotiate();
  peer.ready = false;
  peer.session.receive(Buffer.from('{"execute": "query-name", "id": 1}\n'));
  assert.is(peer.take(), '{"return": {}, "id": 1}\r\n');
  peer.session.receive(Buffer.from('{"execute": "query-name", "id": 2}\n{"execute": "query-name", "id": 3}\n'));
  assert.is(peer.take(), '');
  assert.ok(peer.paused);
  peer.ready = true;
  peer.session.drained();
  assert.equal(peer.takeLines(), ['{"return": {}, "id": 2}', '{"return": {}, "id": 3}']);
  assert.not.ok(peer.paused);
});

session('sends long output in pieces, so that a client that asks for much cannot fill the memory', () => {
  const big = { run: () => 'x'.repeat(50_000) };
  const peer = new QmpPeer({ dispatcher: new FakeDispatcher({ big }) }).negotiate();
  peer.ready = false;
  peer.session.receive(Buffer.from('{"execute": "big"}\n'.repeat(1000)));
  assert.is(peer.writes.length, 1);
  assert.ok(peer.take().length < 200_000);
});

session('sends events only after negotiation, and before the reply of the command that causes them', () => {
  const stop = new Broadcast({ timestamp: { seconds: 1795413008, microseconds: 260697 }, event: 'STOP' });
  const stopCommand = {
    run: (_: unknown, context: { session: { sendEvent(event: Broadcast): void } }) => {
      context.session.sendEvent(stop);
      return {};
    },
  };
  const peer = new QmpPeer({ dispatcher: new FakeDispatcher({ stop: stopCommand }) });
  peer.take();
  peer.session.sendEvent(stop);
  assert.is(peer.take(), '');
  peer.negotiate();
  const line = '{"timestamp": {"seconds": 1795413008, "microseconds": 260697}, "event": "STOP"}';
  assert.equal(peer.ask('{"execute": "stop"}'), [line, '{"return": {}}']);
  peer.session.sendEvent(stop);
  assert.equal(peer.takeLines(), [line]);
});

session('after close neither runs what waits nor answers what ran', async () => {
  const { slow, peer } = slowPeer(true);
  peer.session.receive(Buffer.from(slowRequest(1) + slowRequest(2)));
  peer.session.close();
  await slow.finish();
  peer.session.receive(Buffer.from('{"execute": "query-name"}'));
  assert.equal(slow.started, [1]);
  assert.is(peer.take(), '');
});

session('the negotiation does not run out of band', () => {
  const peer = new QmpPeer().negotiate(true);
  assert.equal(peer.ask('{"exec-oob": "qmp_capabilities"}'), [
    '{"error": {"class": "GenericError", "desc": "The command qmp_capabilities does not support OOB"}}',
  ]);
});

session('nothing after the command that ends the machine is looked at, events still go out', async () => {
  const dispatcher: FakeDispatcher = new FakeDispatcher({
    quit: {
      run: () => {
        dispatcher.ending = true;
        return {};
      },
    },
  });
  const peer = new QmpPeer({ dispatcher }).negotiate();
  assert.equal(peer.ask('{"execute": "quit"}{"execute": "query-name"}}'), ['{"return": {}}']);
  await deadline('the end of the session', peer.session.idle());
  peer.session.sendEvent(new Broadcast({ event: 'SHUTDOWN' }));
  assert.equal(peer.takeLines(), ['{"event": "SHUTDOWN"}']);
});

session('turns any failure of a command into an error reply', async () => {
  const dispatcher = new FakeDispatcher({
    throws: {
      run: () => {
        throw new TypeError('x is not a function');
      },
    },
    rejects: { run: () => Promise.reject(new Error('gone')) },
  });
  const peer = new QmpPeer({ dispatcher }).negotiate();
  assert.equal(peer.ask('{"execute": "throws", "id": 1}'), [
    '{"id": 1, "error": {"class": "GenericError", "desc": "x is not a function"}}',
  ]);
  peer.ask('{"execute": "rejects", "id": 2}');
  await deadline('the reply', new Promise((resolve) => setImmediate(resolve)));
  assert.equal(peer.takeLines(), ['{"id": 2, "error": {"class": "GenericError", "desc": "gone"}}']);
});

session.run();
