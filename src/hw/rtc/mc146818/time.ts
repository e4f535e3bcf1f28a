/** How a clock's registers write numbers (register B). */
export interface TimeFormat {
  /** Binary instead of BCD. */
  readonly binary: boolean;
  /** Hours 0 to 23 instead of 1 to 12 with the afternoon in bit 7. */
  readonly hours24: boolean;
}

/** The time registers, as the guest sees them. */
export interface TimeRegisters {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  readonly weekday: number;
  readonly day: number;
  readonly month: number;
  readonly year: number;
  readonly century: number;
}

/** The alarm registers; a value from 0xc0 up matches everything. */
export interface AlarmRegisters {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
}

const AFTERNOON = 0x80;
const ANY = 0xc0;
const SECONDS_A_DAY = 86_400;

function encode(value: number, { binary }: TimeFormat): number {
  return binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(value: number, { binary }: TimeFormat): number {
  return binary ? value : (value >> 4) * 10 + (value & 0x0f);
}

function encodeHour(hour: number, format: TimeFormat): number {
  if (format.hours24) return encode(hour, format);
  return encode(hour % 12 === 0 ? 12 : hour % 12, format) | (hour >= 12 ? AFTERNOON : 0);
}

function decodeHour(value: number, format: TimeFormat): number {
  if (format.hours24) return decode(value, format);
  return (decode(value & ~AFTERNOON, format) % 12) + ((value & AFTERNOON) !== 0 ? 12 : 0);
}

/** @param ms the clock's time, milliseconds since 1970 */
export function encodeTime(ms: number, format: TimeFormat): TimeRegisters {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  return {
    second: encode(date.getUTCSeconds(), format),
    minute: encode(date.getUTCMinutes(), format),
    hour: encodeHour(date.getUTCHours(), format),
    weekday: encode(date.getUTCDay() + 1, format),
    day: encode(date.getUTCDate(), format),
    month: encode(date.getUTCMonth() + 1, format),
    year: encode(year % 100, format),
    century: encode(Math.floor(year / 100) % 100, format),
  };
}

/** Values out of range carry over, as February 30; the year has four digits. @returns milliseconds since 1970 */
export function decodeTime(registers: TimeRegisters, format: TimeFormat): number {
  const number = (value: number) => decode(value, format);
  const date = new Date(0);
  date.setUTCFullYear(
    (number(registers.century) % 100) * 100 + (number(registers.year) % 100),
    number(registers.month) - 1,
    number(registers.day),
  );
  date.setUTCHours(decodeHour(registers.hour, format), number(registers.minute), number(registers.second));
  return date.getTime();
}

/** The first full second after `ms` that the alarm matches, in milliseconds; undefined when none does. */
export function nextAlarm(ms: number, alarm: AlarmRegisters, format: TimeFormat): number | undefined {
  const matches = (wanted: number, value: number, plain: (value: number) => number): boolean =>
    wanted >= ANY || plain(wanted) === value;
  const number = (value: number) => decode(value, format);
  const first = Math.floor(ms / 1000) + 1;
  for (let at = first; at < first + SECONDS_A_DAY; ) {
    if (!matches(alarm.hour, Math.floor(at / 3600) % 24, (hour) => decodeHour(hour, format))) {
      at = (Math.floor(at / 3600) + 1) * 3600;
    } else if (!matches(alarm.minute, Math.floor(at / 60) % 60, number)) at = (Math.floor(at / 60) + 1) * 60;
    else if (!matches(alarm.second, at % 60, number)) at += 1;
    else return at * 1000;
  }
  return undefined;
}

/** Length of the periodic interrupt's period in milliseconds for the rate bits of register A; undefined for none. */
export function period(rate: number): number | undefined {
  if (rate === 0) return undefined;
  const code = rate <= 2 ? rate + 7 : rate;
  return (2 ** (code - 1) * 1000) / 32_768;
}
