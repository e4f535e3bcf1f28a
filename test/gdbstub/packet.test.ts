import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePacket, GdbPacketReader, PACKET_SIZE } from '../../src/gdbstub/packet.js';

const test = suite('gdbstub/packet');

function readAll(bytes: Uint8Array, pieces: readonly number[] = []) {
  const reader = new GdbPacketReader();
  const inputs = [];
  let at = 0;
  for (const size of [...pieces, bytes.length]) {
    inputs.push(...reader.read(bytes.subarray(at, at + size)));
    at += size;
  }
  return inputs;
}

test('a packet survives its encoding, whatever it holds and however it is cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.integer({ min: 1, max: 9 })), (body, pieces) => {
      assert.equal(readAll(encodePacket(body), pieces), [{ type: 'packet', body: Buffer.from(body) }]);
    }),
  );
});

test("the manual's example of a checksum", () => {
  assert.is(encodePacket('OK').toString(), '$OK#9a');
});

test('noise between packets is skipped, acknowledgements and interrupts are told', () => {
  const inputs = readAll(Buffer.from('+-\x03xyz$g#67+'));
  assert.equal(
    inputs.map(({ type }) => type),
    ['ack', 'nak', 'interrupt', 'packet', 'ack'],
  );
});

test('a wrong checksum and a packet that is too long are damaged; the next one is read', () => {
  const long = encodePacket('x'.repeat(PACKET_SIZE + 1));
  const inputs = readAll(Buffer.concat([Buffer.from('$g#00$g#zz'), long, Buffer.from('$m#6d')]));
  assert.equal(
    inputs.map(({ type }) => type),
    ['damaged', 'damaged', 'damaged', 'packet'],
  );
});

test('no bytes make the reader fail or keep more than a packet', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
      const reader = new GdbPacketReader();
      for (const chunk of chunks) {
        for (const input of reader.read(chunk)) {
          if (input.type === 'packet') assert.ok(input.body.length <= PACKET_SIZE);
        }
      }
    }),
  );
});

test.run();
