/**
 * The fixed structures of the Enclave Image Format: file header, section header, their constants (spec eif.md,
 * sections 1 to 5). All integers are big-endian. 64-bit fields stay bigint here, since a hostile image may hold any value.
 */

import type { TargetArch } from '../../system/system.js';

/** ".eif" */
export const EIF_MAGIC = 0x2e656966;
export const HEADER_SIZE = 548;
/** The CRC covers the header up to its own field, the last one. */
export const CRC_OFFSET = 544;
export const SECTION_HEADER_SIZE = 12;
export const MAX_SECTIONS = 32;
export const SECTION_OFFSETS_OFFSET = 28;
export const SECTION_SIZES_OFFSET = 284;
/** The highest version, which adds the metadata section (section 5). */
export const CURRENT_VERSION = 4;
/** The first version with a CRC. */
export const CRC_VERSION = 2;
export const FLAG_AARCH64 = 1;

export const SectionType = { invalid: 0, kernel: 1, cmdline: 2, ramdisk: 3, signature: 4, metadata: 5 } as const;

const sectionNames = ['invalid', 'kernel', 'cmdline', 'ramdisk', 'signature', 'metadata'];

/** QEMU's word for a section type: `unknown` from 6 up. */
export function sectionName(type: number): string {
  return sectionNames[type] ?? 'unknown';
}

/** Where a section lies: file offset of its section header, and payload size without that header. */
export interface TableSlot {
  offset: bigint;
  size: bigint;
}

export interface EifHeader {
  magic: number;
  version: number;
  flags: number;
  /** Bytes; no reader uses it. */
  defaultMem: bigint;
  defaultCpus: bigint;
  sectionCount: number;
  /** Always 32 slots; those from `sectionCount` on are unused and 0. */
  table: TableSlot[];
  crc32: number;
}

export interface SectionHeader {
  type: number;
  flags: number;
  size: bigint;
}

/** A section that lies within its file. Offsets count from the start of the image. */
export interface Section {
  type: number;
  /** Offset of the section header. */
  offset: number;
  /** Offset of the payload. */
  payload: number;
  /** Bytes of payload. */
  size: number;
}

export function flagsOf(arch: TargetArch): number {
  return arch === 'aarch64' ? FLAG_AARCH64 : 0;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The header at the start of `bytes`, or undefined when there are fewer than 548. Nothing is checked. */
export function decodeHeader(bytes: Uint8Array): EifHeader | undefined {
  if (bytes.length < HEADER_SIZE) return undefined;
  const data = view(bytes);
  return {
    magic: data.getUint32(0),
    version: data.getUint16(4),
    flags: data.getUint16(6),
    defaultMem: data.getBigUint64(8),
    defaultCpus: data.getBigUint64(16),
    sectionCount: data.getUint16(26),
    table: Array.from({ length: MAX_SECTIONS }, (_, slot) => ({
      offset: data.getBigUint64(SECTION_OFFSETS_OFFSET + 8 * slot),
      size: data.getBigUint64(SECTION_SIZES_OFFSET + 8 * slot),
    })),
    crc32: data.getUint32(CRC_OFFSET),
  };
}

/** The 548 bytes of a header; the two reserved fields are 0. */
export function encodeHeader(header: EifHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const data = view(bytes);
  data.setUint32(0, header.magic);
  data.setUint16(4, header.version);
  data.setUint16(6, header.flags);
  data.setBigUint64(8, header.defaultMem);
  data.setBigUint64(16, header.defaultCpus);
  data.setUint16(26, header.sectionCount);
  for (const [slot, { offset, size }] of header.table.entries()) {
    data.setBigUint64(SECTION_OFFSETS_OFFSET + 8 * slot, offset);
    data.setBigUint64(SECTION_SIZES_OFFSET + 8 * slot, size);
  }
  data.setUint32(CRC_OFFSET, header.crc32);
  return bytes;
}

/** The section header at the start of `bytes`, or undefined when there are fewer than 12. Nothing is checked. */
export function decodeSectionHeader(bytes: Uint8Array): SectionHeader | undefined {
  if (bytes.length < SECTION_HEADER_SIZE) return undefined;
  const data = view(bytes);
  return { type: data.getUint16(0), flags: data.getUint16(2), size: data.getBigUint64(4) };
}

/** The 12 bytes of a section header. */
export function encodeSectionHeader(header: SectionHeader): Uint8Array {
  const bytes = new Uint8Array(SECTION_HEADER_SIZE);
  const data = view(bytes);
  data.setUint16(0, header.type);
  data.setUint16(2, header.flags);
  data.setBigUint64(4, header.size);
  return bytes;
}
