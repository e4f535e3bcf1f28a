import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseElf } from '../../../src/hw/i386/elf.js';
import { checkPlacement, loadSegments } from '../../../src/hw/i386/kernel-image.js';
import { bootParsersHold } from '../../support/i386-fuzz.js';
import { bytesSource, elfImage, MIB, machineMemory } from '../../support/i386-kernels.js';
import { pattern } from '../../support/kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('kernel image');
const segment = (addr: bigint, memSize = 4096n) => ({ addr, bytes: pattern(4096), memSize });
const check = async (segments: ReturnType<typeof segment>[], entry = 0x100000n, ram = 32 * MIB) =>
  checkPlacement(await parseElf(bytesSource(elfImage(segments, entry))), machineMemory(ram));

test('segments between 1 MiB and the end of RAM are accepted in any order', async () => {
  await check([segment(0x101000n), segment(0x100000n), segment(0x1fff000n)]);
});

test('a kernel that needs more RAM than there is says how much', async () => {
  const error = await thrown(() => check([segment(0x100000n), segment(0x1fff001n)]));
  assert.is(error.message, 'kernel does not fit into guest RAM');
  assert.is(error.hint, 'it needs RAM up to 0x2000001, which ends at 0x2000000; increase -m');
  const high = await thrown(() => check([segment(0x3ffff001n)], 0x3ffff001n, 4096 * MIB));
  assert.is(high.hint, 'it needs memory up to 0x40000001; kernels are started in the first GiB');
});

test('segments below 1 MiB or over one another, and entries outside of them, are refused', async () => {
  const low = await thrown(() => check([segment(0xff000n)]));
  assert.is(low.hint, 'the segment at 0xff000 begins below 1 MiB, where boot data lies');
  const over = await thrown(() => check([segment(0x100000n, 8192n), segment(0x101fffn)]));
  assert.is(over.hint, 'the segment at 0x101fff begins inside the one that ends at 0x102000');
  const entry = await thrown(() => check([segment(0x100000n), segment(0x102000n)], 0x101000n));
  assert.is(entry.hint, 'the entry point 0x101000 is in no loaded segment');
});

test('loading fills what the file has not with zeroes, even where RAM was used before', async () => {
  const memory = machineMemory(32 * MIB);
  memory.write(0x1ff000, new Uint8Array(0x5000).fill(0xee));
  const file = bytesSource(elfImage([segment(0x200000n, 0x2000n)], 0x200000n));
  await loadSegments(await parseElf(file), file, memory);
  const expected = Buffer.concat([
    Buffer.alloc(0x1000, 0xee),
    pattern(4096),
    Buffer.alloc(0x1000),
    Buffer.alloc(0x2000, 0xee),
  ]);
  assert.ok(expected.equals(memory.read(0x1ff000, 0x5000)));
});

test('damaged kernels are refused, or loaded with nothing out of bounds', () => bootParsersHold(2000));

test.run();
