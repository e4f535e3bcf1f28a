import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keepText, writeJson } from '../../../qmp/json/writer.js';
import { float, type JsonValue, QFloat } from '../../../src/system/json.js';
import { jsonValue } from '../../support/json-text.js';

const writing = suite('writer');

writing('writes doubles as printf %.17g does', () => {
  // Bits in hexadecimal and the text that Python's '%.17g' gives: ties, powers of ten, extremes, random bits.
  const file = new URL('../../../../test/qmp/data/doubles.json', import.meta.url);
  const oracle = JSON.parse(readFileSync(file, 'utf8')) as [string, string][];
  assert.is(oracle.length, 500);
  for (const [bits, expected] of oracle) {
    assert.is(writeJson(float(Buffer.from(bits, 'hex').readDoubleBE())), expected, bits);
  }
});

writing('a value whose text is kept is written as before', () => {
  fc.assert(
    fc.property(fc.array(jsonValue), (value) => {
      const expected = [writeJson(value), writeJson({ value }), writeJson(value, true)];
      assert.is(keepText(value), value);
      assert.equal([writeJson(value), writeJson({ value }), writeJson(value, true)], expected);
    }),
  );
});

/** As JSON.parse gives it, which has doubles only. */
function asDoubles(value: JsonValue): unknown {
  if (value instanceof QFloat) return value.value;
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(asDoubles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asDoubles(member)]));
}

writing('is JSON for JSON.parse, ASCII only', () => {
  fc.assert(
    fc.property(jsonValue, fc.boolean(), (value, pretty) => {
      const text = writeJson(value, pretty);
      assert.match(text, /^[\n -~]*$/);
      assert.equal(JSON.parse(text), asDoubles(value));
    }),
    { numRuns: 1000 },
  );
});

writing('is what JSON.stringify writes but for the blanks, as long as the text is plain', () => {
  const value = { a: [1, -2, true, null, 'x/y'], b: {}, c: [], 'd e': { f: 'g' } };
  assert.is(writeJson(value), '{"a": [1, -2, true, null, "x/y"], "b": {}, "c": [], "d e": {"f": "g"}}');
  assert.is(writeJson(value).replaceAll(/(?<=[,:]) /g, ''), JSON.stringify(value));
});

writing('escapes control characters, DEL, everything beyond ASCII, in capital digits', () => {
  assert.is(writeJson('\0\x1f\x7f\b\f\n\r\t/\\"\''), '"\\u0000\\u001F\\u007F\\b\\f\\n\\r\\t/\\\\\\"\'"');
  assert.is(writeJson('h\u00e9\u4e16\u{1f600}'), '"h\\u00E9\\u4E16\\uD83D\\uDE00"');
});

writing('replaces what is not a character', () => {
  assert.is(writeJson('\ud83d|\ude00|\ufffe|\ufdd0|\u{1ffff}'), '"\\uFFFD|\\uFFFD|\\uFFFD|\\uFFFD|\\uFFFD"');
});

writing('writes 64-bit integers exactly, also from a number', () => {
  assert.is(
    writeJson([2n ** 64n - 1n, -(2n ** 63n), 2 ** 60]),
    '[18446744073709551615, -9223372036854775808, 1152921504606846976]',
  );
});

writing.run();
