interface Timer {
  readonly callback: () => void;
  /** Milliseconds of guest time left when `since` was taken. */
  left: number;
  since: number;
  handle: NodeJS.Timeout | undefined;
}

/** Timers that stand still while the guest does: what waits for an answer of a paused guest must not run out. */
export class GuestTimers {
  readonly #timers = new Set<Timer>();
  #paused: boolean;

  constructor({ paused = false } = {}) {
    this.#paused = paused;
  }

  /** Calls back after `ms` milliseconds of guest time. @returns a function that stops the timer */
  readonly after = (ms: number, callback: () => void): (() => void) => {
    const timer: Timer = { callback, left: ms, since: 0, handle: undefined };
    this.#timers.add(timer);
    if (!this.#paused) this.#run(timer);
    return () => this.#drop(timer);
  };

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    for (const timer of this.#timers) {
      clearTimeout(timer.handle);
      timer.left = Math.max(0, timer.left - (performance.now() - timer.since));
    }
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const timer of this.#timers) this.#run(timer);
  }

  /** Stops all timers; none calls back any more. */
  clear(): void {
    for (const timer of this.#timers) this.#drop(timer);
  }

  #run(timer: Timer): void {
    timer.since = performance.now();
    timer.handle = setTimeout(() => {
      this.#timers.delete(timer);
      timer.callback();
    }, timer.left);
  }

  #drop(timer: Timer): void {
    clearTimeout(timer.handle);
    this.#timers.delete(timer);
  }
}
