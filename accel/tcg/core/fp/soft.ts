// Exact arithmetic on operands A and B; the result R is not rounded yet (see number.ts).
import { DOWN, ZE } from './control';
import {
  A,
  B,
  Env,
  FINITE,
  INF,
  invalid,
  keepA,
  normalize,
  noteDenormals,
  propagate,
  QNAN,
  R,
  setResult,
  shiftRight,
  TOP_BIT,
  ZERO,
} from './number';

/** Relations of `compare`. */
export const LESS: u32 = 0;
export const EQUAL: u32 = 1;
export const GREATER: u32 = 2;
export const UNORDERED: u32 = 3;

/** R = A + B. */
export function add(): void {
  sum(B.sign);
}

/** R = A - B. */
export function subtract(): void {
  // A NaN keeps its sign.
  sum(B.kind >= QNAN ? B.sign : B.sign ^ 1);
}

function sum(signB: u32): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  noteDenormals();
  if (A.kind === INF) {
    if (B.kind === INF && A.sign !== signB) return invalid();
    return keepA();
  }
  if (B.kind === INF || A.kind === ZERO) {
    if (A.kind === ZERO && B.kind === ZERO) {
      const sign = A.sign === signB ? signB : <u32>(Env.rounding === DOWN);
      return setResult(ZERO, sign, 0, 0, 0);
    }
    return setResult(B.kind, signB, B.exp, B.sig, 0);
  }
  if (B.kind === ZERO) return keepA();
  if (A.sign === signB) return addMagnitudes();
  subtractMagnitudes(signB);
}

function addMagnitudes(): void {
  const aFirst = A.exp >= B.exp;
  const large = aFirst ? A.sig : B.sig;
  const exp = aFirst ? A.exp : B.exp;
  setResult(FINITE, A.sign, exp, aFirst ? B.sig : A.sig, 0);
  shiftRight(aFirst ? A.exp - B.exp : B.exp - A.exp);
  const hi = R.hi + large;
  const carry = hi < large;
  R.hi = hi;
  if (carry) {
    shiftRight(1);
    R.hi |= TOP_BIT;
    R.exp += 1;
  }
}

function subtractMagnitudes(signB: u32): void {
  if (A.exp === B.exp && A.sig === B.sig) return setResult(ZERO, <u32>(Env.rounding === DOWN), 0, 0, 0);
  const aLarger = A.exp > B.exp || (A.exp === B.exp && A.sig > B.sig);
  const large = aLarger ? A.sig : B.sig;
  setResult(FINITE, aLarger ? A.sign : signB, aLarger ? A.exp : B.exp, aLarger ? B.sig : A.sig, 0);
  shiftRight(aLarger ? A.exp - B.exp : B.exp - A.exp);
  const borrow = <u64>(R.lo !== 0);
  R.lo = <u64>0 - R.lo;
  R.hi = large - R.hi - borrow;
  normalize();
}

/** High 64 bits of the 128-bit product. */
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const cross = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (cross >> 32);
}

/** R = A * B. */
export function multiply(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  const sign = A.sign ^ B.sign;
  if ((A.kind === INF && B.kind === ZERO) || (A.kind === ZERO && B.kind === INF)) return invalid();
  noteDenormals();
  if (A.kind === INF || B.kind === INF) return setResult(INF, sign, 0, TOP_BIT, 0);
  if (A.kind === ZERO || B.kind === ZERO) return setResult(ZERO, sign, 0, 0, 0);
  setResult(FINITE, sign, A.exp + B.exp + 1, mulHigh(A.sig, B.sig), A.sig * B.sig);
  normalize();
}

/** hi:lo / divisor for hi < divisor, with bit 63 of the divisor set; the remainder is lo - quotient * divisor (mod 2^64). */
export function divide128(hi: u64, lo: u64, divisor: u64): u64 {
  const q1 = digit(hi, lo >> 32, divisor);
  const rest = ((hi << 32) | (lo >> 32)) - q1 * divisor;
  const q0 = digit(rest, lo & 0xffffffff, divisor);
  return (q1 << 32) | q0;
}

/** One 32-bit digit of (hi << 32 | next) / divisor. Knuth, volume 2, algorithm D. */
function digit(hi: u64, next: u64, divisor: u64): u64 {
  const dh = divisor >> 32;
  const dl = divisor & 0xffffffff;
  let q = hi / dh;
  let r = hi - q * dh;
  while (q > 0xffffffff || q * dl > ((r << 32) | next)) {
    q -= 1;
    r += dh;
    if (r > 0xffffffff) break;
  }
  return q;
}

/** R = A / B. */
export function divide(): void {
  if (A.kind >= QNAN || B.kind >= QNAN) return propagate();
  const sign = A.sign ^ B.sign;
  if (A.kind === B.kind && (A.kind === ZERO || A.kind === INF)) return invalid();
  if (B.kind === ZERO && A.kind === FINITE) {
    Env.flags |= ZE;
    return setResult(INF, sign, 0, TOP_BIT, 0);
  }
  noteDenormals();
  if (A.kind === INF || B.kind === ZERO) return setResult(INF, sign, 0, TOP_BIT, 0);
  if (A.kind === ZERO || B.kind === INF) return setResult(ZERO, sign, 0, 0, 0);
  const fits = A.sig < B.sig;
  const hi = fits ? A.sig : A.sig >> 1;
  const lo = fits ? 0 : A.sig << 63;
  const quotient = divide128(hi, lo, B.sig);
  const rest = lo - quotient * B.sig;
  setResult(FINITE, sign, A.exp - B.exp - <i32>fits, quotient, belowUnit(rest, B.sig));
}

/** The bits below a quotient's unit: exact zero, less than, equal to or more than one half. */
function belowUnit(rest: u64, divisor: u64): u64 {
  if (rest === 0) return 0;
  const other = divisor - rest;
  if (rest === other) return TOP_BIT;
  return rest < other ? 1 : TOP_BIT | 1;
}

/** R = square root of A. */
export function squareRoot(): void {
  if (A.kind >= QNAN) {
    B.kind = ZERO;
    return propagate();
  }
  if (A.kind === ZERO) return keepA();
  if (A.sign) return invalid();
  B.denormal = false;
  noteDenormals();
  if (A.kind === INF) return keepA();
  // The radicand as 128 bits, so that the root has 64; odd exponents take one factor 2 from the exponent.
  const odd = A.exp & 1;
  const hi = odd ? A.sig : A.sig >> 1;
  const lo = odd ? 0 : A.sig << 63;
  const root = root128(hi, lo);
  // Rest = radicand - root^2 is at most 2 * root; it is above one half of a unit when above root.
  const square = root * root;
  const restLow = lo - square;
  const restHigh = hi - mulHigh(root, root) - <u64>(lo < square);
  let below: u64 = 0;
  if (restHigh !== 0 || restLow > root) below = TOP_BIT | 1;
  else if (restLow !== 0) below = 1;
  setResult(FINITE, 0, A.exp >> 1, root, below);
}

/** Floor of the square root of hi:lo, for hi of at least 2^62. */
function root128(hi: u64, lo: u64): u64 {
  // The double gives 52 bits; one Newton step doubles them, the loops correct the last place.
  let root = <u64>min<f64>(sqrt<f64>(<f64>hi) * 4294967296.0, 18446744073709549568.0);
  if (hi < root) root = (root >> 1) + (divide128(hi, lo, root) >> 1);
  if (root < TOP_BIT) root = TOP_BIT;
  while (exceeds(root, hi, lo)) root -= 1;
  while (root !== 0xffffffffffffffff && !exceeds(root + 1, hi, lo)) root += 1;
  return root;
}

/** Whether root^2 > hi:lo. */
function exceeds(root: u64, hi: u64, lo: u64): bool {
  const high = mulHigh(root, root);
  return high > hi || (high === hi && root * root > lo);
}

/** A against B, magnitudes and signs; the caller has dealt with exceptions. */
export function compare(): u32 {
  if (A.kind >= QNAN || B.kind >= QNAN) return UNORDERED;
  if (A.kind === ZERO && B.kind === ZERO) return EQUAL;
  if (A.kind === ZERO) return B.sign ? GREATER : LESS;
  if (B.kind === ZERO || A.sign !== B.sign) return A.sign ? LESS : GREATER;
  let order: i32 = 0;
  if (A.kind !== B.kind) order = A.kind === INF ? 1 : -1;
  else if (A.kind === FINITE) {
    if (A.exp !== B.exp) order = A.exp > B.exp ? 1 : -1;
    else if (A.sig !== B.sig) order = A.sig > B.sig ? 1 : -1;
  }
  if (order === 0) return EQUAL;
  return order > 0 === !A.sign ? GREATER : LESS;
}
