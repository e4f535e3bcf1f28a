import type { IrqLine } from '../../../system/irq.js';
import type { Mc146818 } from './rtc.js';
import { RtcMemory } from './window.js';

/** The shortest time between two interrupts that the timers of the host keep up with. */
const SHORTEST_MS = 1;
/** Half a second is what reading the time and writing it takes: that is not setting it. */
const CHANGE_MS = 500;

/** The timer behind a clock, on the main thread. */
export class RtcBackend {
  readonly #memory: RtcMemory;
  readonly #rtc: Mc146818;
  readonly #changed: (aheadMs: number) => void;
  #ahead: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed told what the clock is ahead of the host's when the guest has set it */
  constructor(registers: SharedArrayBuffer, irq: IrqLine, changed: (aheadMs: number) => void) {
    this.#memory = new RtcMemory(registers);
    this.#changed = changed;
    this.#rtc = this.#memory.rtc({
      interrupt: (up) => (up ? irq.raise() : irq.lower()),
      rescheduled() {},
    });
    this.#ahead = this.#rtc.ahead;
  }

  /** The clock's time, ms since 1970. */
  get time(): number {
    return this.#rtc.time;
  }

  /** The guest did something: sets the timer anew. */
  poll(): void {
    clearTimeout(this.#timer);
    const { ahead, wait } = this.#memory.lock.run(() => {
      this.#rtc.tick();
      return { ahead: this.#rtc.ahead, wait: this.#rtc.nextEvent() };
    });
    if (wait !== undefined) this.#timer = setTimeout(() => this.poll(), Math.max(wait, SHORTEST_MS));
    if (Math.abs(ahead - this.#ahead) < CHANGE_MS) return;
    this.#ahead = ahead;
    this.#changed(ahead);
  }

  reset(): void {
    this.#memory.lock.run(() => this.#rtc.reset());
    this.poll();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
