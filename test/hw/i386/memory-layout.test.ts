import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lowRamEnd, ramRanges, virtioSlot } from '../../../src/hw/i386/memory-layout.js';
import { GuestMemory } from '../../../src/system/guest-memory.js';
import { MIB, machineMemory } from '../../support/i386-kernels.js';
import { SparseRam } from '../../support/sparse-ram.js';
import { thrown } from '../../support/thrown.js';

const test = suite('memory layout');

test('every byte of RAM has one address, and the top of the first 4 GiB has none', () => {
  fc.assert(
    fc.property(fc.integer({ min: 32, max: 8192 }), (mib) => {
      const ranges = ramRanges(new SparseRam(mib * MIB));
      let offset = 0;
      for (const range of ranges) {
        assert.is(range.offset, offset);
        offset += range.size;
      }
      assert.is(offset, mib * MIB);
      const memory = new GuestMemory(ranges);
      assert.is(memory.contains(0xc0000000, 1), false);
      assert.is(lowRamEnd(memory), Math.min(mib * MIB, 0xc0000000));
    }),
  );
});

test('3 GiB stay below 4 GiB whole', () => {
  assert.is(ramRanges(new SparseRam(3072 * MIB)).length, 1);
  assert.equal(
    ramRanges(new SparseRam(3073 * MIB)).map(({ base, size }) => [base, size]),
    [
      [0, 3072 * MIB],
      [2 ** 32, MIB],
    ],
  );
});

test('transports lie where spec virtio.md, section 5 says', () => {
  assert.equal(virtioSlot(7, false), { index: 7, base: 0xfeb00e00, irq: 12 });
  assert.equal(virtioSlot(0, false), { index: 0, base: 0xfeb00000, irq: 5 });
  assert.is(virtioSlot(7, true).irq, 23);
});

test('memory that does not begin at 0 is no machine', async () => {
  const ram = new SparseRam(64 * MIB);
  const elsewhere = new GuestMemory([{ base: 2 ** 32, ram, offset: 0, size: ram.size }]);
  assert.is((await thrown(() => lowRamEnd(elsewhere))).message, 'guest RAM is too small');
  assert.is(lowRamEnd(machineMemory(32 * MIB)), 32 * MIB);
});

test.run();
