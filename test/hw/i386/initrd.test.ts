import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadRamdisks, placeInitrd } from '../../../src/hw/i386/initrd.js';
import { QemuError } from '../../../src/system/errors.js';
import { bytesSource, MIB, machineMemory } from '../../support/i386-kernels.js';
import { pattern } from '../../support/kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('initrd');

test('a ramdisk lies on the last page below the end of low RAM or the limit of the kernel', () => {
  const kernel = { end: 0x2000000, initrdLimit: 0x80000000 };
  assert.equal(placeInitrd(5000, kernel, machineMemory(512 * MIB)), { addr: 0x20000000 - 0x2000, size: 5000 });
  assert.equal(placeInitrd(4096, kernel, machineMemory(4096 * MIB)), { addr: 0x80000000 - 0x1000, size: 4096 });
  assert.equal(placeInitrd(0, kernel, machineMemory(64 * MIB)), { addr: 0, size: 0 });
});

test('one that does not fit is refused with what would fit, and what would fit does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 32 * MIB, max: 8192 * MIB }),
      fc.integer({ min: MIB, max: 64 * MIB }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 4096 * MIB }),
      async (ram, end, initrdLimit, size) => {
        const memory = machineMemory(ram);
        const kernel = { end, initrdLimit };
        try {
          const { addr } = placeInitrd(size, kernel, memory);
          assert.ok(addr >= end && addr % 4096 === 0 && addr + size <= initrdLimit && memory.contains(addr, size));
          assert.ok(addr + size > Math.min(initrdLimit, ram, 0xc0000000) - 4096, 'it could lie higher');
        } catch (error) {
          if (!(error instanceof QemuError)) throw error;
          const [, max, need] =
            /^initrd is too large, cannot support\.\(max: (\d+), need (\d+)\)$/.exec(error.message) ?? [];
          assert.is(Number(need), size);
          assert.ok(Number(max) < size);
          if (Number(max) > 0) placeInitrd(Number(max), kernel, memory);
          await thrown(() => placeInitrd(Number(max) + 1, kernel, memory));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('ramdisks are joined without a gap', async () => {
  const memory = machineMemory(32 * MIB);
  const disks = [pattern(1001, 1), pattern(1, 2), pattern(3 * MIB, 3)];
  await loadRamdisks(disks.map(bytesSource), 0x1000000, memory);
  assert.ok(Buffer.concat(disks).equals(memory.read(0x1000000, 3 * MIB + 1002)));
});

test.run();
