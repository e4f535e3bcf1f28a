import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { crc32, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoadOptions, loadEif } from '../../src/eif/load.js';
import { type GuestRam, readRam } from '../../src/system/guest-ram.js';
import { deadline } from '../support/deadline.js';
import { exampleImage } from '../support/eif-example.js';
import { makeImage, plainSections, signatureSection, text } from '../support/eif-image.js';
import { arm64Image, bzImage, pattern } from '../support/kernels.js';
import { MemoryRam } from '../support/memory-ram.js';
import { thrown } from '../support/thrown.js';

const MIB = 1024 * 1024;
const test = suite('eif load');
let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'eif-test-'));
});
test.after(() => rm(dir, { recursive: true }));

const put = async (name: string, bytes: Uint8Array): Promise<string> => {
  const path = join(dir, name);
  await writeFile(path, bytes);
  return path;
};
const load = (options: Partial<LoadOptions> & { kernel: string }) => {
  const given = { arch: 'x86_64' as const, ram: new MemoryRam(9 * MIB, MIB), warn: () => undefined, ...options };
  return deadline('the load', loadEif(given), 60_000);
};
/** RAM that no one may touch. */
const untouchable = (size: number): GuestRam => ({
  size,
  windows: () => {
    throw new Error('guest RAM was touched');
  },
});

test('an EIF lies in guest RAM at 8 MiB as it is in the file', async () => {
  const ram = new MemoryRam(9 * MIB, MIB);
  const loaded = await load({ kernel: await put('example.eif', exampleImage), ram });
  assert.ok(Buffer.from(readRam(ram, 8 * MIB, exampleImage.length)).equals(exampleImage));
  assert.is(loaded.image, 'eif');
  assert.is(loaded.offset, 8 * MIB);
  assert.is(loaded.size, 923);
  assert.is(loaded.crc32, 0x04ef1cb5);
  assert.is(loaded.kernelSize, 16);
  assert.is(loaded.initrdSize, 23);
  assert.equal(
    loaded.sections.map(({ type }) => type),
    [1, 2, 5, 3, 3],
  );
  assert.equal(loaded.warnings, []);
});

test('an image of many pieces arrives whole across windows of any size', async () => {
  const image = makeImage({ sections: [{ type: 1, bytes: pattern(9 * MIB) }, ...plainSections.slice(1)] });
  const kernel = await put('large.eif', image);
  for (const window of [MIB + 12345, 64 * MIB]) {
    const ram = new MemoryRam(20 * MIB, window);
    const loaded = await load({ kernel, ram, offset: 1000 });
    assert.equal(loaded.warnings, []);
    assert.ok(Buffer.from(readRam(ram, 1000, image.length)).equals(image));
  }
});

test('a bare kernel becomes the EIF that QEMU builds', async () => {
  const ram = new MemoryRam(24 * MIB, 5 * MIB);
  const initrd = pattern(9 * MIB);
  const image = makeImage({
    sections: [
      { type: 1, bytes: bzImage(70_000) },
      { type: 2, bytes: text('console=ttyS0 grüße') },
      { type: 3, bytes: initrd },
      { type: 5, bytes: text('{}') },
    ],
  });
  const kernel = await put('bzImage', bzImage(70_000));
  const loaded = await load({ kernel, initrd: await put('initrd', initrd), append: 'console=ttyS0 grüße', ram });
  assert.ok(Buffer.from(readRam(ram, 8 * MIB, image.length)).equals(image));
  assert.is(loaded.image, 'kernel');
  assert.is(loaded.size, image.length);
  assert.is(loaded.crc32, image.readUInt32BE(544));
  assert.is(loaded.kernelSize, 70_000);
  assert.is(loaded.initrdSize, initrd.length);
});

test('a kernel alone has an empty command line and an empty ramdisk; a packed one is unpacked', async () => {
  const ram = new MemoryRam(9 * MIB, MIB);
  const image = makeImage({
    flags: 1,
    sections: [
      { type: 1, bytes: arm64Image(5000) },
      { type: 2, bytes: text('') },
      { type: 3, bytes: text('') },
      { type: 5, bytes: text('{}') },
    ],
  });
  await load({ kernel: await put('Image.gz', gzipSync(arm64Image(5000))), arch: 'aarch64', ram });
  assert.ok(Buffer.from(readRam(ram, 8 * MIB, image.length)).equals(image));
});

test('-initrd and -append beside an EIF warn that they are ignored', async () => {
  const lines: string[] = [];
  const kernel = await put('example.eif', exampleImage);
  const warn = (line: string) => lines.push(line);
  const { warnings } = await load({ kernel, initrd: '/nonexistent', append: 'quiet', warn });
  assert.equal(warnings, [
    `'${kernel}' is an EIF, which has its own ramdisk: -initrd is ignored`,
    `'${kernel}' is an EIF, which has its own command line: -append is ignored`,
  ]);
  assert.equal(lines, warnings);
});

test('findings that do not matter to the start are warnings', async () => {
  const warningsOf = async (image: Uint8Array) =>
    (await load({ kernel: await put('odd.eif', image), ram: new MemoryRam(12 * MIB) })).warnings;
  const [kernel, cmdline, ramdisk] = plainSections;
  const path = join(dir, 'odd.eif');
  assert.equal(await warningsOf(makeImage({ sections: plainSections, trailing: 3 })), [
    `'${path}': EIF has bytes after its last section (3 from offset 636, which no CRC covers)`,
  ]);
  const [order] = await warningsOf(makeImage({ sections: plainSections, table: [1, 0, 2, 3] }));
  assert.match(order ?? '', /EIF section table is not in file order \(.* right in table order as QEMU reads/);
  const [metadata] = await warningsOf(
    makeImage({ sections: [kernel, cmdline, ramdisk, { type: 5, bytes: text('{') }] }),
  );
  assert.match(metadata ?? '', /EIF metadata section is not valid \(section at offset 622: not JSON/);
  const signed = (bytes: Uint8Array) => makeImage({ sections: [...plainSections, { type: 4, bytes }] });
  assert.equal(await warningsOf(signed(signatureSection())), []);
  const [signature] = await warningsOf(signed(Buffer.from([0x80])));
  assert.match(signature ?? '', /Invalid signature CBOR \(section at offset 636: at byte 1/);
  const [certificate] = await warningsOf(signed(signatureSection('x')));
  assert.match(certificate ?? '', /Failed to import certificate/);
  const [long] = await warningsOf(signed(Buffer.alloc(MIB + 1)));
  assert.match(long ?? '', /signature section is too long to be checked/);
});

test('what header and size tell is refused before guest RAM is touched', async () => {
  const refuse = async (image: Uint8Array, ram = untouchable(9 * MIB)) => {
    const kernel = await put('bad.eif', image);
    const error = await thrown(() => load({ kernel, ram }));
    assert.ok(error.hint?.startsWith(`'${kernel}': `), error.hint);
    return error.message;
  };
  const good = makeImage({ sections: plainSections });
  assert.is(await refuse(good.subarray(0, 100)), 'Failed to read EIF header');
  assert.is(await refuse(makeImage({ sections: plainSections, flags: 1 })), 'Expected EIF flags to be 0');
  assert.is(await refuse(good.subarray(0, 590)), 'Failed to read EIF cmdline section data');
  const fits = 'EIF of 636 bytes is larger than the guest RAM it is loaded into';
  assert.is(await refuse(good, untouchable(8 * MIB + 635)), fits);
  assert.is(await refuse(good, untouchable(4096)), fits);
  const kernel = await put('bzImage', bzImage(1000));
  const wrapped = await thrown(() => load({ kernel, ram: untouchable(8 * MIB + 1597) }));
  assert.is(wrapped.message, 'EIF of 1598 bytes is larger than the guest RAM it is loaded into');
  assert.is(
    wrapped.hint,
    'kernel 1000 bytes, initrd 0 bytes; 1597 bytes of RAM lie above the load address; increase -m',
  );
});

test('an image that just fits is loaded', async () => {
  const kernel = await put('fits.eif', exampleImage);
  await load({ kernel, ram: new MemoryRam(8 * MIB + exampleImage.length) });
});

test('a wrong CRC is refused with both values, unless the version has none', async () => {
  const image = makeImage({ sections: plainSections });
  image[560] = 0;
  const computed = crc32(Buffer.concat([image.subarray(0, 544), image.subarray(548)]));
  const error = await thrown(async () => load({ kernel: await put('crc.eif', image) }));
  assert.is(error.message, `CRC mismatch. Expected ${computed} but header has ${image.readUInt32BE(544)}.`);
  assert.match(error.hint ?? '', /the CRC at offset 544 is 0x/);
  image.writeUInt16BE(1, 4);
  await load({ kernel: await put('old.eif', image) });
});

test('changing any byte of an image makes it refused, but for a version without CRC', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: exampleImage.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, change) => {
        const image = Buffer.from(exampleImage);
        image[at] = (image[at] ?? 0) ^ change;
        if (image.readUInt16BE(4) < 2) return;
        await thrown(async () => load({ kernel: await put('changed.eif', image), ram: new MemoryRam(8 * MIB + 2000) }));
      },
    ),
    { numRuns: 60 },
  );
});

test('arbitrary bytes behind the magic are loaded or refused, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 700, size: 'max' }), async (bytes) => {
      const kernel = await put('noise.eif', Buffer.concat([text('.eif'), bytes]));
      await load({ kernel }).catch((error) => assert.is(error.name, 'QemuError'));
    }),
    { numRuns: 40 },
  );
});

test('what cannot be read is refused with the cause', async () => {
  const hintOf = async (path: string) => {
    const error = await thrown(() => load({ kernel: path }));
    assert.is(error.message, `nitro: failed to read EIF '${path}'`);
    return error.hint;
  };
  assert.is(await hintOf(dir), 'it is a directory, not a regular file');
  assert.is(await hintOf('/dev/zero'), 'it is a device, not a regular file');
  assert.is(await hintOf(join(dir, 'nonesuch')), 'No such file or directory');
  assert.is(await hintOf(join(dir, 'bzImage', 'x')), 'Not a directory');
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  assert.is(await hintOf(fifo), 'it is a FIFO, not a regular file');
  const kernel = await put('bzImage', bzImage(1000));
  const error = await thrown(() => load({ kernel, initrd: dir }));
  assert.is(error.message, `Failed to read initrd '${dir}'`);
});

/** RAM in small windows that runs `act` once the second window is asked for. */
function interrupted(act: () => void): GuestRam {
  const ram = new MemoryRam(9 * MIB, 4096);
  let window = 0;
  return {
    size: ram.size,
    *windows(offset: number, length: number) {
      for (const bytes of ram.windows(offset, length)) {
        if (window++ === 1) act();
        yield bytes;
      }
    },
  };
}

test('a file that shrinks or changes while it is read is refused', async () => {
  const image = makeImage({ sections: [{ type: 1, bytes: pattern(100_000) }, ...plainSections.slice(1)] });
  const kernel = await put('moving.eif', image);
  const shrunk = await thrown(() => load({ kernel, ram: interrupted(() => truncateSync(kernel, 1000)) }));
  assert.is(shrunk.message, `nitro: failed to read EIF '${kernel}'`);
  assert.match(shrunk.hint ?? '', /^the file shrank while it was read: \d+ bytes of 100\d+$/);
  await writeFile(kernel, image);
  // The kernel stamps files by its tick, 10 ms at most.
  await setTimeout(50);
  const changed = await thrown(() => load({ kernel, ram: interrupted(() => writeFileSync(kernel, image)) }));
  assert.is(changed.hint, 'changed while it was read');
});

test.run();
