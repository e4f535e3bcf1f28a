import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkImage, type Finding, type ImageLimits } from '../../../src/eif/codec/check.js';
import { decodeHeader, decodeSectionHeader } from '../../../src/eif/codec/header.js';
import { exampleImage } from '../../support/eif-example.js';
import { makeImage, plainSections, signatureSection, type TestImage, text } from '../../support/eif-image.js';

const limits: ImageLimits = { arch: 'x86_64', room: 1024 * 1024 };

function findingsOf(image: Uint8Array, over: Partial<ImageLimits> = {}): Finding[] {
  const header = decodeHeader(image);
  const sectionHeaders = (header?.table ?? [])
    .slice(0, Math.min(32, header?.sectionCount ?? 0))
    .map(({ offset }) =>
      offset < BigInt(image.length) ? decodeSectionHeader(image.subarray(Number(offset))) : undefined,
    );
  return checkImage(header, sectionHeaders, image.length, { ...limits, ...over }).findings;
}

function edited(edit: (image: Buffer) => void, image: TestImage = { sections: plainSections }): Buffer {
  const bytes = makeImage(image);
  edit(bytes);
  return bytes;
}

const [kernel, cmdline, ramdisk, metadata] = plainSections;

interface Row {
  title: string;
  image: Uint8Array;
  over?: Partial<ImageLimits>;
  code: string;
  severity: 'refuse' | 'warn';
  says: string;
  /** In the detail: the place and the value. */
  where: RegExp;
}

const big = 2n ** 63n;
const rows: Row[] = [
  {
    title: 'a file shorter than a header',
    image: makeImage({ sections: plainSections }).subarray(0, 547),
    code: 'short-header',
    severity: 'refuse',
    says: 'Failed to read EIF header',
    where: /547 bytes/,
  },
  {
    title: 'another magic',
    image: edited((image) => image.write('.eiF', 0)),
    code: 'magic',
    severity: 'refuse',
    says: 'Invalid EIF image. Magic mismatch.',
    where: /offset 0 is 0x2e656946/,
  },
  {
    title: 'an aarch64 image for an x86_64 target',
    image: makeImage({ sections: plainSections, flags: 1 }),
    code: 'architecture',
    severity: 'refuse',
    says: 'Expected EIF flags to be 0',
    where: /offset 6 are 0x0001: the image is for aarch64, this target is x86_64/,
  },
  {
    title: 'an x86_64 image for an aarch64 target',
    image: makeImage({ sections: plainSections }),
    over: { arch: 'aarch64' },
    code: 'architecture',
    severity: 'refuse',
    says: 'Expected EIF flags to be 1',
    where: /the image is for x86_64/,
  },
  {
    title: 'flags without a meaning',
    image: makeImage({ sections: plainSections, flags: 0x8000 }),
    code: 'flags',
    severity: 'warn',
    says: 'Expected EIF flags to be 0',
    where: /0x8000/,
  },
  {
    title: '33 sections',
    image: edited((image) => image.writeUInt16BE(33, 26)),
    code: 'section-count',
    severity: 'refuse',
    says: 'EIF header section count must not be greater than 32 but found 33',
    where: /offset 26 is 33/,
  },
  {
    title: 'a section size beyond 2^63 in an unused slot',
    image: edited((image) => image.writeBigUInt64BE(big, 284 + 8 * 31)),
    code: 'size-beyond-file',
    severity: 'refuse',
    says: 'Invalid EIF image. Section size out of bounds',
    where: /slot 31 .* offset 532, holds 9223372036854775808/,
  },
  {
    title: 'a section offset beyond 2^63',
    image: edited((image) => image.writeBigUInt64BE(big, 28)),
    code: 'offset-beyond-file',
    severity: 'refuse',
    says: 'Invalid EIF image. Section offset out of bounds',
    where: /slot 0 .* offset 28, holds 9223372036854775808/,
  },
  {
    title: 'a section offset beyond the file',
    image: edited((image) => image.writeBigUInt64BE(123456n, 36)),
    code: 'offset-beyond-file',
    severity: 'refuse',
    says: 'Failed to read EIF section header',
    where: /slot 1 .* offset 36, holds 123456/,
  },
  {
    title: 'a section header cut off by the end of the file',
    image: edited((image) => image.writeBigUInt64BE(BigInt(image.length - 11), 28)),
    code: 'offset-beyond-file',
    severity: 'refuse',
    says: 'Failed to read EIF section header',
    where: /slot 0/,
  },
  {
    title: 'sizes that differ between table and section header',
    image: edited((image) => image.writeBigUInt64BE(11n, 284)),
    code: 'size-mismatch',
    severity: 'refuse',
    says: 'EIF section size mismatch between header and section header: header 11, section header 12',
    where: /section 0 \(kernel\) at offset 548/,
  },
  {
    title: 'a payload cut off by the end of the file',
    image: makeImage({ sections: plainSections }).subarray(0, -1),
    code: 'size-beyond-file',
    severity: 'refuse',
    says: 'Failed to read EIF metadata section data',
    where: /section 3 .* payload of 2 bytes/,
  },
  {
    title: 'an image larger than the RAM above the load address',
    image: makeImage({ sections: plainSections }),
    over: { room: 635 },
    code: 'too-large',
    severity: 'refuse',
    says: 'EIF of 636 bytes is larger than the guest RAM it is loaded into',
    where: /635 bytes of RAM/,
  },
  {
    title: 'version 3',
    image: makeImage({ sections: plainSections, version: 3 }),
    code: 'version',
    severity: 'warn',
    says: 'Expected EIF version 4 or greater',
    where: /offset 4 is 3/,
  },
  {
    title: 'version 5',
    image: makeImage({ sections: plainSections, version: 5 }),
    code: 'version',
    severity: 'warn',
    says: 'EIF version is newer than 4',
    where: /is 5/,
  },
  {
    title: 'a section with flags',
    image: makeImage({ sections: [{ ...kernel, flags: 7 }, cmdline, ramdisk] }),
    code: 'section-flags',
    severity: 'warn',
    says: 'Expected EIF section header flags to be 0',
    where: /section 0 \(kernel\) at offset 548: flags are 0x0007/,
  },
  {
    title: 'an unknown section',
    image: makeImage({ sections: [...plainSections, { type: 9, bytes: text('?') }] }),
    code: 'section-type',
    severity: 'warn',
    says: 'EIF section has unknown type 9',
    where: /section 4/,
  },
  {
    title: 'a section of type 0',
    image: makeImage({ sections: [...plainSections, { type: 0, bytes: text('?') }] }),
    code: 'section-type',
    severity: 'warn',
    says: 'EIF section has invalid type 0',
    where: /section 4/,
  },
  {
    title: 'a second kernel',
    image: makeImage({ sections: [...plainSections, kernel] }),
    code: 'duplicate-section',
    severity: 'warn',
    says: 'Invalid EIF image. More than 1 kernel section',
    where: /offset 548 and again at offset 636/,
  },
  {
    title: 'a second metadata section',
    image: makeImage({ sections: [...plainSections, metadata] }),
    code: 'duplicate-section',
    severity: 'warn',
    says: 'Invalid EIF image. More than 1 metadata section',
    where: /again/,
  },
  {
    title: 'no kernel',
    image: makeImage({ sections: [cmdline, ramdisk] }),
    code: 'missing-section',
    severity: 'warn',
    says: 'Invalid EIF image. No kernel section.',
    where: /none of the 2 sections has type 1/,
  },
  {
    title: 'no command line',
    image: makeImage({ sections: [kernel, ramdisk] }),
    code: 'missing-section',
    severity: 'warn',
    says: 'Invalid EIF image. No cmdline section.',
    where: /type 2/,
  },
  {
    title: 'no ramdisk',
    image: makeImage({ sections: [kernel, cmdline] }),
    code: 'missing-section',
    severity: 'warn',
    says: 'Invalid EIF image. No ramdisk section.',
    where: /type 3/,
  },
  {
    title: 'an empty ramdisk',
    image: makeImage({ sections: [kernel, cmdline, { type: 3, bytes: text('') }] }),
    code: 'empty-section',
    severity: 'warn',
    says: 'EIF ramdisk section is empty',
    where: /section 2/,
  },
  {
    title: 'an unused slot with a value',
    image: edited((image) => image.writeBigUInt64BE(77n, 28 + 8 * 4)),
    code: 'unused-slot',
    severity: 'warn',
    says: 'EIF section table has an unused slot that is not zero',
    where: /slot 4 .* offset 77 at 60; the image has 4 sections/,
  },
  {
    title: 'a gap',
    image: makeImage({ sections: plainSections, gap: 3 }),
    code: 'gap',
    severity: 'warn',
    says: 'EIF has bytes that belong to no section',
    where: /3 before the kernel section at offset 551/,
  },
  {
    title: 'trailing bytes',
    image: makeImage({ sections: plainSections, trailing: 5 }),
    code: 'trailing-bytes',
    severity: 'warn',
    says: 'EIF has bytes after its last section',
    where: /5 from offset 636/,
  },
  {
    title: 'a slot that repeats a section',
    image: edited((image) => {
      image.writeUInt16BE(5, 26);
      image.writeBigUInt64BE(image.readBigUInt64BE(28 + 16), 28 + 32);
      image.writeBigUInt64BE(image.readBigUInt64BE(284 + 16), 284 + 32);
    }),
    code: 'overlap',
    severity: 'warn',
    says: 'EIF sections overlap',
    where: /ramdisk section at offset 597 begins 25 bytes before/,
  },
];

const test = suite('eif check');

for (const { title, image, over, code, severity, says, where } of rows) {
  test(`${title} ${severity === 'refuse' ? 'is refused' : 'warns'}`, () => {
    const findings = findingsOf(image, over);
    const found = findings.find((finding) => finding.code === code);
    assert.ok(found, `no ${code} in ${JSON.stringify(findings)}`);
    assert.is(found.severity, severity);
    assert.is(found.text, says);
    assert.match(found.detail, where);
    if (severity === 'refuse')
      assert.is(
        findings.find((finding) => finding.severity === 'refuse'),
        found,
      );
    else assert.not(findings.some((finding) => finding.severity === 'refuse'));
  });
}

test('good images have no findings', () => {
  assert.equal(findingsOf(exampleImage), []);
  assert.equal(findingsOf(makeImage({ sections: plainSections })), []);
  assert.equal(findingsOf(makeImage({ sections: plainSections, flags: 1 }), { arch: 'aarch64' }), []);
  assert.equal(findingsOf(makeImage({ sections: [...plainSections, { type: 4, bytes: signatureSection() }] })), []);
  assert.equal(findingsOf(makeImage({ sections: plainSections, table: [3, 1, 0, 2] })), []);
  assert.equal(findingsOf(makeImage({ sections: plainSections }), { room: 636 }), []);
});

test('arbitrary headers are answered with findings, and accepted sections always lie within the file', () => {
  const bytes = fc.uint8Array({ minLength: 548, maxLength: 1200, size: 'max' });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 0, max: 40 }), fc.boolean(), (image, count, small) => {
      const file = Buffer.from(image);
      file.write('.eif', 0);
      file.writeUInt16BE(count, 26);
      if (small) {
        for (let slot = 0; slot < 32; slot++) {
          file.fill(0, 28 + 8 * slot, 34 + 8 * slot).fill(0, 284 + 8 * slot, 291 + 8 * slot);
          file[34 + 8 * slot] = (file[34 + 8 * slot] ?? 0) & 3;
        }
      }
      const header = decodeHeader(file);
      assert.ok(header);
      const sectionHeaders = header.table
        .slice(0, Math.min(count, 32))
        .map(({ offset }) => (offset < 1200n ? decodeSectionHeader(file.subarray(Number(offset))) : undefined));
      const { sections } = checkImage(header, sectionHeaders, file.length, limits);
      for (const { payload, size } of sections) assert.ok(payload + size <= file.length);
    }),
  );
});

test.run();
