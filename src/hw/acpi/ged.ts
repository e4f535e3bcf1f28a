import { byteWindow } from '../../system/byte-window.js';
import type { IoMapping } from '../../system/io-bus.js';
import type { IrqLine } from '../../system/irq.js';
import { ged } from '../i386/memory-layout.js';

const SLEEP_ENABLE = 0x20;
export const GED_SELECTOR_BYTES = 4;
export const GED_REGISTER_BYTES = 3;
const SELECTOR = 0;
const REQUESTS = 1;

/** What the guest asks for. */
export const GedRequest = { powerOff: 1, reset: 2 } as const;

/** The generic event device (hw/acpi/generic_event_device.c): events for the guest, and its power-off and reset, in shared memory. */
export class GedMemory {
  readonly #words: Int32Array;

  /** @param buffer made by `GedMemory.create` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(8);
  }

  reset(): void {
    Atomics.store(this.#words, SELECTOR, 0);
  }

  /** Presses the power button. */
  powerDown(irq: IrqLine): void {
    Atomics.or(this.#words, SELECTOR, ged.powerDown);
    irq.pulse();
  }

  /** Reading tells the events once. */
  takeEvents(): number {
    return Atomics.exchange(this.#words, SELECTOR, 0) >>> 0;
  }

  ask(request: number): void {
    Atomics.or(this.#words, REQUESTS, request);
  }

  /** Bits of GedRequest since this was called last. */
  takeRequests(): number {
    return Atomics.exchange(this.#words, REQUESTS, 0);
  }
}

/** Its two windows in the thread of a vCPU. @param ring wakes the thread that ends or resets the machine */
export function gedMappings(registers: SharedArrayBuffer, ring: () => void): IoMapping[] {
  const memory = new GedMemory(registers);
  const ask = (request: number): void => {
    memory.ask(request);
    ring();
  };
  const selector = {
    read(offset: number, data: Uint8Array) {
      data.fill(0);
      if (offset !== 0) return;
      const events = new Uint8Array(Uint32Array.of(memory.takeEvents()).buffer);
      data.set(events.subarray(0, Math.min(data.length, GED_SELECTOR_BYTES)));
    },
    write() {},
  };
  const registerWindow = byteWindow({
    read: () => 0,
    write(offset, value) {
      const address = ged.sleepControl + offset;
      const sleeps = value === ((ged.sleepTypeS5 << 2) | SLEEP_ENABLE);
      if (address === ged.sleepControl && sleeps) ask(GedRequest.powerOff);
      if (address === ged.reset && value === ged.resetValue) ask(GedRequest.reset);
    },
  });
  return [
    { base: ged.selector, size: GED_SELECTOR_BYTES, window: selector },
    { base: ged.sleepControl, size: GED_REGISTER_BYTES, window: registerWindow },
  ];
}
