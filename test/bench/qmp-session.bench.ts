// Requests per second of one session in memory, against a loop that only does JSON.parse and JSON.stringify, and what
// hostile input costs. The ratio is the machine-independent figure.

import { QmpSession } from '../../qmp/session.js';
import type { JsonObject } from '../../src/system/json.js';
import { FakeDispatcher, version } from '../support/qmp-peer.js';

const request =
  '{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/nitro-vsock", "property": "enclave-cid"}, "id": "libvirt-42"}\n';
const line = Buffer.from(request);
const pipelined = Buffer.from(request.repeat(400));

let received = 0;
function negotiated(): QmpSession {
  const session = new QmpSession({
    dispatcher: new FakeDispatcher(),
    transport: {
      send: (bytes) => {
        received += bytes.length;
        return true;
      },
      pause: () => {},
      resume: () => {},
    },
    version,
  });
  session.receive(Buffer.from('{"execute": "qmp_capabilities"}'));
  return session;
}

/** Runs `work` for about a second and returns how often it ran a second, times `each`. */
function rate(work: () => void, each = 1): number {
  for (let i = 0; i < 2000 / each; i++) work();
  const start = process.hrtime.bigint();
  let runs = 0;
  let elapsed = 0n;
  do {
    for (let i = 0; i < 100; i++) work();
    runs += 100;
    elapsed = process.hrtime.bigint() - start;
  } while (elapsed < 1_000_000_000n);
  return (runs * each * 1e9) / Number(elapsed);
}

function bare(): void {
  const message = JSON.parse(line.toString('latin1')) as JsonObject;
  const { property } = message.arguments as JsonObject;
  received += Buffer.from(`${JSON.stringify({ return: property, id: message.id })}\r\n`, 'latin1').length;
}

const session = negotiated();
const rates = {
  'JSON.parse and JSON.stringify only': rate(bare),
  'session, one request a chunk': rate(() => session.receive(line)),
  'session, 400 requests a chunk': rate(() => session.receive(pipelined), 400),
};
const floor = rates['JSON.parse and JSON.stringify only'];
for (const [name, perSecond] of Object.entries(rates)) {
  console.log(`${name}: ${Math.round(perSecond)}/s, ${(perSecond / floor).toFixed(2)} of the floor`);
}

const slow = Buffer.from(request.replace('libvirt-42', 'libvirt-\u00e9'));
console.log(`session, exact reader: ${Math.round(rate(() => session.receive(slow)))}/s`);

const mebibyte = 2 ** 20;
const hostile: Record<string, () => Iterable<Buffer>> = {
  '64 MiB in one string': () => repeated('x', 64, '{"execute": "'),
  '64 MiB of escapes': () => repeated('\\u0041\\n', 64, '{"execute": "'),
  '2 Mi tokens, empty lists': () => repeated('[],', 6, '{"id": ['),
  '2 Mi tokens, empty objects': () => repeated('{},', 6, '{"id": ['),
  '16 MiB of distinct keys': function* () {
    yield Buffer.from('{"id": {');
    for (let i = 0; i < 16; i++) {
      yield Buffer.from(`${Array.from({ length: 65_536 }, (_, j) => `"k${i * 65_536 + j}":1`).join(',')},`);
    }
  },
  '4 MiB of closing brackets': () => repeated(']', 4),
  '64 MiB of white space': () => repeated(' ', 64, '{'),
};

function* repeated(piece: string, mebibytes: number, before = ''): Iterable<Buffer> {
  yield Buffer.from(before);
  const block = Buffer.from(piece.repeat(mebibyte / 16 / piece.length));
  for (let i = 0; i < mebibytes * 16; i++) yield block;
}

for (const [name, chunks] of Object.entries(hostile)) {
  global.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const victim = negotiated();
  const start = process.hrtime.bigint();
  let n = 0;
  for (const chunk of chunks()) {
    victim.receive(chunk);
    if (n++ % 8 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  victim.receive(Buffer.from('\xff\n', 'latin1'));
  peak = Math.max(peak, process.memoryUsage().rss);
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  console.log(`hostile, ${name}: ${Math.round((peak - before) / mebibyte)} MiB more, ${Math.round(ms)} ms`);
}
console.log(`${received} bytes of replies`);
