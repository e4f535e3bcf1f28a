import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type GuestOptions, type LoadedGuest, loadGuest } from '../../../src/hw/i386/load-kernel.js';
import { QemuError } from '../../../src/system/errors.js';
import type { GuestMemory } from '../../../src/system/guest-memory.js';
import { deadline } from '../../support/deadline.js';
import { makeImage, text } from '../../support/eif-image.js';
import { elfImage, linuxImage, MIB, machineMemory, pvhNote } from '../../support/i386-kernels.js';
import { pattern } from '../../support/kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('guest loader');
let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'load-kernel-'));
});
test.after(() => rm(dir, { recursive: true }));

const put = async (name: string, bytes: Uint8Array): Promise<string> => {
  const path = join(dir, name);
  await writeFile(path, bytes);
  return path;
};
const load = (options: Partial<GuestOptions> & { kernel: string }): Promise<LoadedGuest> => {
  const given = { append: '', memory: machineMemory(64 * MIB), cpus: 1, acpi: false, virtioSlots: [7, 6] };
  return deadline('the load', loadGuest({ ...given, warn: (line) => assert.unreachable(line), ...options }), 60_000);
};
const eif = (kernel: Uint8Array, ...ramdisks: Uint8Array[]) =>
  makeImage({
    sections: [
      { type: 1, bytes: kernel },
      { type: 2, bytes: text('console=ttyS0') },
      { type: 5, bytes: text('{}') },
      ...ramdisks.map((bytes) => ({ type: 3, bytes })),
    ],
  });
const at = (guest: LoadedGuest, what: string) => guest.placed.find((part) => part.what === what);
const read = (memory: GuestMemory, { addr, size }: { addr: number; size: number } = { addr: 0, size: 0 }) =>
  Buffer.from(memory.read(addr, size));

test('an EIF is taken apart: kernel at 1 MiB, ramdisks joined, command line with the transports', async () => {
  const kernel = linuxImage(3 * MIB);
  const disks = [pattern(100_001, 7), pattern(3, 8)];
  const memory = machineMemory(64 * MIB);
  const guest = await load({ kernel: await put('a.eif', eif(kernel, ...disks)), memory, append: 'quiet' });
  assert.ok(read(memory, at(guest, 'kernel')).equals(kernel.subarray(2560)));
  assert.ok(read(memory, at(guest, 'initrd')).equals(Buffer.concat(disks)));
  const line = 'console=ttyS0 quiet virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11';
  assert.is(Buffer.from(guest.cmdline).toString(), line);
  assert.is(read(memory, { addr: 0x20000, size: line.length + 1 }).toString(), `${line}\0`);
  assert.is(guest.state.rip, 0x100200);
  const zeroPage = read(memory, at(guest, 'zero page'));
  assert.equal([zeroPage.readUInt32LE(0x218), zeroPage.readUInt32LE(0x21c)], [at(guest, 'initrd')?.addr, 100_004]);
  assert.equal(
    guest.eif?.sections.map(({ type }) => type),
    [1, 2, 5, 3, 3],
  );
});

test('-initrd comes behind the ramdisks of the image', async () => {
  const memory = machineMemory(64 * MIB);
  const initrd = await put('more', text('MORE'));
  const guest = await load({ kernel: await put('b.eif', eif(linuxImage(), text('FIRST'))), initrd, memory });
  assert.is(read(memory, at(guest, 'initrd')).toString(), 'FIRSTMORE');
});

test('a bare bzImage takes -append and -initrd alone', async () => {
  const guest = await load({ kernel: await put('bz', linuxImage()), append: 'a=b', virtioSlots: [] });
  assert.is(Buffer.from(guest.cmdline).toString(), 'a=b');
  assert.is(at(guest, 'initrd'), undefined);
  assert.is(guest.eif, undefined);
});

test('ELF kernels start at their entry, or by PVH when they say so', async () => {
  const segment = { addr: 0x1000000n, bytes: pattern(9000) };
  const plain = await load({ kernel: await put('elf', elfImage([segment], 0x1000123n)) });
  assert.equal([plain.protocol, plain.state.rip, plain.state.rsi], ['linux64', 0x1000123, 0x7000]);
  const pvhImage = elfImage([segment, { type: 4, addr: 0n, bytes: pvhNote(0x1000040) }], 0x1000123n);
  const memory = machineMemory(64 * MIB);
  const pvh = await load({ kernel: await put('pvh', pvhImage), memory });
  assert.equal([pvh.protocol, pvh.state.rip, pvh.state.rbx], ['pvh', 0x1000040, 0x6000]);
  assert.is(read(memory, at(pvh, 'PVH start info')).readUInt32LE(0), 0x336ec578);
});

test('with ACPI there are tables instead of device parameters and an MP table', async () => {
  const memory = machineMemory(64 * MIB);
  const guest = await load({ kernel: await put('acpi', linuxImage()), acpi: true, cpus: 288, memory });
  assert.is(Buffer.from(guest.cmdline).toString(), '');
  assert.is(at(guest, 'MP table'), undefined);
  assert.is(read(memory, at(guest, 'ACPI tables')).toString('latin1', 0, 8), 'RSD PTR ');
  assert.is(read(memory, at(guest, 'zero page')).readBigUInt64LE(0x70), 0xe0000n);
});

test('a reset loads the same bytes again over whatever the guest left', async () => {
  const kernel = await put('reset', eif(linuxImage(), pattern(5000)));
  const memory = machineMemory(64 * MIB);
  const first = await load({ kernel, memory });
  const image = first.placed.map((part) => read(memory, part));
  for (const { addr, size } of first.placed) memory.write(addr, new Uint8Array(size).fill(0x55));
  const second = await load({ kernel, memory });
  assert.equal(second.state, first.state);
  for (const [i, part] of second.placed.entries()) assert.ok(read(memory, part).equals(image[i] ?? Buffer.alloc(0)));
});

test('nothing overlaps and all lies in RAM, whatever the sizes', async () => {
  const mib = fc.oneof(fc.integer({ min: 32, max: 128 }), fc.integer({ min: 128, max: 8192 }));
  const size = fc.integer({ min: 20_000, max: 3 * MIB });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        ram: mib,
        kernelSize: size,
        initrdSize: fc.oneof(fc.constant(1), size),
        prefAddress: fc.integer({ min: 0, max: 40 }).map((value) => BigInt(value * MIB)),
        initSize: fc.integer({ min: 0, max: 32 * MIB }),
        cpus: fc.integer({ min: 1, max: 255 }),
        acpi: fc.boolean(),
        elf: fc.boolean(),
      }),
      async ({ ram, kernelSize, initrdSize, prefAddress, initSize, cpus, acpi, elf }) => {
        const memory = machineMemory(ram * MIB);
        const segment = {
          addr: 0x100000n + prefAddress,
          bytes: pattern(kernelSize),
          memSize: BigInt(kernelSize + initSize),
        };
        const file = elf ? elfImage([segment], segment.addr) : linuxImage(kernelSize, { prefAddress, initSize });
        const kernel = await put('any', eif(file, pattern(initrdSize)));
        try {
          const { placed } = await load({ kernel, memory, cpus, acpi });
          const sorted = [...placed].sort((a, b) => a.addr - b.addr);
          for (const [i, { what, addr, size: length }] of sorted.entries()) {
            assert.ok(memory.contains(addr, length), what);
            const next = sorted[i + 1];
            if (next !== undefined) assert.ok(addr + length <= next.addr, `${what} runs into ${next.what}`);
            const reserved = what === 'MP table' || what === 'ACPI tables';
            if (addr < 0x100000) assert.ok(reserved ? addr >= 0x9fc00 : addr + length <= 0x9fc00, what);
          }
          const initrd = sorted.find(({ what }) => what === 'initrd');
          assert.ok(initrd !== undefined && (elf || initrd.addr >= Number(prefAddress) + initSize));
        } catch (error) {
          if (!(error instanceof QemuError)) throw error;
          assert.match(error.message, /^(kernel does not fit into guest RAM|initrd is too large)/);
          assert.ok(ram < 128, 'there was room');
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('every fault names the file', async () => {
  const bad = async (bytes: Uint8Array) =>
    (await thrown(async () => load({ kernel: await put('bad', bytes) }))).message;
  const missing = await thrown(() => load({ kernel: join(dir, 'nothing') }));
  assert.is(missing.message, `could not load kernel '${join(dir, 'nothing')}'`);
  assert.is(missing.hint, 'No such file or directory');
  const invalid = `could not load kernel '${join(dir, 'bad')}': invalid kernel header`;
  assert.is(await bad(text('hello')), invalid);
  assert.is(await bad(eif(text('hello'), text('r'))), invalid);
  assert.is(await bad(eif(linuxImage(1000), text('r'))), invalid);
  const kernel = await put('good', linuxImage());
  const initrd = join(dir, 'no-initrd');
  assert.is((await thrown(() => load({ kernel, initrd }))).message, `Failed to read initrd '${initrd}'`);
  assert.is((await thrown(() => load({ kernel, cpus: 256 }))).message, '256 CPUs need ACPI: an MP table holds 255');
});

test('an image that cannot be started is refused before RAM is touched', async () => {
  const memory = machineMemory(64 * MIB);
  const sections = [
    { type: 1, bytes: linuxImage() },
    { type: 2, bytes: text('a') },
    { type: 3, bytes: text('r') },
  ];
  const refuse = async (image: Uint8Array) =>
    (await thrown(async () => load({ kernel: await put('refused', image), memory }))).message;
  assert.is(await refuse(makeImage({ sections: sections.slice(0, 2) })), 'Invalid EIF image. No ramdisk section.');
  assert.is(
    await refuse(makeImage({ sections: [...sections, ...sections.slice(0, 1)] })),
    'Invalid EIF image. More than 1 kernel section',
  );
  const damaged = makeImage({ sections });
  damaged.writeUInt8(damaged.readUInt8(600) ^ 1, 600);
  assert.match(await refuse(damaged), /^CRC mismatch\. Expected \d+ but header has \d+\.$/);
  const arm = makeImage({ sections, flags: 1 });
  assert.is(await refuse(arm), 'Expected EIF flags to be 0');
  assert.ok(memory.read(0, 2 * MIB).every((byte) => byte === 0));
});

test('oddities that harm nobody are warnings', async () => {
  const lines: string[] = [];
  const sections = [
    { type: 1, bytes: linuxImage() },
    { type: 2, bytes: text('a') },
    { type: 3, bytes: text('r') },
  ];
  const image = makeImage({ sections, version: 3, trailing: 9 });
  await load({ kernel: await put('odd', image), warn: (line) => lines.push(line) });
  assert.ok(lines.some((line) => line.includes('Expected EIF version 4 or greater')));
  assert.ok(lines.some((line) => line.includes('EIF has bytes after its last section')));
});

test.run();
