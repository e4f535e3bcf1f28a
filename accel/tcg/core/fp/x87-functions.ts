// x87 transcendental functions. Results are within one unit in the last place of the 64-bit significand; special cases, the
// exceptions and the ranges are Intel's. Arguments of sine, cosine and tangent are reduced with the 66-bit pi that Intel
// documents (SDM volume 1, section 8.3.8).
import { FSW } from '../state';
import { PE, UE, ZE } from './control';
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
  TOP_BIT,
  unpack64,
  ZERO,
} from './number';
import { arctangent, cosine, exp2m1, halfPi, log2OfRatio, over, P, pi, plus, set, sine, times } from './pair';
import { add, divide, multiply } from './soft';
import { unpackTwo } from './x87-scale';
import {
  C0,
  C2,
  C3,
  finish,
  isEmpty,
  MIN_EXPONENT,
  pack80,
  pop,
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

const SCALE: f64 = 1.0 / 9223372036854775808.0;

/** P = the significand `sig` as a number from 1 to 2. */
function pairOf(sig: u64): void {
  set(<f64>((sig >> 11) << 11) * SCALE, <f64>(sig & 0x7ff) * SCALE);
}

/** R = P * 2^exp, not rounded. */
function resultOf(exp: i32): void {
  const hi = P.hi;
  unpack64(reinterpret<u64>(P.lo));
  moveToB();
  unpack64(reinterpret<u64>(hi));
  A.denormal = false;
  B.denormal = false;
  add();
  R.exp += exp;
}

/** Rounds an irrational result. */
function inexact(): void {
  if (R.kind === FINITE) R.lo |= 1;
  roundExtended(64);
}

/** R = A drawn a little to zero. */
function justBelowA(): void {
  keepA();
  // The smallest normal number is not left for a denormal.
  if (A.exp === MIN_EXPONENT && A.sig === TOP_BIT) {
    Env.flags |= PE;
    return;
  }
  R.hi -= 1;
  R.lo = 0xffffffffffffffff;
  if (R.hi < TOP_BIT) {
    R.hi = 0xffffffffffffffff;
    R.exp -= 1;
  }
}

export function f2xm1(): void {
  start();
  if (isEmpty(0)) underflow();
  else {
    unpackSlot(0);
    exponent();
  }
  finish(0);
}

function exponent(): void {
  B.kind = ZERO;
  B.denormal = false;
  if (A.kind >= QNAN) return propagate();
  noteDenormals();
  keepA();
  if (A.kind === ZERO) return;
  if (A.kind === INF) {
    if (A.sign) setResult(FINITE, 1, 0, TOP_BIT, 0);
    return;
  }
  // Beyond 1 the SDM leaves the result open; Intel's processors leave the operand.
  if (A.exp >= 0) {
    Env.flags |= PE;
    if (A.exp === 0 && A.sig === TOP_BIT && A.sign) R.exp = -1;
    return;
  }
  if (A.exp < -68) {
    setResult(FINITE, 0, -1, 0xb17217f7d1cf79ab, 0);
    B.kind = FINITE;
    B.sign = 0;
    B.exp = -1;
    B.sig = 0xb17217f7d1cf79ac;
    A.denormal = false;
    multiply();
    return inexact();
  }
  const sign: f64 = A.sign ? -1 : 1;
  pairOf(A.sig);
  const scale = sign * reinterpret<f64>((<u64>(A.exp + 1023)) << 52);
  exp2m1(P.hi * scale, P.lo * scale);
  resultOf(0);
  inexact();
}

/** P = log2 of 1 + P.hi + P.lo, which is from sqrt(1/2) to sqrt(2). */
function log2OfOnePlus(): void {
  const fh = P.hi;
  const fl = P.lo;
  plus(fh, fl, 2, 0);
  over(fh, fl, P.hi, P.lo);
  log2OfRatio(P.hi, P.lo);
}

/** R = the finite B times P. */
function timesB(): void {
  const sign = B.sign;
  const exp = B.exp;
  const hi = P.hi;
  const lo = P.lo;
  pairOf(B.sig);
  times(P.hi, P.lo, hi, lo);
  resultOf(exp);
  R.sign ^= sign;
}

/** ST(1) = ST(1) * log2(ST(0)), popping. */
export function fyl2x(): void {
  start();
  if (unpackTwo()) logarithm();
  if (finish(1)) pop();
}

function logarithm(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  if (A.sign && A.kind !== ZERO) return invalid();
  const one = A.kind === FINITE && A.exp === 0 && A.sig === TOP_BIT;
  if (A.kind === ZERO) {
    if (B.kind === ZERO) return invalid();
    if (B.kind === FINITE) Env.flags |= ZE;
    return setResult(INF, B.sign ^ 1, 0, TOP_BIT, 0);
  }
  if ((one && B.kind === INF) || (A.kind === INF && B.kind === ZERO)) return invalid();
  noteDenormals();
  if (A.kind === INF) return setResult(INF, B.sign, 0, TOP_BIT, 0);
  const negative: u32 = A.exp < 0 ? 1 : 0;
  if (B.kind === INF) return setResult(INF, B.sign ^ negative, 0, TOP_BIT, 0);
  if (B.kind === ZERO) return setResult(ZERO, B.sign ^ negative, 0, 0, 0);
  if (one) return setResult(ZERO, B.sign, 0, 0, 0);
  let exp = A.exp;
  pairOf(A.sig);
  // From sqrt(1/2) to sqrt(2), so that nothing cancels.
  if (P.hi > Math.SQRT2) {
    set(P.hi * 0.5, P.lo * 0.5);
    exp += 1;
  }
  plus(P.hi, P.lo, -1, 0);
  log2OfOnePlus();
  plus(<f64>exp, 0, P.hi, P.lo);
  // A power of two has an exact logarithm; it counts as rounded even so.
  const exact = A.sig === TOP_BIT;
  timesB();
  if (!exact) return inexact();
  roundExtended(64);
  Env.flags |= R.hi & TOP_BIT ? PE : PE | UE;
}

/** ST(1) = ST(1) * log2(ST(0) + 1), popping. */
export function fyl2xp1(): void {
  start();
  if (unpackTwo()) logarithmPlusOne();
  if (finish(1)) pop();
}

function logarithmPlusOne(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  if (A.kind === INF) {
    if (A.sign || B.kind === ZERO) return invalid();
    noteDenormals();
    return setResult(INF, B.sign, 0, TOP_BIT, 0);
  }
  if (A.kind === ZERO && B.kind === INF) return invalid();
  noteDenormals();
  if (B.kind === INF) return setResult(INF, B.sign ^ A.sign, 0, TOP_BIT, 0);
  if (A.kind === ZERO || B.kind === ZERO) return setResult(ZERO, A.sign ^ B.sign, 0, 0, 0);
  if (A.exp < -68) {
    // log2(1 + x) = x / ln 2.
    const sign = B.sign;
    const exp = B.exp;
    pairOf(B.sig);
    const hi = P.hi;
    const lo = P.lo;
    pairOf(A.sig);
    times(P.hi, P.lo, hi, lo);
    times(P.hi, P.lo, Math.LOG2E, 2.0355273740931033e-17);
    const signs = A.sign ^ sign;
    resultOf(A.exp + exp);
    R.sign = signs;
    return inexact();
  }
  const scale = reinterpret<f64>((<u64>(min(A.exp, 1000) + 1023)) << 52) * (A.sign ? -1 : 1);
  pairOf(A.sig);
  set(P.hi * scale, P.lo * scale);
  logarithmOfSum();
  timesB();
  inexact();
}

/** P = log2(1 + P), also outside of the range that the SDM defines. */
function logarithmOfSum(): void {
  if (P.hi > -0.29 && P.hi < 0.41) return log2OfOnePlus();
  plus(P.hi, P.lo, 1, 0);
  const exp = <i32>((reinterpret<u64>(P.hi) >> 52) & 0x7ff) - 1023;
  const scale = reinterpret<f64>((<u64>(1023 - exp)) << 52);
  plus(P.hi * scale, P.lo * scale, -1, 0);
  log2OfOnePlus();
  plus(<f64>exp, 0, P.hi, P.lo);
}

/** ST(1) = the angle of the point (ST(0), ST(1)), popping. */
export function fpatan(): void {
  start();
  if (unpackTwo()) angle();
  if (finish(1)) pop();
}

/** A is x, B is y. */
function angle(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  noteDenormals();
  const signX = A.sign;
  const signY = B.sign;
  if (B.kind === ZERO || (A.kind === INF && B.kind !== INF)) {
    if (!signX) return setResult(ZERO, signY, 0, 0, 0);
    pi();
  } else if (A.kind === ZERO || (B.kind === INF && A.kind !== INF)) {
    halfPi();
  } else if (A.kind === INF) {
    halfPi();
    set(P.hi * 0.5, P.lo * 0.5);
    if (signX) times(P.hi, P.lo, 3, 0);
  } else {
    const small = B.exp - A.exp < -64 && !signX;
    if (small) return smallAngle();
    octants(signX);
  }
  resultOf(0);
  R.sign = signY;
  inexact();
}

/** R = y / x, where that is the angle within a rounding. */
function smallAngle(): void {
  const sig = A.sig;
  const exp = A.exp;
  const sign = A.sign;
  A.sig = B.sig;
  A.exp = B.exp;
  A.sign = B.sign;
  B.sig = sig;
  B.exp = exp;
  B.sign = sign;
  A.denormal = false;
  B.denormal = false;
  divide();
  inexact();
}

/** P = the angle of (|A|, |B|), or of (-|A|, |B|). */
function octants(left: u32): void {
  const swap = B.exp > A.exp || (B.exp === A.exp && B.sig > A.sig);
  const distance = swap ? A.exp - B.exp : B.exp - A.exp;
  pairOf(swap ? A.sig : B.sig);
  const scale = distance < -1000 ? 0 : reinterpret<f64>((<u64>(distance + 1023)) << 52);
  const nh = P.hi * scale;
  const nl = P.lo * scale;
  pairOf(swap ? B.sig : A.sig);
  over(nh, nl, P.hi, P.lo);
  arctangent(P.hi, P.lo);
  const ah = P.hi;
  const al = P.lo;
  if (swap) {
    halfPi();
    if (left) plus(P.hi, P.lo, ah, al);
    else plus(P.hi, P.lo, -ah, -al);
  } else if (left) {
    pi();
    plus(P.hi, P.lo, -ah, -al);
  }
}

// Two high bits of the 66-bit pi * 2^64, and its low 64 bits.
const PI_TOP: u64 = 3;
const PI_LOW: u64 = 0x243f6a8885a308d3;

/** The angle reduced to at most a quarter of pi, and the number of half pis taken off (its low bits count). */
class Reduced {
  static hi: f64 = 0;
  static lo: f64 = 0;
  static quadrant: u32 = 0;
}

/** Reduces the finite A with exponent below 63. */
function reduceAngle(): void {
  let quadrant: u64 = 0;
  let top: u64 = 0;
  let low = A.sig;
  let steps = A.exp + 2;
  if (steps < 0) {
    pairOf(A.sig);
    const scale = reinterpret<f64>((<u64>(A.exp + 1023)) << 52) * (A.sign ? -1 : 1);
    Reduced.hi = P.hi * scale;
    Reduced.lo = P.lo * scale;
    Reduced.quadrant = 0;
    return;
  }
  // Long division of sig * 2^(exp + 2) by pi / 2 in units of 2^-65.
  for (; steps > 0; steps--) {
    top = (top << 1) | (low >> 63);
    low <<= 1;
    quadrant <<= 1;
    if (top > PI_TOP || (top === PI_TOP && low >= PI_LOW)) {
      top = top - PI_TOP - <u64>(low < PI_LOW);
      low -= PI_LOW;
      quadrant |= 1;
    }
  }
  // Twice the rest beyond half a pi: the next quadrant is nearer.
  const doubleTop = (top << 1) | (low >> 63);
  let negative: bool = A.sign !== 0;
  if (doubleTop > PI_TOP || (doubleTop === PI_TOP && low << 1 > PI_LOW)) {
    top = PI_TOP - top - <u64>(PI_LOW < low);
    low = PI_LOW - low;
    quadrant += 1;
    negative = !negative;
  }
  const unit: f64 = 1.0 / 36893488147419103232.0;
  // 66 bits in three parts, each exact.
  plus(
    <f64>top * 18446744073709551616.0 * unit,
    0,
    <f64>(low >> 32) * 4294967296.0 * unit,
    <f64>(low & 0xffffffff) * unit,
  );
  Reduced.hi = negative ? -P.hi : P.hi;
  Reduced.lo = negative ? -P.lo : P.lo;
  Reduced.quadrant = <u32>(A.sign ? 0 - quadrant : quadrant) & 3;
}

/** Below this exponent the next term of a series is lost in rounding. */
const TINY: i32 = -34;

/** R = sine (`shift` 0) or cosine (1) of A by the reduced angle. */
function circular(shift: u32): void {
  if (A.exp < TINY) {
    if (!shift) justBelowA();
    else setResult(FINITE, 0, -1, 0xffffffffffffffff, 0xffffffffffffffff);
    return;
  }
  const quadrant = (Reduced.quadrant + shift) & 3;
  if (quadrant & 1) cosine(Reduced.hi, Reduced.lo);
  else sine(Reduced.hi, Reduced.lo);
  const sig = A.sig;
  const exp = A.exp;
  const sign = A.sign;
  resultOf(0);
  if (quadrant & 2) R.sign ^= 1;
  A.kind = FINITE;
  A.sig = sig;
  A.exp = exp;
  A.sign = sign;
}

/** What a trigonometric instruction finds: a result in R already, an angle out of range, or an angle that is reduced. */
const DONE: u32 = 0;
const RANGE: u32 = 1;
const ANGLE: u32 = 2;

/** Looks at ST(0); `one` where the function of zero is 1. */
function angleOf(one: bool): u32 {
  unpackSlot(0);
  B.kind = ZERO;
  B.denormal = false;
  if (A.kind >= QNAN) {
    propagate();
    return DONE;
  }
  if (A.kind === INF) {
    invalid();
    return DONE;
  }
  if (A.kind === ZERO) {
    if (one) setResult(FINITE, 0, 0, TOP_BIT, 0);
    else keepA();
    return DONE;
  }
  if (A.exp >= 63) return RANGE;
  noteDenormals();
  A.denormal = false;
  if (A.exp >= TINY) reduceAngle();
  return ANGLE;
}

function sineOrCosine(shift: u32): void {
  start();
  setConditions(<u32>load<u16>(FSW) & (C0 | C3));
  if (isEmpty(0)) underflow();
  else {
    const found = angleOf(shift === 1);
    if (found === RANGE) return outOfRange();
    if (found === ANGLE) {
      circular(shift);
      inexact();
    }
  }
  finish(0);
}

/** C2 tells that the operand, which stays, is not below 2^63. */
function outOfRange(): void {
  store<u16>(FSW, <u16>(<u32>load<u16>(FSW) | C2));
}

export function fsin(): void {
  sineOrCosine(0);
}

export function fcos(): void {
  sineOrCosine(1);
}

/** ST(0) becomes its sine and the cosine is pushed; FPTAN: its tangent and 1. */
function pair(tangent: bool): void {
  start();
  setConditions(<u32>load<u16>(FSW) & (C0 | C3));
  if (isEmpty(0)) underflow();
  else if (!isEmpty(-1)) {
    underflow();
    Env.roundedUp = true;
  }
  if (Env.flags & SF) return pushBoth();
  const found = angleOf(false);
  if (found === RANGE) return outOfRange();
  if (found === DONE) {
    if (A.kind !== ZERO) return pushBoth();
  } else if (tangent) quotient();
  else {
    circular(0);
    inexact();
  }
  if (!proceed()) return;
  const angle = A.kind === FINITE;
  pack80(slot(0));
  rotate(-1);
  if (tangent || !angle) setResult(FINITE, 0, 0, TOP_BIT, 0);
  else {
    circular(1);
    inexact();
  }
  pack80(slot(0));
  setValid(0);
}

/** Both results are R. */
function pushBoth(): void {
  if (!proceed()) return;
  pack80(slot(0));
  setValid(0);
  rotate(-1);
  pack80(slot(0));
  setValid(0);
}

/** R = the rounded tangent of A. */
function quotient(): void {
  if (A.exp < TINY) {
    keepA();
    R.lo = 1;
  } else {
    sine(Reduced.hi, Reduced.lo);
    const sh = P.hi;
    const sl = P.lo;
    cosine(Reduced.hi, Reduced.lo);
    if (Reduced.quadrant & 1) over(-P.hi, -P.lo, sh, sl);
    else over(sh, sl, P.hi, P.lo);
    resultOf(0);
    A.kind = FINITE;
  }
  inexact();
}

export function fsincos(): void {
  pair(false);
}

export function fptan(): void {
  pair(true);
}
