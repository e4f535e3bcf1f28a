import { QemuError } from '../../system/errors.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import { IDENTITY_MAPPED, layout, lowRamEnd } from './memory-layout.js';

/** A file, or a part of one, that is read at random. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** Up to `length` bytes from `position`; fewer at the end. */
  bytes(position: number, length: number): Promise<Uint8Array>;
  /** Fills the views one after the other from `position`. */
  readInto(position: number, views: readonly Uint8Array[]): Promise<void>;
}

/** A part of a kernel file and where the guest wants it. */
export interface LoadSegment {
  /** Offset in the file. */
  readonly offset: number;
  /** Bytes in the file. */
  readonly fileSize: number;
  /** Guest-physical address. */
  readonly addr: number;
  /** Bytes in memory, at least `fileSize`; the rest is zero. */
  readonly memSize: number;
}

/** A kernel that was understood, before any of it is loaded. */
export interface KernelImage {
  readonly format: 'bzImage' | 'elf';
  readonly protocol: 'linux64' | 'pvh';
  readonly segments: readonly LoadSegment[];
  /** Guest-physical address of the first instruction. */
  readonly entry: number;
  /** First address above all that the kernel takes before it knows where the ramdisk is. */
  readonly end: number;
  /** First address above where a ramdisk may lie. */
  readonly initrdLimit: number;
  /** Longest command line in bytes, without its NUL. */
  readonly cmdlineSize: number;
  /** The kernel's own setup header, from offset 0x1f1; a made-up one for ELF. */
  readonly setupHeader: Uint8Array;
}

/** QEMU's sentence; the hint tells field and value. */
export function invalidKernel(hint: string): QemuError {
  return new QemuError('invalid kernel header', { hint });
}

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/**
 * Checks that a kernel fits: between 1 MiB and the end of low RAM, in what the first page tables map, no segment over
 * another, the entry inside a segment.
 *
 * @throws QemuError naming the segment and the limit
 */
export function checkPlacement(image: KernelImage, memory: GuestMemory): void {
  const limit = Math.min(lowRamEnd(memory), IDENTITY_MAPPED);
  if (image.end > limit) {
    throw new QemuError('kernel does not fit into guest RAM', {
      hint:
        limit < IDENTITY_MAPPED
          ? `it needs RAM up to ${hex(image.end)}, which ends at ${hex(limit)}; increase -m`
          : `it needs memory up to ${hex(image.end)}; kernels are started in the first GiB`,
    });
  }
  let end: number = layout.kernel;
  for (const { addr, memSize } of [...image.segments].sort((a, b) => a.addr - b.addr)) {
    if (addr < end) {
      const below =
        end === layout.kernel ? 'below 1 MiB, where boot data lies' : `inside the one that ends at ${hex(end)}`;
      throw invalidKernel(`the segment at ${hex(addr)} begins ${below}`);
    }
    end = addr + memSize;
  }
  if (!image.segments.some(({ addr, memSize }) => image.entry >= addr && image.entry < addr + memSize)) {
    throw invalidKernel(`the entry point ${hex(image.entry)} is in no loaded segment`);
  }
}

/** Reads the segments of a kernel into RAM and zeroes what the file does not have. */
export async function loadSegments(image: KernelImage, file: ByteSource, memory: GuestMemory): Promise<void> {
  for (const { offset, fileSize, addr, memSize } of image.segments) {
    await file.readInto(offset, memory.views(addr, fileSize));
    for (const slice of memory.views(addr + fileSize, memSize - fileSize)) slice.fill(0);
  }
}
