/** Input of the timers: the rate to tell the guest (CPUID leaf 0x15, crystal clock). One tick is one nanosecond. */
export const APIC_TIMER_HZ = 1_000_000_000;

/** Values of bits 17 and 18 of the timer's local vector (SDM volume 3, 11.5.1). */
export const TimerMode = { oneShot: 0, periodic: 1, tscDeadline: 2 } as const;

/**
 * The timer of a local APIC (SDM volume 3, 11.5.4): counts down at APIC_TIMER_HZ through its divider. Times are
 * nanoseconds; a deadline is when it next expires, Infinity when it does not.
 */
export class ApicTimer {
  #mode: number = TimerMode.oneShot;
  #initial = 0;
  /** Ticks a count takes, a power of 2. */
  #divisor = 2;
  #divideConfiguration = 0;
  /** When `#left` counts were left. */
  #start = 0;
  #left = 0;
  #deadline = Infinity;
  #tscDeadline = 0n;

  get deadline(): number {
    return this.#deadline;
  }

  get initialCount(): number {
    return this.#initial;
  }

  get divideConfiguration(): number {
    return this.#divideConfiguration;
  }

  /** IA32_TSC_DEADLINE: 0 when not armed. */
  get tscDeadline(): bigint {
    return this.#tscDeadline;
  }

  reset(): void {
    this.#mode = TimerMode.oneShot;
    this.#divisor = 2;
    this.#divideConfiguration = 0;
    this.#stop();
  }

  /** Going to or from TSC-deadline mode stops it. */
  setMode(mode: number): void {
    if ((mode === TimerMode.tscDeadline) !== (this.#mode === TimerMode.tscDeadline)) this.#stop();
    this.#mode = mode;
  }

  /** @param count 0 to 2^32 - 1; 0 stops it */
  setInitialCount(count: number, now: number): void {
    if (this.#mode === TimerMode.tscDeadline) return;
    this.#initial = count;
    this.#restart(count, now);
  }

  setDivideConfiguration(value: number, now: number): void {
    const left = this.currentCount(now);
    this.#divideConfiguration = value & 0xb;
    const code = (value & 3) | ((value >> 1) & 4);
    this.#divisor = 1 << ((code + 1) & 7);
    if (this.#mode !== TimerMode.tscDeadline) this.#restart(left, now);
  }

  /** Counts left. */
  currentCount(now: number): number {
    if (this.#left === 0) return 0;
    const left = this.#left - Math.floor((now - this.#start) / this.#divisor);
    if (left > 0 || this.#mode === TimerMode.oneShot) return Math.max(left, 0);
    return this.#initial - (-left % this.#initial);
  }

  /** @param at when the TSC reaches `tsc`; `tsc` 0 disarms it */
  setTscDeadline(tsc: bigint, at: number): void {
    if (this.#mode !== TimerMode.tscDeadline) return;
    this.#tscDeadline = tsc;
    this.#deadline = tsc === 0n ? Infinity : at;
  }

  /** To be called at the deadline or later; sets the next one. Periods that were missed count as one. */
  expire(now: number): void {
    this.#tscDeadline = 0n;
    if (this.#mode !== TimerMode.periodic || this.#initial === 0) {
      this.#left = 0;
      this.#deadline = Infinity;
      return;
    }
    const period = this.#initial * this.#divisor;
    const missed = Math.floor((now - this.#deadline) / period);
    this.#restart(this.#initial, this.#deadline + missed * period);
  }

  #restart(count: number, start: number): void {
    this.#start = start;
    this.#left = count;
    this.#deadline = count === 0 ? Infinity : start + count * this.#divisor;
  }

  #stop(): void {
    this.#initial = 0;
    this.#left = 0;
    this.#deadline = Infinity;
    this.#tscDeadline = 0n;
  }
}
