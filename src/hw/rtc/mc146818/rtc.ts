import { decodeTime, encodeTime, nextAlarm, period, type TimeFormat, type TimeRegisters } from './time.js';

// MC146818 data sheet (Motorola, 1984), figures 11 to 15; the century is where the FADT of PCs puts it.
const Reg = {
  second: 0,
  secondAlarm: 1,
  minute: 2,
  minuteAlarm: 3,
  hour: 4,
  hourAlarm: 5,
  weekday: 6,
  day: 7,
  month: 8,
  year: 9,
  a: 10,
  b: 11,
  c: 12,
  d: 13,
  century: 0x32,
} as const;
export const CMOS_BYTES = 128;

const A_UPDATING = 0x80;
/** 32.768 kHz crystal, 1024 Hz. */
const A_RESET = 0x26;
const A_DIVIDER = 0x70;
const A_DIVIDER_RESET = 0x60;
const A_RATE = 0x0f;
const B = { set: 0x80, binary: 0x04, hours24: 0x02 } as const;
/** Of an interrupt in register B, where it is enabled, and C, where it is told. */
const Source = { periodic: 0x40, alarm: 0x20, update: 0x10 } as const;
const SOURCES = Source.periodic | Source.alarm | Source.update;
const C_INTERRUPT = 0x80;
const D_VALID = 0x80;
/** Before the registers change they are not to be read; the host's clock has milliseconds. */
const UPDATE_MS = 1;

const timeRegisters: readonly (readonly [register: number, field: keyof TimeRegisters])[] = [
  [Reg.second, 'second'],
  [Reg.minute, 'minute'],
  [Reg.hour, 'hour'],
  [Reg.weekday, 'weekday'],
  [Reg.day, 'day'],
  [Reg.month, 'month'],
  [Reg.year, 'year'],
  [Reg.century, 'century'],
];
const timeRegister = new Map(timeRegisters);

/** What a clock keeps; threads may share it: the caller locks. */
export interface RtcState {
  /** CMOS_BYTES bytes. */
  readonly cmos: Uint8Array;
  /** [0]: what the clock is ahead of the host's, ms; [1]: the clock's time up to which events are told, ms. */
  readonly times: Float64Array;
}

export interface RtcEvents {
  interrupt(up: boolean): void;
  /** The time of the next event may be another now. */
  rescheduled(): void;
}

/** A battery-backed clock and its RAM. Events are found out when somebody looks: the guest, or a timer set by `nextEvent`. */
export class Mc146818 {
  readonly #cmos: Uint8Array;
  readonly #times: Float64Array;
  readonly #now: () => number;
  readonly #events: RtcEvents;

  /** @param now the host's time in milliseconds since 1970 */
  constructor({ cmos, times }: RtcState, now: () => number, events: RtcEvents) {
    this.#cmos = cmos;
    this.#times = times;
    this.#now = now;
    this.#events = events;
  }

  /** First power. @param aheadMs of the host's clock */
  powerOn(aheadMs: number): void {
    this.#cmos.fill(0);
    this.#cmos[Reg.a] = A_RESET;
    this.#cmos[Reg.b] = B.hours24;
    this.#cmos[Reg.d] = D_VALID;
    this.#setAhead(aheadMs);
    this.#toldUntil = this.time;
  }

  /** The machine was reset: no interrupts; time and RAM stay, as they have a battery. */
  reset(): void {
    this.#cmos[Reg.b] = this.#get(Reg.b) & ~SOURCES;
    this.#cmos[Reg.c] = 0;
    this.#events.interrupt(false);
    this.#events.rescheduled();
  }

  /** The clock's time, ms since 1970. */
  get time(): number {
    return this.#now() + this.ahead;
  }

  /** What it is ahead of the host's clock, ms. */
  get ahead(): number {
    return this.#times[0] ?? 0;
  }

  #setAhead(ms: number): void {
    this.#times[0] = ms;
  }

  get #toldUntil(): number {
    return this.#times[1] ?? 0;
  }

  set #toldUntil(ms: number) {
    this.#times[1] = ms;
  }

  #get(register: number): number {
    return this.#cmos[register] ?? 0;
  }

  get #format(): TimeFormat {
    const b = this.#get(Reg.b);
    return { binary: (b & B.binary) !== 0, hours24: (b & B.hours24) !== 0 };
  }

  /** The time registers are the guest's to set, or the divider is held. */
  get #stopped(): boolean {
    return (this.#get(Reg.b) & B.set) !== 0 || (this.#get(Reg.a) & A_DIVIDER) >= A_DIVIDER_RESET;
  }

  /** @param register 0 to 127 */
  read(register: number): number {
    const field = timeRegister.get(register);
    if (field !== undefined && !this.#stopped) return encodeTime(this.time, this.#format)[field];
    if (register === Reg.a) return this.#get(Reg.a) | (this.#updating ? A_UPDATING : 0);
    return register === Reg.c ? this.#takeEvents() : this.#get(register);
  }

  get #updating(): boolean {
    return !this.#stopped && this.time % 1000 >= 1000 - UPDATE_MS;
  }

  write(register: number, value: number): void {
    this.tick();
    if (timeRegister.has(register)) this.#writeTime(register, value);
    else if (register === Reg.a) this.#keepTime(() => this.#store(Reg.a, value & ~A_UPDATING));
    else if (register === Reg.b) this.#keepTime(() => this.#store(Reg.b, value));
    else if (register !== Reg.c && register !== Reg.d) this.#store(register, value);
    this.#toldUntil = this.time;
    this.#update();
    this.#events.rescheduled();
  }

  #store(register: number, value: number): void {
    this.#cmos[register] = value;
  }

  #writeTime(register: number, value: number): void {
    const stopped = this.#stopped;
    if (!stopped) this.#freeze();
    this.#store(register, value);
    if (!stopped) this.#run();
  }

  /** The registers hold the time while the clock stands: they get it when it stops, and give it when it runs again. */
  #keepTime(change: () => void): void {
    const stopped = this.#stopped;
    if (!stopped) this.#freeze();
    change();
    if (stopped && !this.#stopped) this.#run();
  }

  #freeze(): void {
    const time = encodeTime(this.time, this.#format);
    for (const [register, field] of timeRegisters) this.#store(register, time[field]);
  }

  #run(): void {
    const time = Object.fromEntries(timeRegisters.map(([register, field]) => [field, this.#get(register)]));
    const set = decodeTime(time as unknown as TimeRegisters, this.#format);
    // The second that runs goes on: setting the time does not move its end.
    if (Number.isFinite(set)) this.#setAhead(set + (this.time % 1000) - this.#now());
  }

  /** Tells what has happened since this was called last. */
  tick(): void {
    const from = this.#toldUntil;
    const until = this.time;
    if (until <= from || this.#stopped) return;
    this.#toldUntil = until;
    let flags = this.#get(Reg.c);
    for (const source of [Source.periodic, Source.alarm, Source.update]) {
      const next = this.#next(source, from);
      if (next !== undefined && next <= until) flags |= source;
    }
    this.#store(Reg.c, flags);
    this.#update();
  }

  /** When the line will rise next, in milliseconds from now; undefined when it is up already, or never. */
  nextEvent(): number | undefined {
    const enabled = this.#get(Reg.b) & SOURCES;
    if (this.#stopped || enabled === 0 || (this.#get(Reg.c) & C_INTERRUPT) !== 0) return undefined;
    const now = this.time;
    const times = [Source.periodic, Source.alarm, Source.update]
      .filter((source) => (enabled & source) !== 0)
      .map((source) => this.#next(source, now))
      .filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times) - now;
  }

  #next(source: number, from: number): number | undefined {
    if (source === Source.update) return (Math.floor(from / 1000) + 1) * 1000;
    if (source === Source.periodic) {
      const length = period(this.#get(Reg.a) & A_RATE);
      return length === undefined ? undefined : (Math.floor(from / length) + 1) * length;
    }
    const alarm = {
      second: this.#get(Reg.secondAlarm),
      minute: this.#get(Reg.minuteAlarm),
      hour: this.#get(Reg.hourAlarm),
    };
    return nextAlarm(from, alarm, this.#format);
  }

  #takeEvents(): number {
    this.tick();
    const flags = this.#get(Reg.c);
    this.#store(Reg.c, 0);
    if ((flags & C_INTERRUPT) !== 0) {
      this.#events.interrupt(false);
      this.#events.rescheduled();
    }
    return flags;
  }

  #update(): void {
    const flags = this.#get(Reg.c) & SOURCES;
    const was = (this.#get(Reg.c) & C_INTERRUPT) !== 0;
    const up = (flags & this.#get(Reg.b)) !== 0;
    this.#store(Reg.c, flags | (up ? C_INTERRUPT : 0));
    if (up !== was) this.#events.interrupt(up);
  }
}
