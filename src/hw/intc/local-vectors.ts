import { Delivery } from './delivery.js';

/** Numbers of the local vectors, in the order of their registers. */
export const Local = { timer: 0, lint0: 3, lint1: 4, error: 5 } as const;
/** Writable bits of timer, thermal sensor, performance counters, LINT0, LINT1 and error. */
const WRITABLE = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
export const LOCAL_VECTORS = WRITABLE.length;
const MASKED = 0x10000;

/** The local vector table of an APIC (SDM volume 3, 11.5.1). */
export class LocalVectors {
  readonly #entries = new Int32Array(LOCAL_VECTORS);

  /** All masked, as after power-on. */
  reset(): void {
    this.#entries.fill(MASKED);
  }

  /** What firmware leaves in the boot CPU: the PIC's interrupts on LINT0, NMI on LINT1. */
  setVirtualWire(): void {
    this.#entries[Local.lint0] = Delivery.extInt << 8;
    this.#entries[Local.lint1] = Delivery.nmi << 8;
  }

  /** Masks all, as a software-disabled APIC has them (11.4.7.2). */
  mask(): void {
    for (const [i, entry] of this.#entries.entries()) this.#entries[i] = entry | MASKED;
  }

  /** @returns undefined when there is no such entry */
  read(index: number): number | undefined {
    return this.#entries[index];
  }

  /** @param masked whether it stays masked whatever is written */
  write(index: number, value: number, masked: boolean): void {
    const writable = WRITABLE[index];
    if (writable !== undefined) this.#entries[index] = (value & writable) | (masked ? MASKED : 0);
  }

  vector(index: number): number {
    return (this.#entries[index] ?? 0) & 0xff;
  }

  /** @returns the delivery mode, or undefined when masked */
  mode(index: number): number | undefined {
    const entry = this.#entries[index] ?? MASKED;
    return entry & MASKED ? undefined : (entry >> 8) & 7;
  }
}
