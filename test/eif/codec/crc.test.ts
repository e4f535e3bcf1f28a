import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32Combine, ImageCrc } from '../../../src/eif/codec/crc.js';
import type { Section } from '../../../src/eif/codec/header.js';

const test = suite('eif crc');

test('two CRCs combine into the CRC of the bytes joined', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
      assert.is(crc32Combine(crc32(a), crc32(b), b.length), crc32(b, crc32(a)));
    }),
  );
});

test('a length is taken beyond 2^32', () => {
  // Joining in two steps must not matter, and short steps are proven against zlib above.
  const zeros = (length: number) => crc32(new Uint8Array(length));
  const joined = (parts: number) => {
    let crc = 0;
    let length = 0;
    let part = zeros(1024 * 1024);
    for (let size = 1024 * 1024; size < parts * 1024 * 1024; size *= 2) {
      part = crc32Combine(part, part, size);
      length = size * 2;
    }
    crc = part;
    return { crc, length };
  };
  const { crc, length } = joined(8192);
  assert.is(length, 8 * 1024 ** 3);
  const once = crc32Combine(crc32(Buffer.from('x')), crc, length);
  const half = joined(4096);
  const twice = crc32Combine(crc32Combine(crc32(Buffer.from('x')), half.crc, half.length), half.crc, half.length);
  assert.is(once, twice);
});

test('one pass over a file gives the CRC of its sections in any order, with gaps and overlaps', () => {
  const section = fc
    .tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 88 }))
    .map(([offset, size]): Section => ({ type: 1, offset, payload: offset + 12, size }));
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1000, maxLength: 1000 }),
      fc.array(section, { maxLength: 6 }),
      fc.integer({ min: 1, max: 400 }),
      (file, sections, step) => {
        const crc = new ImageCrc(sections);
        for (let at = 0; at < file.length; at += step) crc.update(file.subarray(at, at + step));
        const pieces = sections.map(({ offset, payload, size }) => file.subarray(offset, payload + size));
        assert.is(crc.over(sections), crc32(Buffer.concat([file.subarray(0, 544), ...pieces])));
        assert.is(
          crc.over([...sections].reverse()),
          crc32(Buffer.concat([file.subarray(0, 544), ...pieces.reverse()])),
        );
      },
    ),
  );
});

test.run();
