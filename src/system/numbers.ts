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
  const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digits = match[2] ?? '';
  const magnitude = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return match[1] === '-' ? -magnitude : magnitude;
}

const suffixShift: Readonly<Record<string, bigint>> = { B: 0n, K: 10n, M: 20n, G: 30n, T: 40n, P: 50n, E: 60n };

/**
 * A size in bytes, 0 to 2^64 - 1: decimal or 0x hexadecimal integer with an optional suffix B, K, M, G, T, P, E (either
 * case), or a decimal fraction with a suffix. `defaultSuffix` applies to a bare number (-m takes MiB).
 */
export function parseSize(text: string, defaultSuffix = 'B'): bigint | undefined {
  const hex = /^\s*\+?(0[xX][0-9a-fA-F]+)([a-zA-Z]?)$/.exec(text);
  const decimal = /^\s*\+?([0-9]+)(?:\.([0-9]*))?([a-zA-Z]?)$/.exec(text);
  const suffix = (hex?.[2] ?? decimal?.[3] ?? '').toUpperCase();
  const shift = suffixShift[suffix === '' ? defaultSuffix : suffix];
  if (shift === undefined) return undefined;
  // In hexadecimal B and E are digits, and fractions do not exist.
  if (hex !== null) return bounded(BigInt(hex[1] ?? '0') << shift);
  if (decimal === null) return undefined;
  const fraction = decimal[2] ?? '';
  if (fraction !== '' && shift === 0n) return undefined;
  const scale = 10n ** BigInt(fraction.length);
  const scaled = (BigInt(decimal[1] ?? '0') * scale + BigInt(fraction === '' ? '0' : fraction)) << shift;
  // Rounded to the nearest byte, as QEMU adds one half.
  return bounded((scaled + scale / 2n) / scale);
}

function bounded(value: bigint): bigint | undefined {
  return value < 1n << 64n ? value : undefined;
}

/** Bytes as QEMU prints them (size_to_str): three significant digits and a binary unit, `2 MiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  // The unit changes at 1000 of the smaller one, so that three digits always do.
  const power = bytes < 1000 ? 0 : Math.min(6, Math.floor(Math.log2(bytes / 1000) / 10) + 1);
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}B`;
}
