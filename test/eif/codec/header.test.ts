import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeHeader,
  decodeSectionHeader,
  encodeHeader,
  encodeSectionHeader,
  HEADER_SIZE,
  SECTION_HEADER_SIZE,
} from '../../../src/eif/codec/header.js';
import { exampleImage } from '../../support/eif-example.js';

const test = suite('eif header');

test("the header of AWS's worked example reads as the specification lists it", () => {
  const header = decodeHeader(exampleImage);
  assert.ok(header);
  assert.is(header.version, 4);
  assert.is(header.flags, 0);
  assert.is(header.defaultMem, 0x40000000n);
  assert.is(header.defaultCpus, 2n);
  assert.is(header.sectionCount, 5);
  assert.equal(
    header.table.slice(0, 6).map(({ offset }) => offset),
    [548n, 576n, 610n, 876n, 900n, 0n],
  );
  assert.equal(
    header.table.slice(0, 6).map(({ size }) => size),
    [16n, 22n, 254n, 12n, 11n, 0n],
  );
  assert.is(header.crc32, 0x04ef1cb5);
});

test('a header read and written again has the same bytes, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: HEADER_SIZE, maxLength: HEADER_SIZE }), (bytes) => {
      bytes.fill(0, 24, 26).fill(0, 540, 544);
      const header = decodeHeader(bytes);
      assert.ok(header);
      assert.equal(encodeHeader(header), bytes);
    }),
  );
});

test('a section header read and written again has the same bytes, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: SECTION_HEADER_SIZE, maxLength: SECTION_HEADER_SIZE }), (bytes) => {
      const header = decodeSectionHeader(bytes);
      assert.ok(header);
      assert.equal(encodeSectionHeader(header), bytes);
    }),
  );
});

test('too few bytes make no header', () => {
  assert.is(decodeHeader(exampleImage.subarray(0, HEADER_SIZE - 1)), undefined);
  assert.is(decodeSectionHeader(exampleImage.subarray(0, SECTION_HEADER_SIZE - 1)), undefined);
});

test.run();
