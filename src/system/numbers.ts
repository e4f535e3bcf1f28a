/**
 * Number texts as QEMU's option parsers read them (util/cutils.c): pure, exact, `undefined` where QEMU says no.
 * Error sentences belong to the callers.
 */

/** `on`, `yes`, `true`, `y` or `off`, `no`, `false`, `n`. */
export function parseBool(text: string): boolean | undefined {
  if (text === 'on' || text === 'yes' || text === 'true' || text === 'y') return true;
  if (text === 'off' || text === 'no' || text === 'false' || text === 'n') return false;
  return undefined;
}

/** strtoll with base 0: optional white space and sign, then decimal, 0x hexadecimal or 0 octal; no rest. Unbounded. */
export function parseInteger(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digits = match[2] ?? '';
  const magnitude = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return match[1] === '-' ? -magnitude : magnitude;
}

/** Why a number was not taken: not a number at all, or one that does not fit. The two have sentences of their own. */
export type NumberFault = 'invalid' | 'range';

/** qemu_strtou64 with base 0: as `parseInteger`, and a negative number wraps as strtoull lets it (`-1` is 2^64 - 1). */
export function parseUint64(text: string): bigint | NumberFault {
  const value = parseInteger(text);
  if (value === undefined) return 'invalid';
  return value < 1n << 64n && value > -(1n << 64n) ? BigInt.asUintN(64, value) : 'range';
}

const suffixShift: Readonly<Record<string, bigint>> = { B: 0n, K: 10n, M: 20n, G: 30n, T: 40n, P: 50n, E: 60n };

/**
 * qemu_strtosz: bytes, 0 to 2^64 - 1. Either a hexadecimal integer alone, or a decimal number (never octal), with a
 * suffix B, K, M, G, T, P or E in either case where it has a non-zero fraction. `e` is always the suffix, never an
 * exponent. What overflows or is negative is `range`, unless characters are left over: then it is no number.
 */
export function parseSizeText(text: string): bigint | NumberFault {
  const hex = /^[ \t\n\v\f\r]*\+?(0[xX][0-9a-fA-F]+)$/.exec(text);
  if (hex !== null) return bounded(BigInt(hex[1] ?? ''));
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]*)(\.[0-9]*)?([a-zA-Z]?)$/.exec(text);
  const [, sign, whole = '', fraction = '', suffix = ''] = match ?? [];
  if (match === null || (whole === '' && fraction.length < 2)) return 'invalid';
  const overflows = BigInt(whole) >= 1n << 64n;
  // The C code stops reading at the first fault, and what it has not read is then left over.
  if (overflows || (sign === '-' && whole !== '')) return `${fraction}${suffix}` === '' ? 'range' : 'invalid';
  if (sign === '-') return suffix === '' ? 'range' : 'invalid';
  const shift = suffixShift[suffix === '' ? 'B' : suffix.toUpperCase()];
  const part = fixedPoint(fraction);
  if (shift === undefined || (shift === 0n && part !== 0n && part !== 1n << 64n)) return 'invalid';
  // 64.64 fixed point, one half rounded up.
  return bounded((((BigInt(whole) << 64n) + part) * (1n << shift) + (1n << 63n)) >> 64n);
}

/** `parseSizeText` without the reason. */
export function parseSize(text: string): bigint | undefined {
  const size = parseSizeText(text);
  return typeof size === 'bigint' ? size : undefined;
}

/** `.ddd` in units of 2^-64 through a double, as strtod gives it; never zero when a digit is not. */
function fixedPoint(fraction: string): bigint {
  if (!/[1-9]/.test(fraction)) return 0n;
  const units = BigInt(Math.trunc(Number(fraction) * 2 ** 64));
  return units === 0n ? 1n : units;
}

function bounded(value: bigint): bigint | NumberFault {
  return value < 1n << 64n ? value : 'range';
}

/** Bytes as QEMU prints them (size_to_str): three significant digits and a binary unit, `2 MiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  // The unit changes at 1000 of the smaller one, so that three digits always do.
  const power = bytes < 1000 ? 0 : Math.min(6, Math.floor(Math.log2(bytes / 1000) / 10) + 1);
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}B`;
}
