/** A holder that keeps a lock this long is dead; work that must be done is then done without it. */
const LIMIT_MS = 1_000;

/** A mutual exclusion lock in one word of shared memory, for threads of this process. Not recursive. */
export class SharedLock {
  // 0 free, 1 held, 2 held and somebody waits
  readonly #word: Int32Array;

  /** @param word one zeroed Int32 of a SharedArrayBuffer */
  constructor(word: Int32Array) {
    this.#word = word;
  }

  /** Waits for the lock at most `timeoutMs`. @returns false after that time: the lock is not held */
  acquire(timeoutMs: number): boolean {
    if (Atomics.compareExchange(this.#word, 0, 0, 1) === 0) return true;
    const end = performance.now() + timeoutMs;
    while (Atomics.exchange(this.#word, 0, 2) !== 0) {
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#word, 0, 2, left);
    }
    return true;
  }

  release(): void {
    if (Atomics.exchange(this.#word, 0, 0) === 2) Atomics.notify(this.#word, 0, 1);
  }
  /** Runs `work`, which is short, with the lock held. */
  run<T>(work: () => T): T {
    const held = this.acquire(LIMIT_MS);
    try {
      return work();
    } finally {
      if (held) this.release();
    }
  }
}
