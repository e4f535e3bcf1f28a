// 128-bit arithmetic from 64-bit words.

/** The upper half of a product. */
export function multiplyHighUnsigned(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const other = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (other >> 32);
}

export function multiplyHigh(a: i64, b: i64): i64 {
  const high = multiplyHighUnsigned(<u64>a, <u64>b);
  return <i64>high - ((a >> 63) & b) - ((b >> 63) & a);
}

/** Quotient and remainder of the last division. */
export let quotient: u64 = 0;
export let remainder: u64 = 0;

/** Divides high:low by d; d is greater than high. */
export function divideWide(high: u64, low: u64, d: u64): void {
  if (high == 0) {
    quotient = low / d;
    remainder = low % d;
    return;
  }
  let q: u64 = 0;
  let r = high;
  for (let i = 0; i < 64; i++) {
    const top = r >> 63;
    r = (r << 1) | (low >> 63);
    low <<= 1;
    q <<= 1;
    if (top != 0 || r >= d) {
      r -= d;
      q |= 1;
    }
  }
  quotient = q;
  remainder = r;
}
