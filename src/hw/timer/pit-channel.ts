/** Input of the counters. */
export const PIT_HZ = 1_193_182;
const SECOND = 1_000_000_000;

/** Which byte of a count comes next: values of bits 4 and 5 of a control word. */
const Access = { lsb: 1, msb: 2, word: 3 } as const;

/**
 * One counter of an 8254 (Intel data sheet 231164-005). Times are nanoseconds. A count takes effect when it is written,
 * also in modes 2 and 3, and counts are binary, as in QEMU and KVM.
 */
export class PitChannel {
  #mode = 3;
  #access: number = Access.word;
  #bcd = false;
  #gate: boolean;
  /** 1 to 65536. */
  #count = 0x10000;
  /** Whether a count is loaded (by the gate in modes 1 and 5): until then the output has the mode's initial level. */
  #loaded = false;
  /** Counting since; undefined while the gate holds it. */
  #start: number | undefined;
  /** Ticks counted when it was held. */
  #held = 0;
  /** First byte of a word that is being written. */
  #lowByte: number | undefined;
  #readsHigh = false;
  /** Latched bytes in the order they are read. */
  #latch: readonly number[] = [];
  #status: number | undefined;

  /** @param gate level of the gate input at first */
  constructor(gate: boolean) {
    this.#gate = gate;
  }

  get gate(): boolean {
    return this.#gate;
  }

  setGate(level: boolean, now: number): void {
    if (level === this.#gate) return;
    this.#gate = level;
    const starts = this.#mode !== 0 && this.#mode !== 4;
    if (!level) {
      if (this.#triggered) return;
      this.#held = this.#elapsed(now);
      this.#start = undefined;
    } else if (starts) {
      this.#restart(now);
    } else {
      this.#start = now - toNanoseconds(this.#held);
    }
  }

  /** A control word for this counter. */
  control(value: number, now: number): void {
    const access = (value >> 4) & 3;
    if (access === 0) this.latchCount(now);
    else this.#program(access, (value >> 1) & 7, (value & 1) !== 0);
  }

  #program(access: number, mode: number, bcd: boolean): void {
    this.#access = access;
    this.#mode = mode > 5 ? mode - 4 : mode;
    this.#bcd = bcd;
    this.#loaded = false;
    this.#start = undefined;
    this.#held = 0;
    this.#lowByte = undefined;
    this.#readsHigh = false;
    this.#latch = [];
    this.#status = undefined;
  }

  latchCount(now: number): void {
    if (this.#latch.length > 0) return;
    const count = this.#value(now);
    const bytes = [count & 0xff, count >> 8];
    this.#latch = this.#access === Access.word ? bytes : bytes.slice(this.#access - 1, this.#access);
  }

  latchStatus(now: number): void {
    const nullCount = this.#loaded ? 0 : 0x40;
    const output = this.output(now) ? 0x80 : 0;
    this.#status ??= output | nullCount | (this.#access << 4) | (this.#mode << 1) | (this.#bcd ? 1 : 0);
  }

  read(now: number): number {
    const status = this.#status;
    if (status !== undefined) {
      this.#status = undefined;
      return status;
    }
    const [latched, ...rest] = this.#latch;
    if (latched !== undefined) {
      this.#latch = rest;
      return latched;
    }
    const high = this.#access === Access.msb || (this.#access === Access.word && this.#readsHigh);
    if (this.#access === Access.word) this.#readsHigh = !this.#readsHigh;
    const count = this.#value(now);
    return high ? count >> 8 : count & 0xff;
  }

  write(value: number, now: number): void {
    if (this.#access !== Access.word) {
      this.#load(this.#access === Access.msb ? value << 8 : value, now);
    } else if (this.#lowByte === undefined) {
      this.#lowByte = value;
    } else {
      this.#load(this.#lowByte | (value << 8), now);
      this.#lowByte = undefined;
    }
  }

  /** Level of the output. */
  output(now: number): boolean {
    if (!this.#loaded) return this.#mode !== 0;
    const elapsed = this.#elapsed(now);
    switch (this.#mode) {
      case 0:
      case 1:
        return elapsed >= this.#count;
      case 2:
        return !this.#gate || elapsed % this.#count !== this.#count - 1;
      case 3:
        return !this.#gate || elapsed % this.#count < this.#highTicks;
      default:
        return elapsed !== this.#count;
    }
  }

  /** When the output changes next after `now`, or Infinity. */
  nextChange(now: number): number {
    if (!this.#loaded || this.#start === undefined) return Infinity;
    const elapsed = this.#elapsed(now);
    const tick = this.#nextTick(elapsed);
    return tick === undefined ? Infinity : this.#start + toNanoseconds(tick);
  }

  #nextTick(elapsed: number): number | undefined {
    const count = this.#count;
    const periodic = this.#mode === 2 || this.#mode === 3;
    if (periodic) {
      const phase = elapsed % count;
      const falls = this.#mode === 2 ? count - 1 : this.#highTicks;
      return elapsed - phase + (phase < falls ? falls : count);
    }
    if (elapsed < count) return count;
    return this.#mode >= 4 && elapsed === count ? count + 1 : undefined;
  }

  /** Modes that a rising gate starts and that the gate does not hold. */
  get #triggered(): boolean {
    return this.#mode === 1 || this.#mode === 5;
  }

  /** Of a square wave: the longer half first. */
  get #highTicks(): number {
    return (this.#count + 1) >> 1;
  }

  #load(value: number, now: number): void {
    this.#count = value === 0 ? 0x10000 : value;
    if (!this.#triggered) this.#restart(now);
  }

  #restart(now: number): void {
    this.#loaded = true;
    this.#held = 0;
    this.#start = this.#gate ? now : undefined;
  }

  #elapsed(now: number): number {
    return this.#start === undefined ? this.#held : toTicks(now - this.#start);
  }

  #value(now: number): number {
    const elapsed = this.#elapsed(now);
    if (this.#mode === 2) return (this.#count - (elapsed % this.#count)) & 0xffff;
    if (this.#mode === 3) return (this.#count - ((2 * elapsed) % this.#count)) & 0xffff;
    return (this.#count - elapsed) & 0xffff;
  }
}

// Whole seconds apart, so that products stay below 2^53.
function toTicks(nanoseconds: number): number {
  return Math.floor(nanoseconds / SECOND) * PIT_HZ + Math.floor(((nanoseconds % SECOND) * PIT_HZ) / SECOND);
}

/** The first nanosecond of a tick. */
function toNanoseconds(ticks: number): number {
  return Math.floor(ticks / PIT_HZ) * SECOND + Math.ceil(((ticks % PIT_HZ) * SECOND) / PIT_HZ);
}
