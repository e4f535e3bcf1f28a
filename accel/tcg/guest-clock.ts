const NS_PER_MS = 1e6;

/** Time of the guest in nanoseconds since it was made; stands still while the machine is paused. */
export class GuestClock {
  #passed = 0;
  #since: number | undefined;

  now(): number {
    return this.#since === undefined ? this.#passed : this.#passed + (performance.now() - this.#since) * NS_PER_MS;
  }

  start(): void {
    this.#since ??= performance.now();
  }

  stop(): void {
    this.#passed = this.now();
    this.#since = undefined;
  }
}
