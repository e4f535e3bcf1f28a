import { crc32 } from 'node:zlib';
import { signerPem } from './eif-example.js';

export interface TestSection {
  type: number;
  bytes: Uint8Array;
  flags?: number;
}

export interface TestImage {
  sections: TestSection[];
  version?: number;
  flags?: number;
  /** Bytes before each section. */
  gap?: number;
  trailing?: number;
  /** Order of the sections in the table, default as in the file. */
  table?: number[];
}

/** An image written field by field after spec eif.md, with its CRC over the table's order. Shares no code with src/eif. */
export function makeImage({ sections, version = 4, flags = 0, gap = 0, trailing = 0, table }: TestImage): Buffer {
  const header = Buffer.alloc(548);
  header.write('.eif', 0, 'latin1');
  header.writeUInt16BE(version, 4);
  header.writeUInt16BE(flags, 6);
  header.writeUInt16BE(sections.length, 26);
  const pieces: Buffer[] = [header];
  const placed: { offset: number; bytes: Buffer; size: number }[] = [];
  let size = header.length;
  for (const section of sections) {
    const bytes = Buffer.concat([Buffer.alloc(12), section.bytes]);
    bytes.writeUInt16BE(section.type, 0);
    bytes.writeUInt16BE(section.flags ?? 0, 2);
    bytes.writeBigUInt64BE(BigInt(section.bytes.length), 4);
    pieces.push(Buffer.alloc(gap, 0xee), bytes);
    placed.push({ offset: size + gap, bytes, size: section.bytes.length });
    size += gap + bytes.length;
  }
  pieces.push(Buffer.alloc(trailing, 0xdd));
  let crcOfSections: Buffer = Buffer.alloc(0);
  for (const [slot, index] of (table ?? placed.map((_, i) => i)).entries()) {
    const section = placed[index];
    if (section === undefined) throw new RangeError(`no section ${index}`);
    header.writeBigUInt64BE(BigInt(section.offset), 28 + 8 * slot);
    header.writeBigUInt64BE(BigInt(section.size), 284 + 8 * slot);
    crcOfSections = Buffer.concat([crcOfSections, section.bytes]);
  }
  header.writeUInt32BE(crc32(crcOfSections, crc32(header.subarray(0, 544))), 544);
  return Buffer.concat(pieces);
}

export const text = (value: string): Buffer => Buffer.from(value);

/** Kernel, command line, ramdisk and metadata `{}`. */
export const plainSections: [TestSection, TestSection, TestSection, TestSection] = [
  { type: 1, bytes: text('kernel bytes') },
  { type: 2, bytes: text('console=ttyS0') },
  { type: 3, bytes: text('ramdisk bytes') },
  { type: 5, bytes: text('{}') },
];

const cborHead = (major: number, value: number): Buffer => {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
};
export const cborInts = (bytes: Uint8Array): Buffer =>
  Buffer.concat([cborHead(4, bytes.length), ...[...bytes].map((byte) => cborHead(0, byte))]);
export const cborText = (value: string): Buffer => Buffer.concat([cborHead(3, value.length), text(value)]);

/** The payload of a signature section with one signature (spec eif.md, section 9). */
export function signatureSection(pem: string = signerPem, signature: Uint8Array = text('cose')): Buffer {
  return Buffer.concat([
    Buffer.from([0x81, 0xa2]),
    cborText('signing_certificate'),
    cborInts(text(pem)),
    cborText('signature'),
    cborInts(signature),
  ]);
}
