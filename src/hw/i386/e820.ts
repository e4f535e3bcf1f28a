import type { GuestMemory } from '../../system/guest-memory.js';
import { ByteWriter } from './byte-writer.js';
import { layout, lowRamEnd } from './memory-layout.js';

/** A range of the memory map that the guest is told (Linux Documentation/arch/x86/zero-page.rst). */
export interface E820Entry {
  readonly addr: number;
  /** Bytes. */
  readonly size: number;
  readonly type: 'ram' | 'reserved';
}

export const e820Types: Record<E820Entry['type'], number> = { ram: 1, reserved: 2 };

/** The map of a machine's RAM, in order: all of it is RAM, but what lies between EBDA and 1 MiB is the firmware's. */
export function e820Map(memory: GuestMemory): E820Entry[] {
  const high = memory.ranges.slice(1);
  return [
    { addr: 0, size: layout.ebda, type: 'ram' },
    { addr: layout.ebda, size: layout.kernel - layout.ebda, type: 'reserved' },
    { addr: layout.kernel, size: lowRamEnd(memory) - layout.kernel, type: 'ram' },
    ...high.map(({ base, size }) => ({ addr: base, size, type: 'ram' as const })),
  ];
}

/** The entries as the zero page has them, 20 bytes each. */
export function encodeE820(entries: readonly E820Entry[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { addr, size, type } of entries) writer.u64(addr).u64(size).u32(e820Types[type]);
  return writer.bytes();
}
