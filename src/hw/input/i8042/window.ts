import { byteWindow } from '../../../system/byte-window.js';
import type { IoMapping } from '../../../system/io-bus.js';
import type { IrqLine } from '../../../system/irq.js';
import { SharedLock } from '../../../system/shared-lock.js';
import { I8042, I8042_WORDS, type I8042Events } from './controller.js';

export const DATA_PORT = 0x60;
export const COMMAND_PORT = 0x64;

const LOCK = 0;
const RESET_ASKED = 1;
const CONTROLLER = 2;

/** The registers of a keyboard controller in shared memory. */
export class I8042Memory {
  readonly lock: SharedLock;
  readonly #words: Int32Array;

  /** @param buffer made by `I8042Memory.create` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.lock = new SharedLock(this.#words.subarray(LOCK, LOCK + 1));
  }

  static create(): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(4 * (CONTROLLER + I8042_WORDS));
    new I8042Memory(buffer).controller({ interrupt() {}, reset() {} }).reset();
    return buffer;
  }

  controller(events: I8042Events): I8042 {
    return new I8042(this.#words.subarray(CONTROLLER), events);
  }

  askReset(): void {
    Atomics.store(this.#words, RESET_ASKED, 1);
  }

  /** Whether the guest has asked for a reset since this was called last. */
  takeReset(): boolean {
    return Atomics.exchange(this.#words, RESET_ASKED, 0) !== 0;
  }
}

/**
 * Its two ports in the thread of a vCPU; the one between them is the timer's.
 *
 * @param ring wakes the thread that resets the machine
 */
export function i8042Mappings(registers: SharedArrayBuffer, irq: IrqLine, ring: () => void): IoMapping[] {
  const memory = new I8042Memory(registers);
  const controller = memory.controller({
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    reset: () => {
      memory.askReset();
      ring();
    },
  });
  const data = byteWindow({
    read: () => memory.lock.run(() => controller.readData()),
    write: (_, value) => memory.lock.run(() => controller.writeData(value)),
  });
  const command = byteWindow({
    read: () => memory.lock.run(() => controller.readStatus()),
    write: (_, value) => memory.lock.run(() => controller.writeCommand(value)),
  });
  return [
    { base: DATA_PORT, size: 1, window: data },
    { base: COMMAND_PORT, size: 1, window: command },
  ];
}
