// Numbers taken apart, and exact rounding. Static fields are wasm globals: each vCPU's instance has its own, so nothing
// here is shared between threads.
//
// A finite number is (-1)^sign * sig / 2^63 * 2^exp with bit 63 of sig set. A NaN's sig is its significand aligned the same
// way (bit 62 is the quiet bit).
import { DE, DOWN, IE, NEAREST, OE, PE, UE, UP } from './control';

export const ZERO: u32 = 0;
export const FINITE: u32 = 1;
export const INF: u32 = 2;
export const QNAN: u32 = 3;
export const SNAN: u32 = 4;
/** An 80-bit encoding that no operation accepts (unnormal, pseudo-infinity, pseudo-NaN). */
export const UNSUPPORTED: u32 = 5;

export const TOP_BIT: u64 = 0x8000000000000000;
export const QUIET_BIT: u64 = 0x4000000000000000;

/** The environment of the instruction in flight. */
export class Env {
  static rounding: u32 = 0;
  /** Set bits are masked exceptions. */
  static masks: u32 = 0x3f;
  /** Exceptions raised so far. */
  static flags: u32 = 0;
  static denormalsAreZero: bool = false;
  static flushToZero: bool = false;
  /** The x87's rules for NaNs and for unmasked overflow and underflow. */
  static x87: bool = false;
  /** The last rounding made the magnitude larger (the x87's C1). */
  static roundedUp: bool = false;
}

/** First operand. */
export class A {
  static kind: u32 = 0;
  static sign: u32 = 0;
  static exp: i32 = 0;
  static sig: u64 = 0;
  static denormal: bool = false;
}

/** Second operand. */
export class B {
  static kind: u32 = 0;
  static sign: u32 = 0;
  static exp: i32 = 0;
  static sig: u64 = 0;
  static denormal: bool = false;
}

/** Result: `hi` is the significand, `lo` the 64 bits below it, the last of them sticky. */
export class R {
  static kind: u32 = 0;
  static sign: u32 = 0;
  static exp: i32 = 0;
  static hi: u64 = 0;
  static lo: u64 = 0;
}

function setA(kind: u32, sign: u32, exp: i32, sig: u64, denormal: bool): void {
  A.kind = kind;
  A.sign = sign;
  A.exp = exp;
  A.sig = sig;
  A.denormal = denormal;
}

/** A from the fields of an IEEE format: `fraction` aligned to bit 62, `biased` of at most `special`. */
function setFields(sign: u32, biased: i32, special: i32, bias: i32, fraction: u64): void {
  if (biased === special) {
    if (fraction === 0) setA(INF, sign, 0, TOP_BIT, false);
    else setA(fraction & QUIET_BIT ? QNAN : SNAN, sign, 0, fraction | TOP_BIT, false);
  } else if (biased !== 0) {
    setA(FINITE, sign, biased - bias, fraction | TOP_BIT, false);
  } else if (fraction === 0 || Env.denormalsAreZero) {
    setA(ZERO, sign, 0, 0, false);
  } else {
    const shift = <i32>clz(fraction);
    setA(FINITE, sign, 1 - bias - shift, fraction << shift, true);
  }
}

export function unpack32(x: u32): void {
  setFields(x >> 31, (x >> 23) & 0xff, 0xff, 127, (<u64>(x & 0x7fffff)) << 40);
}

export function unpack64(x: u64): void {
  setFields(<u32>(x >> 63), <i32>(x >> 52) & 0x7ff, 0x7ff, 1023, (x & 0xfffffffffffff) << 11);
}

export function unpack80(sig: u64, head: u32): void {
  const sign = (head >> 15) & 1;
  const biased = <i32>(head & 0x7fff);
  if (sig & TOP_BIT) {
    // Biased exponent 0 with the integer bit set is a pseudo-denormal: exponent -16382 like a denormal.
    if (biased === 0) setA(FINITE, sign, -16382, sig, true);
    else setFields(sign, biased, 0x7fff, 16383, sig & ~TOP_BIT);
  } else if (biased === 0) {
    setFields(sign, 0, 0x7fff, 16383, sig);
  } else {
    setA(UNSUPPORTED, sign, 0, sig, false);
  }
}

/** A from a signed integer. */
export function unpackInteger(x: i64): void {
  if (x === 0) return setA(ZERO, 0, 0, 0, false);
  const magnitude = x < 0 ? <u64>0 - <u64>x : <u64>x;
  const shift = <i32>clz(magnitude);
  setA(FINITE, x < 0 ? 1 : 0, 63 - shift, magnitude << shift, false);
}

/** B = A. */
export function moveToB(): void {
  B.kind = A.kind;
  B.sign = A.sign;
  B.exp = A.exp;
  B.sig = A.sig;
  B.denormal = A.denormal;
}

export function swapOperands(): void {
  const kind = A.kind;
  const sign = A.sign;
  const exp = A.exp;
  const sig = A.sig;
  const denormal = A.denormal;
  setA(B.kind, B.sign, B.exp, B.sig, B.denormal);
  B.kind = kind;
  B.sign = sign;
  B.exp = exp;
  B.sig = sig;
  B.denormal = denormal;
}

/** A = R, which was rounded to at most 64 bits. */
export function moveToA(): void {
  setA(R.kind, R.sign, R.exp, R.hi, false);
}

/** R = A. */
export function keepA(): void {
  setResult(A.kind, A.sign, A.exp, A.sig, 0);
}

export function setResult(kind: u32, sign: u32, exp: i32, hi: u64, lo: u64): void {
  R.kind = kind;
  R.sign = sign;
  R.exp = exp;
  R.hi = hi;
  R.lo = lo;
}

/** The answer of a masked invalid operation: the QNaN called real indefinite. */
export function invalid(): void {
  Env.flags |= IE;
  setResult(QNAN, 1, 0, TOP_BIT | QUIET_BIT, 0);
}

/** A or B is a NaN or unsupported; R is what the operation answers. SDM volume 1 table 4-7. */
export function propagate(): void {
  if (A.kind === UNSUPPORTED || B.kind === UNSUPPORTED) return invalid();
  if (A.kind === SNAN || B.kind === SNAN) Env.flags |= IE;
  let first = A.kind >= QNAN;
  if (Env.x87 && first && B.kind >= QNAN) {
    if (A.kind !== B.kind) first = A.kind === QNAN;
    else first = A.sig !== B.sig ? A.sig > B.sig : A.sign <= B.sign;
  }
  if (first) setResult(QNAN, A.sign, 0, A.sig | QUIET_BIT, 0);
  else setResult(QNAN, B.sign, 0, B.sig | QUIET_BIT, 0);
}

/** Shifts R's 128 bits right; what falls out stays as the sticky bit. */
export function shiftRight(count: i32): void {
  if (count >= 128) {
    R.lo = <u64>((R.hi | R.lo) !== 0);
    R.hi = 0;
  } else if (count >= 64) {
    const lost = (count > 64 ? R.hi << (128 - count) : 0) | R.lo;
    R.lo = (R.hi >> (count - 64)) | <u64>(lost !== 0);
    R.hi = 0;
  } else if (count > 0) {
    const lost = R.lo << (64 - count);
    R.lo = (R.lo >> count) | (R.hi << (64 - count)) | <u64>(lost !== 0);
    R.hi >>= count;
  }
}

/** Moves R's leading one to bit 63 of hi. R is not zero. */
export function normalize(): void {
  if (R.hi === 0) {
    R.hi = R.lo;
    R.lo = 0;
    R.exp -= 64;
  }
  const shift = <i32>clz(R.hi);
  if (shift === 0) return;
  R.hi = (R.hi << shift) | (R.lo >> (64 - shift));
  R.lo <<= shift;
  R.exp -= shift;
}

/** Rounds R to the bits of hi above the lowest `drop`; true when that was not exact. A carry out of hi raises exp. */
export function cut(drop: i32, rounding: u32): bool {
  const unit: u64 = (<u64>1) << drop;
  const rest = R.hi & (unit - 1);
  const sticky = R.lo;
  Env.roundedUp = false;
  if ((rest | sticky) === 0) return false;
  R.hi -= rest;
  R.lo = 0;
  let up = false;
  if (rounding === NEAREST) {
    if (drop === 0) up = sticky > TOP_BIT || (sticky === TOP_BIT && (R.hi & 1) !== 0);
    else {
      const half = unit >> 1;
      up = rest > half || (rest === half && (sticky !== 0 || (R.hi & unit) !== 0));
    }
  } else if (rounding === UP) {
    up = R.sign === 0;
  } else if (rounding === DOWN) {
    up = R.sign !== 0;
  }
  if (up) {
    R.hi += unit;
    if (R.hi === 0) {
      R.hi = TOP_BIT;
      R.exp += 1;
    }
    Env.roundedUp = true;
  }
  return true;
}

/** What the x87 adds to the exponent of an unmasked underflow's result, and takes from that of an overflow. */
const WRAP: i32 = 24576;

/**
 * Rounds the finite R to `precision` bits with exponents from `min` to `max` and raises OE, UE and PE. Afterwards bit 63
 * of hi is clear for a denormal or zero (then exp is `min`), and exp is `max` + 1 for an infinity.
 */
export function round(precision: i32, min: i32, max: i32): void {
  if (R.kind !== FINITE) return;
  const drop = 64 - precision;
  const exp = R.exp;
  const hi = R.hi;
  const lo = R.lo;
  const inexact = cut(drop, Env.rounding);
  if (R.exp > max) return overflow(drop, max, inexact);
  if (R.exp >= min) {
    if (inexact) Env.flags |= PE;
    return;
  }
  // Tiny after rounding as if exponents had no limit. SDM volume 1 section 4.9.1.5.
  if (!(Env.masks & UE)) {
    Env.flags |= inexact ? UE | PE : UE;
    if (Env.x87) R.exp += WRAP;
    return;
  }
  if (Env.flushToZero) {
    Env.flags |= UE | PE;
    R.hi = 0;
    R.exp = min;
    return;
  }
  R.hi = hi;
  R.lo = lo;
  R.exp = min;
  shiftRight(min - exp);
  if (cut(drop, Env.rounding)) Env.flags |= UE | PE;
}

function overflow(drop: i32, max: i32, inexact: bool): void {
  Env.flags |= OE;
  if (!(Env.masks & OE)) {
    if (inexact) Env.flags |= PE;
    if (Env.x87) R.exp -= WRAP;
    return;
  }
  Env.flags |= PE;
  const rounding = Env.rounding;
  if (rounding === NEAREST || rounding === (R.sign ? DOWN : UP)) {
    R.exp = max + 1;
    R.hi = TOP_BIT;
    Env.roundedUp = true;
  } else {
    R.exp = max;
    R.hi = ~(((<u64>1) << drop) - 1);
    Env.roundedUp = false;
  }
}

/** Notes a denormal operand; for operations where no NaN came in. */
export function noteDenormals(): void {
  if (A.denormal || B.denormal) Env.flags |= DE;
}

/** R, rounded to single precision, as bits. */
export function pack32(): u32 {
  round(24, -126, 127);
  const sign = R.sign << 31;
  if (R.kind === ZERO) return sign;
  if (R.kind === INF) return sign | 0x7f800000;
  const fraction = <u32>(R.hi >> 40) & 0x7fffff;
  if (R.kind === QNAN) return sign | 0x7f800000 | fraction;
  return sign | ((R.hi & TOP_BIT ? <u32>(R.exp + 127) : 0) << 23) | fraction;
}

/** R, rounded to double precision, as bits. */
export function pack64(): u64 {
  round(53, -1022, 1023);
  const sign = (<u64>R.sign) << 63;
  if (R.kind === ZERO) return sign;
  if (R.kind === INF) return sign | 0x7ff0000000000000;
  const fraction = (R.hi >> 11) & 0xfffffffffffff;
  if (R.kind === QNAN) return sign | 0x7ff0000000000000 | fraction;
  return sign | ((R.hi & TOP_BIT ? <u64>(R.exp + 1023) : 0) << 52) | fraction;
}
