import { QemuError } from '../system/errors.js';
import type { Opts } from './opts.js';

const DATE = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:T(\d{1,2}):(\d{1,2}):(\d{1,2}))?$/;

/**
 * Reads `-rtc base=utc|localtime|DATE,clock=host|rt|vm,driftfix=none|slew`. The clock always follows the host's; ticks
 * that a guest misses are not made up for.
 *
 * @param now the host's time, milliseconds since 1970
 * @returns what the guest's clock is ahead of the host's, milliseconds
 * @throws QemuError
 */
export function parseRtc(opts: Opts, now: number): number {
  for (const [name, values] of [
    ['clock', ['host', 'rt', 'vm']],
    ['driftfix', ['none', 'slew']],
  ] as const) {
    const value = opts.get(name);
    if (value !== undefined && !(values as readonly string[]).includes(value)) {
      throw new QemuError(`invalid option value '${value}'`);
    }
  }
  const base = opts.get('base') ?? 'utc';
  if (base === 'utc') return 0;
  if (base === 'localtime') return -new Date(now).getTimezoneOffset() * 60_000;
  const [, ...parts] = DATE.exec(base) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0));
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  if (parts.length === 0 || Number.isNaN(time)) {
    throw new QemuError('invalid datetime format', {
      hint: "valid formats: '2006-06-17T16:01:21' or '2006-06-17'",
    });
  }
  return time - now;
}
