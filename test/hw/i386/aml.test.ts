import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { integer, nameString, pack, scope, string } from '../../../src/hw/i386/aml.js';

const test = suite('AML');

/** The package length at `at` and where its content begins (ACPI specification, section 20.2.4). */
function packageLength(bytes: readonly number[], at: number): { end: number; content: number } {
  const [lead = 0, ...more] = bytes.slice(at);
  const extra = lead >> 6;
  const high = more.slice(0, extra).reduce((sum, byte, i) => sum + byte * 2 ** (4 + 8 * i), 0);
  return { end: at + (extra === 0 ? lead & 0x3f : high + (lead & 0xf)), content: at + 1 + extra };
}

test('package lengths of every form count themselves', () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 4050, max: 70_000 })), (size) => {
      const text = string('x'.repeat(size));
      const bytes = scope('_SB', text);
      const { end, content } = packageLength(bytes, 1);
      assert.is(end, bytes.length);
      assert.equal(bytes.slice(content, content + 4), nameString('_SB'));
      assert.is(bytes.length - content, 4 + text.length);
    }),
  );
  assert.throws(() => scope('_SB', string('x'.repeat(2 ** 20))), RangeError);
});

test('integers take the shortest form', () => {
  assert.equal(integer(0), [0]);
  assert.equal(integer(1), [1]);
  assert.equal(integer(255), [0x0a, 255]);
  assert.equal(integer(256), [0x0b, 0, 1]);
  assert.equal(integer(0xfea00000), [0x0c, 0, 0, 0xa0, 0xfe]);
  assert.equal(pack(integer(5)), [0x12, 4, 1, 0x0a, 5]);
});

test('names that are none are refused', () => {
  for (const bad of ['abc', 'ABCDE', '1ABC', '\\\\']) assert.throws(() => nameString(bad), RangeError, bad);
  assert.equal(nameString('\\'), [0x5c, 0]);
});

test.run();
