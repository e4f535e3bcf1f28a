import { QemuError } from '../../system/errors.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import { type ByteSource, hex, type KernelImage } from './kernel-image.js';
import { lowRamEnd } from './memory-layout.js';

const PAGE = 4096;

export interface Initrd {
  /** Guest-physical address, 0 when there is none. */
  readonly addr: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * Where a ramdisk goes: as high as kernel and low RAM allow, on a page border, above all that the kernel takes.
 *
 * @throws QemuError with QEMU's sentence when there is no such place
 */
export function placeInitrd(
  size: number,
  kernel: Pick<KernelImage, 'end' | 'initrdLimit'>,
  memory: GuestMemory,
): Initrd {
  if (size === 0) return { addr: 0, size };
  const limit = Math.min(kernel.initrdLimit, lowRamEnd(memory));
  const addr = Math.floor((limit - size) / PAGE) * PAGE;
  if (addr < kernel.end) {
    const max = Math.max(0, limit - Math.ceil(kernel.end / PAGE) * PAGE);
    throw new QemuError(`initrd is too large, cannot support.(max: ${max}, need ${size})`, {
      hint: `it must lie between the kernel's ${hex(kernel.end)} and ${hex(limit)}; increase -m`,
    });
  }
  return { addr, size };
}

/** Reads the ramdisks into RAM from `addr`, one directly behind the other as the enclave loader joins them (spec eif.md, section 3). */
export async function loadRamdisks(ramdisks: readonly ByteSource[], addr: number, memory: GuestMemory): Promise<void> {
  let at = addr;
  for (const ramdisk of ramdisks) {
    await ramdisk.readInto(0, memory.views(at, ramdisk.size));
    at += ramdisk.size;
  }
}
