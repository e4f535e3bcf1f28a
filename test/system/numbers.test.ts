import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseBool, parseInteger, parseSize, parseSizeText, parseUint64 } from '../../src/system/numbers.js';
import { modelSize, sizePieces } from '../support/size-model.js';

const test = suite('numbers');

test('sizes agree with the model', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...sizePieces), { maxLength: 5 }), (pieces) => {
      const text = pieces.join('');
      const expected = modelSize(text);
      if (expected !== undefined) assert.is(parseSizeText(text), expected, text);
    }),
    { numRuns: 20_000 },
  );
});

// QEMU tests/unit/test-cutils.c has these cases.
test('e is the suffix, never an exponent; hexadecimal takes neither fraction nor suffix', () => {
  assert.is(parseSizeText('1.5e'), 3n << 59n);
  for (const text of ['1.5e1k', '1.5E+0k', '1.5E999', '0x1.8k', '0x18M', '0x1p1', '1.1.k', '1k ', '123xxx', '']) {
    assert.is(parseSizeText(text), 'invalid', text);
  }
  for (const text of [' -0', '-1', ' -.0', '16E']) assert.is(parseSizeText(text), 'range', text);
  for (const text of ['-2M', '-.1k']) assert.is(parseSizeText(text), 'invalid', text);
});

test('a fraction goes through a double and is never lost', () => {
  assert.is(parseSizeText(`1.${'0'.repeat(400)}1B`), 'invalid');
  assert.is(parseSizeText('.99999999999999999999B'), 1n);
  assert.is(parseSizeText('15.9999999999999999999999E'), 'range');
  assert.is(parseSizeText('1.k'), 1024n);
});

test('numbers without a unit: decimal, hexadecimal, octal; unsigned ones wrap', () => {
  const integer = fc.bigInt({ min: 0n, max: 2n ** 65n });
  const written = (n: bigint, base: number) =>
    base === 16 ? `0x${n.toString(16)}` : base === 8 ? `0${n.toString(8)}` : `${n}`;
  fc.assert(
    fc.property(integer, fc.constantFrom(8, 10, 16), fc.boolean(), (n, base, negative) => {
      const text = `${negative ? '-' : ''}${written(n, base)}`;
      assert.is(parseInteger(text), negative ? -n : n);
      assert.is(parseUint64(text), n >= 2n ** 64n ? 'range' : BigInt.asUintN(64, negative ? -n : n));
    }),
  );
  for (const text of ['08', '0x', '1 ', '', '-', '\u00a01']) assert.is(parseUint64(text), 'invalid', text);
});

test('switches have four spellings each', () => {
  assert.equal(['on', 'yes', 'true', 'y'].map(parseBool), [true, true, true, true]);
  assert.equal(['off', 'no', 'false', 'n'].map(parseBool), [false, false, false, false]);
  assert.equal(['On', '1', ''].map(parseBool), [undefined, undefined, undefined]);
  assert.is(parseSize('x'), undefined);
});

test.run();
