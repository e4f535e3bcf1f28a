/** Lets at most so many events a second through, so that a guest can't flood the thread that hears them. */
export class EventLimiter {
  readonly #perSecond: number;
  readonly #suppressed: (count: number) => void;
  #left: number;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param suppressed told once a second how many were refused in it, if any */
  constructor(perSecond: number, suppressed: (count: number) => void) {
    this.#perSecond = perSecond;
    this.#suppressed = suppressed;
    this.#left = perSecond;
  }

  /** Whether one more event may pass. */
  pass(): boolean {
    this.#timer ??= setTimeout(() => this.#refill(), 1000).unref();
    if (this.#left > 0) {
      this.#left -= 1;
      return true;
    }
    this.#dropped += 1;
    return false;
  }

  #refill(): void {
    this.#timer = undefined;
    this.#left = this.#perSecond;
    if (this.#dropped > 0) this.#suppressed(this.#dropped);
    this.#dropped = 0;
  }
}
