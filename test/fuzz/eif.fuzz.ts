import fc from 'fast-check';
import { suite } from 'uvu';
import { checkCrc, checkImage } from '../../src/eif/codec/check.js';
import { ImageCrc } from '../../src/eif/codec/crc.js';
import { decodeHeader, decodeSectionHeader } from '../../src/eif/codec/header.js';
import { metadataProblem } from '../../src/eif/codec/metadata.js';
import { parseSignature } from '../../src/eif/codec/signature.js';
import { recognise } from '../../src/eif/kernel.js';
import { QemuError } from '../../src/system/errors.js';
import { exampleImage } from '../support/eif-example.js';
import { signatureSection } from '../support/eif-image.js';

const RUNS = 1_000_000;
const test = suite('eif fuzz');

/** Edits of `original`: bytes replaced at random places, and the end cut off. */
const damaged = (original: Uint8Array) =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.option(fc.nat(original.length), { freq: 4, nil: original.length }),
    )
    .map(([edits, length]) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of edits) bytes[at] = value;
      return bytes.subarray(0, length);
    });

test('a damaged image is checked without a crash, and no section leaves the file', () => {
  fc.assert(
    fc.property(damaged(exampleImage), (file) => {
      recognise(file);
      const header = decodeHeader(file);
      const sectionHeaders = (header?.table ?? [])
        .slice(0, Math.min(32, header?.sectionCount ?? 0))
        .map(({ offset }) =>
          offset < BigInt(file.length) ? decodeSectionHeader(file.subarray(Number(offset))) : undefined,
        );
      const limits = { arch: 'x86_64', room: 1000 } as const;
      const { sections } = checkImage(header, sectionHeaders, file.length, limits);
      for (const { payload, size } of sections) {
        if (payload + size > file.length) throw new Error(`section ends at ${payload + size}`);
      }
      if (header === undefined) return;
      const crc = new ImageCrc(sections);
      crc.update(file);
      checkCrc(header, sections, (order) => crc.over(order));
    }),
    { numRuns: RUNS },
  );
});

test('a damaged signature section is parsed or refused', () => {
  fc.assert(
    fc.property(fc.oneof(damaged(signatureSection('-----BEGIN')), fc.uint8Array({ maxLength: 40 })), (bytes) => {
      try {
        parseSignature(bytes);
      } catch (error) {
        if (!(error instanceof QemuError)) throw error;
      }
    }),
    { numRuns: RUNS },
  );
});

test('damaged metadata is answered', () => {
  fc.assert(
    fc.property(damaged(exampleImage.subarray(622, 876)), (bytes) => {
      metadataProblem(bytes);
    }),
    { numRuns: RUNS },
  );
});

test.run();
