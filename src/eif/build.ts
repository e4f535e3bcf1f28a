import { crc32 } from 'node:zlib';
import { type GuestRam, writeRam } from '../system/guest-ram.js';
import type { TargetArch } from '../system/system.js';
import {
  CRC_OFFSET,
  CURRENT_VERSION,
  EIF_MAGIC,
  type EifHeader,
  encodeHeader,
  encodeSectionHeader,
  flagsOf,
  HEADER_SIZE,
  MAX_SECTIONS,
  SECTION_HEADER_SIZE,
  type Section,
  SectionType,
} from './codec/header.js';
import { bytesPayload, type Payload } from './read.js';

/** What an image is made of; each part may be empty. */
export interface KernelParts {
  kernel: Payload;
  cmdline: Payload;
  initrd: Payload;
}

export interface ImagePlan {
  /** Complete but for `crc32`, which is 0. */
  header: EifHeader;
  parts: { section: Section; payload: Payload }[];
  /** Bytes of the whole image. */
  size: number;
}

/**
 * Lays out the image that QEMU assembles from a bare kernel (spec eif.md, section 3): kernel, cmdline, ramdisk even when
 * empty, and the metadata `{}`; default memory and CPUs are 0.
 */
export function planImage(arch: TargetArch, { kernel, cmdline, initrd }: KernelParts): ImagePlan {
  const contents: [type: number, payload: Payload][] = [
    [SectionType.kernel, kernel],
    [SectionType.cmdline, cmdline],
    [SectionType.ramdisk, initrd],
    [SectionType.metadata, bytesPayload(Buffer.from('{}'))],
  ];
  let size = HEADER_SIZE;
  const parts = contents.map(([type, payload]) => {
    const section = { type, offset: size, payload: size + SECTION_HEADER_SIZE, size: payload.size };
    size = section.payload + section.size;
    return { section, payload };
  });
  const header: EifHeader = {
    magic: EIF_MAGIC,
    version: CURRENT_VERSION,
    flags: flagsOf(arch),
    defaultMem: 0n,
    defaultCpus: 0n,
    sectionCount: parts.length,
    table: Array.from({ length: MAX_SECTIONS }, (_, slot) => ({
      offset: BigInt(parts[slot]?.section.offset ?? 0),
      size: BigInt(parts[slot]?.section.size ?? 0),
    })),
    crc32: 0,
  };
  return { header, parts, size };
}

/**
 * Writes a planned image to `offset` of the RAM, streaming each payload into its place.
 *
 * @returns the image's CRC
 */
export async function writeImage(plan: ImagePlan, ram: GuestRam, offset: number): Promise<number> {
  let crc = crc32(encodeHeader(plan.header).subarray(0, CRC_OFFSET));
  const cover = (piece: Uint8Array) => {
    crc = crc32(piece, crc);
  };
  for (const { section, payload } of plan.parts) {
    const sectionHeader = encodeSectionHeader({ type: section.type, flags: 0, size: BigInt(section.size) });
    writeRam(ram, offset + section.offset, sectionHeader);
    cover(sectionHeader);
    await payload.copyTo(ram, offset + section.payload, cover);
  }
  writeRam(ram, offset, encodeHeader({ ...plan.header, crc32: crc }));
  return crc;
}
