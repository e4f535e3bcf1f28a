import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseBzImage } from '../../../src/hw/i386/bzimage.js';
import { bytesSource, linuxImage } from '../../support/i386-kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('bzImage');
const parse = (bytes: Uint8Array) => parseBzImage(bytesSource(bytes));

test('the protected-mode part goes to 1 MiB and is entered at its 64-bit entry', async () => {
  const image = await parse(linuxImage(50_000));
  assert.equal(image.segments, [{ offset: 2560, fileSize: 47_440, addr: 0x100000, memSize: 47_440 }]);
  assert.is(image.entry, 0x100200);
  assert.is(image.protocol, 'linux64');
});

test('0 setup sectors mean 4', async () => {
  const image = await parse(linuxImage(50_000, { setupSects: 0 }));
  assert.is(image.segments[0]?.offset, 2560);
});

test('the header is handed on from 0x1f1 to where its jump ends', async () => {
  const bytes = linuxImage();
  assert.equal(Buffer.from((await parse(bytes)).setupHeader), bytes.subarray(0x1f1, 0x202 + 0x6a));
});

test('the kernel takes all up to where it unpacks itself, or its own end', async () => {
  assert.is((await parse(linuxImage())).end, 0x1000000 + 0xe21000);
  assert.is((await parse(linuxImage(65_536, { prefAddress: 0n, initSize: 0x5000 }))).end, 0x205000);
  const low = linuxImage(65_536, { prefAddress: 0n, initSize: 0x5000 });
  low.writeUInt8(0, 0x234);
  assert.is((await parse(low)).end, 0x100000 + 65_536 - 2560);
});

test('a ramdisk may lie up to initrd_addr_max and the command line be as long as cmdline_size', async () => {
  const bytes = linuxImage();
  bytes.writeUInt32LE(0x37ffffff, 0x22c);
  bytes.writeUInt32LE(255, 0x238);
  const image = await parse(bytes);
  assert.is(image.initrdLimit, 0x38000000);
  assert.is(image.cmdlineSize, 255);
});

const faults: [what: string, edit: (bytes: Buffer) => Buffer | undefined, hint: RegExp][] = [
  ['a cut-off file', (b) => b.subarray(0, 700), /the file has 700 bytes/],
  ['a wrong boot flag', (b) => void b.writeUInt16LE(0x55aa, 0x1fe), /boot_flag at offset 0x1fe is 0x55aa, not 0xaa55/],
  ['a wrong magic', (b) => void b.write('HdrT', 0x202), /header at offset 0x202 is 0x54726448/],
  ['an old version', (b) => void b.writeUInt16LE(0x20b, 0x206), /version at offset 0x206 is 0x20b, .*2\.12/],
  ['a zImage', (b) => void b.writeUInt8(0x80, 0x211), /loadflags at offset 0x211 is 0x80, bit 0/],
  ['a 32-bit kernel', (b) => void b.writeUInt16LE(0x62, 0x236), /xloadflags at offset 0x236 is 0x62, bit 0/],
  ['a short header', (b) => void b.writeUInt8(0x20, 0x201), /jump at offset 0x201 is 0x20, .* 0x222/],
  ['a long header', (b) => void b.writeUInt8(0x8f, 0x201), /jump at offset 0x201 is 0x8f, .* 0x291/],
  ['no kernel', (b) => void b.writeUInt8(200, 0x1f1), /setup_sects at offset 0x1f1 is 0xc8, .* 65536 bytes/],
  ['no alignment', (b) => void b.writeUInt32LE(0, 0x230), /kernel_alignment at offset 0x230 is 0x0, not a power of 2/],
  ['a bad alignment', (b) => void b.writeUInt32LE(0x300000, 0x230), /is 0x300000, not a power of 2/],
  ['a wild address', (b) => void b.writeBigUInt64LE(1n << 60n, 0x258), /pref_address at offset 0x258 is 0x10+, beyond/],
];
for (const [what, edit, hint] of faults) {
  test(`${what} is refused with field and value`, async () => {
    const bytes = linuxImage();
    const edited = edit(bytes) ?? bytes;
    const error = await thrown(() => parse(edited));
    assert.is(error.message, 'invalid kernel header');
    assert.match(error.hint ?? '', hint);
  });
}

test.run();
