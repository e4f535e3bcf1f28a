import type { IrqLine } from '../../../system/irq.js';
import { RtcMemory } from './window.js';

/** The shortest time between two interrupts that the timers of the host keep up with. */
const SHORTEST_MS = 1;

/** The timer behind a clock, on the main thread. */
export class RtcBackend {
  readonly #memory: RtcMemory;
  readonly #rtc: ReturnType<RtcMemory['rtc']>;
  #timer: NodeJS.Timeout | undefined;

  constructor(registers: SharedArrayBuffer, irq: IrqLine) {
    this.#memory = new RtcMemory(registers);
    this.#rtc = this.#memory.rtc({
      interrupt: (up) => (up ? irq.raise() : irq.lower()),
      rescheduled() {},
    });
  }

  /** The clock's time, ms since 1970. */
  get time(): number {
    return this.#rtc.time;
  }

  /** The guest did something: sets the timer anew. */
  poll(): void {
    clearTimeout(this.#timer);
    const wait = this.#memory.lock.run(() => {
      this.#rtc.tick();
      return this.#rtc.nextEvent();
    });
    if (wait !== undefined) this.#timer = setTimeout(() => this.poll(), Math.max(wait, SHORTEST_MS));
  }

  reset(): void {
    this.#memory.lock.run(() => this.#rtc.reset());
    this.poll();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
