import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { JsonRpcSession } from '../../qmp/transports/json-rpc.js';
import { judge, tokenDigest } from '../../src/chardev/websocket-access.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';

const test = suite('JSON-RPC messages and WebSocket handshakes, one million inputs each');
const inputs = 1_000_000;

/** xorshift32 from a fixed seed, so that a failure can be run again. */
function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

const pieces = [
  ...'{}[],:" \\0123456789-.e',
  ...[
    '"jsonrpc":"2.0"',
    '"method":"getfd"',
    '"method":"stop"',
    '"method":"nonesuch"',
    '"id":1',
    '"id":null',
    '"id":"x"',
  ],
  ...[
    '"params":{}',
    '"params":[]',
    '"params":{"a":18446744073709551615}',
    '"result":1',
    '"error":{}',
    '\\ud800',
    'null',
  ],
  ...['{"jsonrpc":"2.0","method":"getfd","id":1}', '{"jsonrpc":"2.0","method":"stop","id":2.0}', '\u00e9', '\ud83d'],
];

test('every message has at most one answer, and the one after it is served', async () => {
  const next = random(0x2545f491);
  let answers: string[] = [];
  const session = new JsonRpcSession(
    (name, args) => {
      if (name === 'stop') throw new QemuError('refused');
      return args;
    },
    {
      send: (bytes) => {
        answers.push(Buffer.from(bytes).toString('latin1'));
        return true;
      },
      pause: () => {},
      resume: () => {},
    },
  );
  for (let i = 0; i < inputs; i++) {
    let text = next(2) === 0 ? '{"jsonrpc":"2.0","method":"getfd"' : '';
    for (let left = next(8); left > 0; left--) text += pieces[next(pieces.length)] ?? '';
    if (next(2) === 0) text += '}';
    answers = [];
    session.receive(Buffer.from(text));
    await session.idle();
    assert.ok(answers.length <= 1, text);
    for (const answer of answers) {
      const value = JSON.parse(answer) as JsonObject | JsonObject[];
      for (const { jsonrpc } of Array.isArray(value) ? value : [value]) assert.is(jsonrpc, '2.0', text);
    }
  }
});

test('no handshake without the token is let in', () => {
  const next = random(0x9e3779b9);
  const token = 'tell-nobody-of-this-token';
  const rules = { origins: new Set(['https://a.example']), token: tokenDigest(token) };
  const words = [
    'qmp',
    'jsonrpc',
    'qmp.token.',
    'Bearer',
    ' ',
    ',',
    '=',
    token.slice(1),
    token.slice(0, -1),
    'https://a.example',
  ];
  const some = (): string => {
    let text = '';
    for (let left = next(5); left > 0; left--) text += words[next(words.length)] ?? '';
    return text;
  };
  for (let i = 0; i < inputs; i++) {
    const headers: Record<string, string> = { 'sec-websocket-protocol': some(), authorization: some() };
    if (next(2) === 0) headers.origin = some();
    const verdict = judge({ path: '/', headers }, rules);
    assert.ok('status' in verdict, JSON.stringify(headers));
  }
});

test.run();
