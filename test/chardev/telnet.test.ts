import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { escapeData, TelnetReader } from '../../src/chardev/telnet.js';

const test = suite('chardev/telnet');

/** Cuts `bytes` at the given places. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

function readAll(chunks: readonly Uint8Array[]): { data: Buffer; breaks: number } {
  const reader = new TelnetReader();
  let breaks = 0;
  const data = chunks.map((chunk) => reader.read(chunk, () => breaks++));
  return { data: Buffer.concat(data), breaks };
}

test('data comes through escaping and any cuts unchanged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      const { data, breaks } = readAll(cut(escapeData(bytes), cuts));
      assert.equal(data, Buffer.from(bytes));
      assert.is(breaks, 0);
    }),
    { numRuns: 500 },
  );
});

const dataPart = fc.uint8Array({ maxLength: 20 }).map((bytes) => ({ wire: escapeData(bytes), data: bytes, breaks: 0 }));
const optionPart = fc
  .tuple(fc.constantFrom(0xfb, 0xfc, 0xfd, 0xfe), fc.nat(255))
  .map(([verb, option]) => ({ wire: Uint8Array.of(0xff, verb, option), data: new Uint8Array(), breaks: 0 }));
const breakPart = fc.constant({ wire: Uint8Array.of(0xff, 0xf3), data: new Uint8Array(), breaks: 1 });
const subnegotiationPart = fc.uint8Array({ maxLength: 10 }).map((bytes) => ({
  wire: Uint8Array.of(0xff, 0xfa, ...escapeData(bytes), 0xff, 0xf0),
  data: new Uint8Array(),
  breaks: 0,
}));

test('commands are taken out wherever they stand', () => {
  const parts = fc.array(fc.oneof(dataPart, optionPart, breakPart, subnegotiationPart), { maxLength: 12 });
  fc.assert(
    fc.property(parts, fc.array(fc.nat(), { maxLength: 6 }), (list, cuts) => {
      const { data, breaks } = readAll(cut(Buffer.concat(list.map((part) => part.wire)), cuts));
      assert.equal(data, Buffer.concat(list.map((part) => part.data)));
      assert.is(
        breaks,
        list.reduce((sum, part) => sum + part.breaks, 0),
      );
    }),
    { numRuns: 500 },
  );
});

test.run();
