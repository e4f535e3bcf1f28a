// x87 instructions that work on exponents: FSCALE, FXTRACT, FPREM and FPREM1. All are exact but for FSCALE's limits.
import { FSW } from '../state';
import { PE, ZE } from './control';
import {
  A,
  B,
  Env,
  FINITE,
  INF,
  invalid,
  keepA,
  moveToB,
  noteDenormals,
  propagate,
  QNAN,
  R,
  setResult,
  shiftRight,
  TOP_BIT,
  unpackInteger,
  ZERO,
} from './number';
import {
  C0,
  C1,
  C2,
  C3,
  finish,
  isEmpty,
  MAX_EXPONENT,
  MIN_EXPONENT,
  pack80,
  proceed,
  rotate,
  roundExtended,
  SF,
  setConditions,
  setValid,
  slot,
  start,
  underflow,
  unpackSlot,
} from './x87-stack';

/** ST(1) to B and ST(0) to A; false, with R indefinite, when one is missing. */
export function unpackTwo(): bool {
  if (isEmpty(0) || isEmpty(1)) {
    underflow();
    return false;
  }
  unpackSlot(1);
  moveToB();
  unpackSlot(0);
  return true;
}

/** ST(0) = ST(0) * 2^(ST(1) cut to an integer). */
export function fscale(): void {
  start();
  if (unpackTwo()) scale();
  finish(0);
}

/** R = A as it is: nothing is rounded, so that a denormal does not underflow; a pseudo-denormal becomes normal. */
function keepExactly(): void {
  keepA();
  if (A.kind !== FINITE || A.exp >= MIN_EXPONENT) return;
  R.exp = MIN_EXPONENT;
  shiftRight(MIN_EXPONENT - A.exp);
}

function scale(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  if (B.kind === INF) {
    if (A.kind === (B.sign ? INF : ZERO)) return invalid();
    noteDenormals();
    return setResult(B.sign ? ZERO : INF, A.sign, 0, B.sign ? 0 : TOP_BIT, 0);
  }
  noteDenormals();
  if (A.kind !== FINITE || B.kind === ZERO) return keepExactly();
  keepA();
  if (B.exp < 0) return roundExtended(64);
  // Beyond 2^16 every number over- or underflows.
  const by = B.exp > 16 ? 0x20000 : <i32>(B.sig >> (63 - B.exp));
  R.exp += B.sign ? -by : by;
  roundExtended(64);
  // Not even the wrapped exponent of an unmasked overflow or underflow fits.
  if (R.exp < MIN_EXPONENT) setResult(ZERO, R.sign, 0, 0, 0);
  else if (R.exp > MAX_EXPONENT + 1) {
    setResult(INF, R.sign, 0, TOP_BIT, 0);
    Env.roundedUp = true;
  } else return;
  Env.flags |= PE;
}

/** ST(0) becomes its exponent; its significand is pushed. */
export function fxtract(): void {
  start();
  if (isEmpty(0)) underflow();
  else if (!isEmpty(-1)) {
    underflow();
    Env.roundedUp = true;
  }
  if (Env.flags & SF) {
    if (!proceed()) return;
    pack80(slot(0));
    setValid(0);
    rotate(-1);
    pack80(slot(0));
    return setValid(0);
  }
  unpackSlot(0);
  moveToB();
  separate();
  if (!proceed()) return;
  pack80(slot(0));
  rotate(-1);
  if (B.kind < QNAN) setResult(B.kind, B.sign, 0, B.sig, 0);
  pack80(slot(0));
  setValid(0);
}

/** R = the exponent of B. */
function separate(): void {
  A.denormal = false;
  A.kind = ZERO;
  if (B.kind >= QNAN) return propagate();
  noteDenormals();
  if (B.kind === INF) return setResult(INF, 0, 0, TOP_BIT, 0);
  if (B.kind === ZERO) {
    Env.flags |= ZE;
    return setResult(INF, 1, 0, TOP_BIT, 0);
  }
  unpackInteger(B.exp);
  keepA();
}

/** ST(0) = the remainder of ST(0) / ST(1), quotient cut towards zero. */
export function fprem(): void {
  partialRemainder(false);
}

/** ... quotient rounded to nearest (IEEE 754). */
export function fprem1(): void {
  partialRemainder(true);
}

function partialRemainder(nearest: bool): void {
  start();
  // Where there is no quotient C0 and C3 stay.
  const kept = <u32>load<u16>(FSW) & (C0 | C3);
  let codes = kept;
  if (unpackTwo()) {
    if (A.kind >= QNAN || B.kind >= QNAN) propagate();
    else if (A.kind === INF || B.kind === ZERO) invalid();
    else codes = reduce(nearest);
  }
  setConditions(finish(0) ? codes : kept);
}

/** R = the remainder; answers the condition codes: the quotient's low bits, or C2 when that is not the end. */
function reduce(nearest: bool): u32 {
  noteDenormals();
  if (A.kind === ZERO || B.kind === INF) {
    keepExactly();
    return 0;
  }
  keepA();
  const distance = A.exp - B.exp;
  let quotient: u64 = 0;
  let codes: u32 = 0;
  if (distance >= 64) {
    // Takes off a part of the exponents' distance; Intel's processors go on until it is below 64 like this.
    divideSteps(32 + (distance & 31));
    codes = C2;
  } else if (distance >= 0) quotient = divideSteps(distance);
  if (!codes && nearest && distance >= -1) quotient = toNearest(quotient);
  if (R.hi === 0) setResult(ZERO, R.sign, 0, 0, 0);
  else {
    const shift = <i32>clz(R.hi);
    R.hi <<= shift;
    R.exp -= shift;
  }
  roundExtended(64);
  if (codes) return codes;
  return (quotient & 4 ? C0 : 0) | (quotient & 2 ? C3 : 0) | (quotient & 1 ? C1 : 0);
}

/**
 * Long division of A by B over `steps` + 1 bits of the quotient, at most 64: the low bits of it. R.hi becomes the
 * remainder, in units of B's last place times 2^(what is left of the exponents' distance).
 */
function divideSteps(steps: i32): u64 {
  const divisor = B.sig;
  let rest = A.sig;
  let quotient: u64 = 0;
  if (rest >= divisor) {
    rest -= divisor;
    quotient = 1;
  }
  for (let i = 0; i < steps; i++) {
    const carry = rest >> 63;
    rest <<= 1;
    quotient <<= 1;
    if (carry || rest >= divisor) {
      rest -= divisor;
      quotient |= 1;
    }
  }
  R.hi = rest;
  R.exp = A.exp - steps;
  return quotient;
}

/** Makes R, a remainder of at most B's magnitude, the nearest one: at most half of B, even quotient at a tie. */
function toNearest(quotient: u64): u64 {
  // R is below B; it is compared by its double, which may have a carry. With R's exponent one lower it is its own half.
  const half = R.exp < B.exp;
  const carry = half ? 0 : R.hi >> 63;
  const doubled = half ? R.hi : R.hi << 1;
  const larger = carry || doubled > B.sig || (doubled === B.sig && quotient & 1);
  if (!larger) return quotient;
  if (half) {
    // B - R in units of half of B's last place.
    const rest = (B.sig << 1) - R.hi;
    R.hi = rest;
  } else R.hi = B.sig - R.hi;
  R.sign ^= 1;
  return quotient + 1;
}
