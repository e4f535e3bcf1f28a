import { byteWindow } from '../../../system/byte-window.js';
import type { IoWindow } from '../../../system/io-bus.js';
import type { IrqLine } from '../../../system/irq.js';
import { SharedLock } from '../../../system/shared-lock.js';
import { CMOS_BYTES, Mc146818, type RtcEvents } from './rtc.js';

export const RTC_PORTS = 2;
const INDEX_PORT = 0;
const INDEX_BITS = 0x7f;

const LOCK = 0;
const INDEX = 1;
const TIMES_OFFSET = 8;
const CMOS_OFFSET = TIMES_OFFSET + 16;

/** A clock in shared memory: its RAM, its times, the index of the register chosen, and a lock. */
export class RtcMemory {
  readonly lock: SharedLock;
  readonly #buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param buffer made by `RtcMemory.create` */
  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer, 0, 2);
    this.lock = new SharedLock(this.#words.subarray(LOCK, LOCK + 1));
  }

  /** @param aheadMs what the clock is ahead of the host's */
  static create(aheadMs: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(CMOS_OFFSET + CMOS_BYTES);
    new RtcMemory(buffer).rtc({ interrupt() {}, rescheduled() {} }).powerOn(aheadMs);
    return buffer;
  }

  rtc(events: RtcEvents): Mc146818 {
    const state = {
      cmos: new Uint8Array(this.#buffer, CMOS_OFFSET, CMOS_BYTES),
      times: new Float64Array(this.#buffer, TIMES_OFFSET, 2),
    };
    return new Mc146818(state, Date.now, events);
  }

  get index(): number {
    return Atomics.load(this.#words, INDEX);
  }

  set index(value: number) {
    Atomics.store(this.#words, INDEX, value & INDEX_BITS);
  }
}

/** Ports 0x70 and 0x71 in the thread of a vCPU. @param ring wakes the thread that has the clock's timer */
export function rtcWindow(registers: SharedArrayBuffer, irq: IrqLine, ring: () => void): IoWindow {
  const memory = new RtcMemory(registers);
  const rtc = memory.rtc({ interrupt: (up) => (up ? irq.raise() : irq.lower()), rescheduled: ring });
  return byteWindow({
    read: (port) => (port === INDEX_PORT ? 0xff : memory.lock.run(() => rtc.read(memory.index))),
    write(port, value) {
      if (port === INDEX_PORT) memory.index = value;
      else memory.lock.run(() => rtc.write(memory.index, value));
    },
  });
}
