import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ByteWriter, setChecksum } from '../../../src/hw/i386/byte-writer.js';

const test = suite('byte writer');

test('integers of all sizes are what DataView reads', () => {
  fc.assert(
    fc.property(fc.nat(0xff), fc.nat(0xffff), fc.nat(0xffffffff), fc.maxSafeNat(), (a, b, c, d) => {
      const bytes = new ByteWriter().u8(a).u16(b).u32(c).u64(d).bytes();
      const view = new DataView(bytes.buffer);
      assert.equal(
        [view.getUint8(0), view.getUint16(1, true), view.getUint32(3, true), view.getBigUint64(7, true)],
        [a, b, c, BigInt(d)],
      );
    }),
  );
});

test('text is filled up with spaces', () => {
  assert.is(Buffer.from(new ByteWriter().text('ISA', 6).zeros(1).bytes()).toString(), 'ISA   \0');
});

test('bytes with their checksum add up to 0', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (bytes, at) => {
      setChecksum(bytes, at % bytes.length);
      assert.is(
        bytes.reduce((sum, byte) => (sum + byte) % 256, 0),
        0,
      );
    }),
  );
});

test.run();
