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
}
