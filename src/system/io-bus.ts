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
  #last: IoMapping | undefined;

  /** @throws Error when two windows overlap */
  constructor(mappings: readonly IoMapping[]) {
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
    if (mapping === undefined) data.fill(0xff);
    else mapping.window.read(address - mapping.base, data);
  }

  write(address: number, data: Uint8Array): void {
    const mapping = this.#find(address);
    mapping?.window.write(address - mapping.base, data);
  }

  #find(address: number): IoMapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    const found = this.#mappings.find(({ base, size }) => address >= base && address < base + size);
    if (found !== undefined) this.#last = found;
    return found;
  }
}
