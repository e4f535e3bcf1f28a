import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { address, GuestMemory } from '../../src/system/guest-memory.js';
import { MemoryRam } from '../support/memory-ram.js';

const test = suite('guest memory');
const hole = new GuestMemory([
  { base: 0x10000, ram: new MemoryRam(0x3000), offset: 0x1000, size: 0x2000 },
  { base: 0, ram: new MemoryRam(0x1000), offset: 0, size: 0x1000 },
]);

test('bytes written are read back, wherever the range lies in its RAM', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 0x2000 - 64 }), (bytes, at) => {
      hole.write(0x10000 + at, bytes);
      assert.equal(hole.read(0x10000 + at, bytes.length), bytes);
    }),
  );
});

test('an access that touches a byte outside RAM is refused whole', () => {
  assert.is(hole.contains(0xfff, 1), true);
  for (const [addr, length] of [
    [0xfff, 2],
    [0x1000, 1],
    [0x11fff, 2],
    [-1, 1],
    [0, -1],
    [Number.MAX_SAFE_INTEGER, 2],
    [0.5, 1],
  ] as const) {
    assert.is(hole.slices(addr, length), undefined, `${addr} ${length}`);
    if (length > 0) assert.throws(() => hole.write(addr, new Uint8Array(length)), RangeError);
  }
});

test('64-bit addresses beyond any RAM are told apart before they become numbers', () => {
  assert.is(address(0x1_0000_0000n), 0x1_0000_0000);
  assert.is(address(2n ** 64n - 1n), undefined);
});

test.run();
