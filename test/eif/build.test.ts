import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planImage, writeImage } from '../../src/eif/build.js';
import { encodeHeader } from '../../src/eif/codec/header.js';
import { bytesPayload, type Payload } from '../../src/eif/read.js';
import { readRam } from '../../src/system/guest-ram.js';
import type { TargetArch } from '../../src/system/system.js';
import { makeImage, text } from '../support/eif-image.js';
import { MemoryRam } from '../support/memory-ram.js';

/** The image that a reference QEMU assembled, as found in its guest memory. */
const reference: { size: number; header_hex: string; sections: { offset: number; size: number }[] } = JSON.parse(
  readFileSync(new URL('../../../test/eif/built-image.json', import.meta.url), 'utf8'),
);

const test = suite('eif build');

async function build(arch: TargetArch, kernel: Uint8Array, cmdline: Uint8Array, initrd: Uint8Array): Promise<Buffer> {
  const [k, c, i] = [kernel, cmdline, initrd].map(bytesPayload) as [Payload, Payload, Payload];
  const plan = planImage(arch, { kernel: k, cmdline: c, initrd: i });
  const ram = new MemoryRam(plan.size + 77, Math.max(50, plan.size >> 3));
  const crc = await writeImage(plan, ram, 77);
  const image = Buffer.from(readRam(ram, 77, plan.size));
  assert.is(image.readUInt32BE(544), crc);
  return image;
}

test('sections lie where QEMU puts them, and the header is its header but for the CRC', () => {
  // The reference's inputs are known by their sizes only.
  const plan = planImage('x86_64', {
    kernel: bytesPayload(new Uint8Array(65536)),
    cmdline: bytesPayload(text('console=ttyS0')),
    initrd: bytesPayload(new Uint8Array(1536)),
  });
  assert.is(plan.size, reference.size);
  assert.equal(
    plan.parts.map(({ section: { offset, size } }) => ({ offset, size })),
    reference.sections.map(({ offset, size }) => ({ offset, size })),
  );
  const crc32 = Number.parseInt(reference.header_hex.slice(-8), 16);
  assert.is(Buffer.from(encodeHeader({ ...plan.header, crc32 })).toString('hex'), reference.header_hex);
});

test('any kernel, command line and initrd give the bytes that the specification describes', async () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(bytes, bytes, bytes, fc.boolean(), async (kernel, cmdline, initrd, arm) => {
      const sections = [
        { type: 1, bytes: kernel },
        { type: 2, bytes: cmdline },
        { type: 3, bytes: initrd },
        { type: 5, bytes: text('{}') },
      ];
      const expected = makeImage({ sections, flags: arm ? 1 : 0 });
      assert.ok((await build(arm ? 'aarch64' : 'x86_64', kernel, cmdline, initrd)).equals(expected));
    }),
    { numRuns: 50 },
  );
});

test('a payload in many pieces is covered as one', async () => {
  const kernel = Buffer.alloc(9 * 1024 * 1024, 'kernel');
  const image = await build('x86_64', kernel, text(''), text(''));
  const expected = makeImage({
    sections: [
      { type: 1, bytes: kernel },
      { type: 2, bytes: text('') },
      { type: 3, bytes: text('') },
      { type: 5, bytes: text('{}') },
    ],
  });
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  assert.is(digest(image), digest(expected));
});

test.run();
