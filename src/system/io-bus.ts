/**
 * A device's register window as the thread of the trapping vCPU reaches it. Every offset and size is answered as
 * hardware would; nothing throws for what a guest does.
 */
export interface IoWindow {
  /** Fills `data` with what is read at `offset` from the base. */
  read(offset: number, data: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
}

/** Where a window lies in its address space. */
export interface IoMapping {
  /** Port number or guest-physical address. */
  readonly base: number;
  /** Ports or bytes. */
  readonly size: number;
  readonly window: IoWindow;
}

/** One address space of register windows: I/O ports, or MMIO. Where nothing answers, reads give ones. */
export class IoBus {
  readonly #mappings: readonly IoMapping[];
  readonly #beyond: IoBus | undefined;
  #last: IoMapping | undefined;

  /**
   * @param beyond answers where no window does, instead of the ones
   * @throws Error when two windows overlap
   */
  constructor(mappings: readonly IoMapping[], beyond?: IoBus) {
    this.#beyond = beyond;
    this.#mappings = [...mappings].sort((a, b) => a.base - b.base);
    let end = 0;
    for (const { base, size } of this.#mappings) {
      if (base < end) throw new Error(`windows overlap at 0x${base.toString(16)}`);
      end = base + size;
    }
  }

  /** Whether a window answers at an address. */
  covers(address: number): boolean {
    return this.#find(address) !== undefined;
  }

  read(address: number, data: Uint8Array): void {
    const mapping = this.#find(address);
    if (mapping !== undefined) mapping.window.read(address - mapping.base, data);
    else if (this.#beyond !== undefined) this.#beyond.read(address, data);
    else data.fill(0xff);
  }

  write(address: number, data: Uint8Array): void {
    const mapping = this.#find(address);
    if (mapping !== undefined) mapping.window.write(address - mapping.base, data);
    else this.#beyond?.write(address, data);
  }

  #find(address: number): IoMapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    const found = this.#mappings.find(({ base, size }) => address >= base && address < base + size);
    if (found !== undefined) this.#last = found;
    return found;
  }
}
