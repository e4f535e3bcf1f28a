import { byteWindow } from '../../system/byte-window.js';
import type { IoWindow } from '../../system/io-bus.js';

/** Events that a guest tells of (docs/specs/pvpanic.rst of QEMU). */
export const PanicEvent = { panicked: 1, crashLoaded: 2, shutdown: 4 } as const;
export const PANIC_EVENTS = PanicEvent.panicked | PanicEvent.crashLoaded | PanicEvent.shutdown;

const OFFERED = 0;
const TOLD = 1;

/** The events that a panic device offers, and those that the guest has told. In shared memory. */
export class PvPanicMemory {
  readonly #words: Int32Array;

  /** @param buffer made by `PvPanicMemory.create` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** @param offered bits of PanicEvent */
  static create(offered: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(8);
    new Int32Array(buffer)[OFFERED] = offered;
    return buffer;
  }

  get offered(): number {
    return Atomics.load(this.#words, OFFERED);
  }

  tell(events: number): void {
    Atomics.or(this.#words, TOLD, events & this.offered);
  }

  /** Those told since this was called last. */
  take(): number {
    return Atomics.exchange(this.#words, TOLD, 0);
  }
}

/** Its port in the thread of a vCPU. @param ring wakes the thread that does something about it */
export function pvPanicWindow(registers: SharedArrayBuffer, ring: () => void): IoWindow {
  const memory = new PvPanicMemory(registers);
  return byteWindow({
    read: () => memory.offered,
    write(_, events) {
      memory.tell(events);
      ring();
    },
  });
}
