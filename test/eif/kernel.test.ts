import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HEAD_SIZE, kernelPayload, recognise } from '../../src/eif/kernel.js';
import { ImageFile } from '../../src/eif/read.js';
import { readRam } from '../../src/system/guest-ram.js';
import type { TargetArch } from '../../src/system/system.js';
import { arm64Image, bzImage, zboot } from '../support/kernels.js';
import { MemoryRam } from '../support/memory-ram.js';
import { thrown } from '../support/thrown.js';

const test = suite('kernel');
let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kernel-test-'));
});
test.after(() => rm(dir, { recursive: true }));

/** What becomes the kernel section for a file with these bytes. */
async function payloadOf(bytes: Uint8Array, arch: TargetArch): Promise<Uint8Array> {
  const path = join(dir, 'kernel');
  await writeFile(path, bytes);
  const file = await ImageFile.open(path, 'cannot open');
  try {
    const payload = await kernelPayload(file, await file.bytes(0, HEAD_SIZE), arch);
    const ram = new MemoryRam(payload.size, 1000);
    await payload.copyTo(ram, 0, () => undefined);
    return readRam(ram, 0, payload.size);
  } finally {
    await file.close();
  }
}

test('images are recognised by their magic', () => {
  assert.is(recognise(Buffer.from('.eif')), 'eif');
  assert.is(recognise(bzImage(2048)), 'bzImage');
  assert.is(recognise(arm64Image(2048)), 'Image');
  assert.is(recognise(zboot(gzipSync(arm64Image(2048)))), 'zboot');
  assert.is(recognise(gzipSync('x')), 'gzip');
  assert.is(recognise(Buffer.from('\x7fELF')), 'elf');
  assert.is(recognise(new Uint8Array()), 'unknown');
});

test('a plain kernel of the target stays as it is', async () => {
  assert.equal(Buffer.from(await payloadOf(bzImage(5000), 'x86_64')), bzImage(5000));
  assert.equal(Buffer.from(await payloadOf(arm64Image(5000), 'aarch64')), arm64Image(5000));
});

test('an arm64 Image is unpacked from gzip and from zboot', async () => {
  const packed = gzipSync(arm64Image(5000));
  assert.equal(Buffer.from(await payloadOf(packed, 'aarch64')), arm64Image(5000));
  assert.equal(Buffer.from(await payloadOf(zboot(packed), 'aarch64')), arm64Image(5000));
});

const refused: [title: string, bytes: Uint8Array, arch: TargetArch, message: RegExp, hint: RegExp][] = [
  ['an arm64 Image on x86_64', arm64Image(2048), 'x86_64', /neither an EIF .* for x86_64$/, /^found an arm64 Image; /],
  ['a bzImage on aarch64', bzImage(2048), 'aarch64', /neither an EIF .* for aarch64$/, /^found an x86 bzImage; /],
  ['gzip data on x86_64', gzipSync(arm64Image(9)), 'x86_64', /neither/, /^found gzip data; -kernel takes .*bzImage/],
  ['an ELF file', Buffer.from('\x7fELF...'), 'x86_64', /neither/, /^found an ELF file/],
  ['text', Buffer.from('hello world'), 'aarch64', /neither/, /first bytes 68 65 6c 6c 6f 20 77 6f\); .*Image/],
  ['an empty file', Buffer.alloc(0), 'x86_64', /neither/, /the file is empty/],
  ['gzip around a bzImage', gzipSync(bzImage(2048)), 'aarch64', /neither/, /an x86 bzImage packed by gzip/],
  [
    'broken gzip',
    gzipSync(arm64Image(2048)).subarray(0, 20),
    'aarch64',
    /^nitro: cannot unpack/,
    /unexpected end of file/,
  ],
  ['zboot with zstd', zboot(Buffer.alloc(9), 'zstd'), 'aarch64', /^nitro: cannot unpack/, /'zstd', only gzip/],
  ['zboot with a long name', zboot(Buffer.alloc(9), '\n'.repeat(40)), 'aarch64', /^nitro: cannot unpack/, /'\?{32}'/],
  ['zboot of 60 bytes', zboot(Buffer.alloc(9)).subarray(0, 60), 'aarch64', /unpack/, /cut off at 60 bytes/],
  [
    'zboot with its payload outside the file',
    zboot(Buffer.alloc(9)).subarray(0, -1),
    'aarch64',
    /^nitro: cannot unpack/,
    /9 bytes from offset \d+, lies outside the \d+ bytes/,
  ],
];
for (const [title, bytes, arch, message, hint] of refused) {
  test(`${title} is refused, naming what was found`, async () => {
    const error = await thrown(() => payloadOf(bytes, arch));
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
  });
}

test('a bomb is cut off at the limit', async () => {
  const bomb = gzipSync(Buffer.alloc(257 * 1024 * 1024), { level: 1 });
  const error = await thrown(() => payloadOf(bomb, 'aarch64'));
  assert.match(error.hint ?? '', /more than 268435456 bytes/);
});

test('arbitrary bytes are a kernel or a clear error', async () => {
  const magics = ['\x1f\x8b\x08', 'MZ\0\0zimg', 'HdrS', 'ARM\x64', ''];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 200 }), async (magic, bytes) => {
      const file = Buffer.concat([Buffer.from(magic, 'latin1'), bytes]);
      await payloadOf(file, 'aarch64').catch((error) => assert.is(error.name, 'QemuError'));
    }),
    { numRuns: 50 },
  );
});

test.run();
