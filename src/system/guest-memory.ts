import type { GuestRam } from './guest-ram.js';

/** A piece of guest RAM and where the guest sees it. */
export interface RamRange {
  /** Guest-physical address. */
  readonly base: number;
  readonly ram: GuestRam;
  /** Offset of `base` in `ram`. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * Guest-physical memory as devices and loaders see it: RAM only, every access checked against the map. Addresses are
 * numbers below 2^53; what a guest hands out as 64 bits must be checked by `address` first.
 */
export class GuestMemory {
  readonly ranges: readonly RamRange[];

  constructor(ranges: readonly RamRange[]) {
    this.ranges = [...ranges].sort((a, b) => a.base - b.base);
  }

  /** Whether every byte of the range is RAM. */
  contains(addr: number, length: number): boolean {
    return this.#range(addr, length) !== undefined;
  }

  /**
   * The bytes at `addr` as views of RAM itself, in order: one in nearly all cases, more where a window ends.
   *
   * @returns undefined when any byte is not RAM
   */
  slices(addr: number, length: number): Uint8Array[] | undefined {
    const range = this.#range(addr, length);
    return range === undefined ? undefined : [...range.ram.windows(range.offset + (addr - range.base), length)];
  }

  #range(addr: number, length: number): RamRange | undefined {
    if (!Number.isSafeInteger(addr) || !Number.isSafeInteger(length) || addr < 0 || length < 0) return undefined;
    return this.ranges.find(({ base, size }) => addr >= base && addr + length <= base + size);
  }

  /** Copies bytes into RAM. @throws RangeError when any byte is outside of it */
  write(addr: number, bytes: Uint8Array): void {
    let done = 0;
    for (const slice of this.views(addr, bytes.length)) {
      slice.set(bytes.subarray(done, done + slice.length));
      done += slice.length;
    }
  }

  /** Copies bytes out of RAM. @throws RangeError when any byte is outside of it */
  read(addr: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const slice of this.views(addr, length)) {
      bytes.set(slice, done);
      done += slice.length;
    }
    return bytes;
  }

  /** Like `slices`. @throws RangeError when any byte is outside of RAM */
  views(addr: number, length: number): Uint8Array[] {
    const slices = this.slices(addr, length);
    if (slices === undefined) throw new RangeError(`${length} bytes at 0x${addr.toString(16)} are not guest RAM`);
    return slices;
  }
}

/** A 64-bit address or length from the guest as a number, or undefined when no RAM can be there. */
export function address(value: bigint): number | undefined {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
