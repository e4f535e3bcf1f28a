// Between floating-point numbers and integers; for SSE and the x87.
import { IE, PE } from './control';
import { A, cut, Env, FINITE, keepA, R, setResult, shiftRight, ZERO } from './number';

/** What a conversion that does not fit answers: the smallest integer of that size. */
export const INDEFINITE32: i64 = -2147483648;
export const INDEFINITE64: i64 = i64.MIN_VALUE;

/** Rounds A to an integer: R.hi is the magnitude (below 2^64) and the answer tells whether that was inexact. */
function magnitude(rounding: u32): bool {
  setResult(FINITE, A.sign, 63, A.sig, 0);
  shiftRight(63 - A.exp);
  return cut(0, rounding);
}

/**
 * A as a signed integer of `bits` bits; raises IE (then the answer is the indefinite integer of that size) or PE.
 */
export function toInteger(bits: i32, rounding: u32): i64 {
  Env.roundedUp = false;
  if (A.kind === ZERO) return 0;
  const limit: u64 = (<u64>1) << (bits - 1);
  if (A.kind === FINITE && A.exp < 64) {
    const inexact = magnitude(rounding);
    // A carry out of 64 bits shows in the exponent.
    if (R.exp === 63 && (R.hi < limit || (R.hi === limit && A.sign))) {
      if (inexact) Env.flags |= PE;
      return A.sign ? 0 - <i64>R.hi : <i64>R.hi;
    }
  }
  Env.roundedUp = false;
  Env.flags |= IE;
  return 0 - <i64>limit;
}

/** R = A rounded to an integral number, which keeps A's sign; true when that was inexact. A is finite or zero. */
export function toIntegral(rounding: u32): bool {
  Env.roundedUp = false;
  if (A.kind !== FINITE || A.exp >= 63) {
    keepA();
    return false;
  }
  const inexact = magnitude(rounding);
  if (R.hi === 0 && R.exp === 63) {
    R.kind = ZERO;
    return inexact;
  }
  const shift = <i32>clz(R.hi);
  R.hi <<= shift;
  R.exp -= shift;
  return inexact;
}
