// SSE conversions and rounding to integral values. `d` and `s` as in sse-arith.ts; where the destination is a general
// register `d` is its slot, and a 32-bit result clears the upper half.
import { IE, NEAREST, PE, TRUNCATE, UP } from './control';
import { toInteger, toIntegral } from './integer';
import { begin, faults, Native } from './mxcsr';
import {
  A,
  Env,
  keepA,
  moveToB,
  noteDenormals,
  pack32,
  pack64,
  QNAN,
  QUIET_BIT,
  SNAN,
  setResult,
  unpack32,
  unpack64,
  unpackInteger,
} from './number';
import { finish } from './sse-arith';

/** R = A as a floating-point number to be packed in another format. */
function convert(): void {
  if (A.kind >= QNAN) {
    if (A.kind === SNAN) Env.flags |= IE;
    return setResult(QNAN, A.sign, 0, A.sig | QUIET_BIT, 0);
  }
  moveToB();
  noteDenormals();
  keepA();
}

function widen(bits: u32): u64 {
  unpack32(bits);
  convert();
  return pack64();
}

function narrow(bits: u64): u32 {
  unpack64(bits);
  convert();
  return pack32();
}

export function cvtss2sd(d: usize, s: usize): void {
  const x = load<f32>(s);
  if (Native.plain32(x)) return store<f64>(d, <f64>x);
  begin();
  const result = widen(load<u32>(s));
  if (!faults()) store<u64>(d, result);
}

export function cvtps2pd(d: usize, s: usize): void {
  begin();
  const low = widen(load<u32>(s));
  finish(d, low, widen(load<u32>(s, 4)));
}

export function cvtsd2ss(d: usize, s: usize): void {
  const x = load<f64>(s);
  if (Native.nativeRounding() && Native.plain64(x) && Native.settled32(<f32>x)) return store<f32>(d, <f32>x);
  begin();
  const result = narrow(load<u64>(s));
  if (!faults()) store<u32>(d, result);
}

export function cvtpd2ps(d: usize, s: usize): void {
  begin();
  const low = narrow(load<u64>(s));
  finish(d, <u64>low | ((<u64>narrow(load<u64>(s, 8))) << 32), 0);
}

function integerTo32(x: i64): u32 {
  unpackInteger(x);
  keepA();
  return pack32();
}

function integerTo64(x: i64): u64 {
  unpackInteger(x);
  keepA();
  return pack64();
}

function scalarTo32(d: usize, x: i64): void {
  begin();
  const result = integerTo32(x);
  if (!faults()) store<u32>(d, result);
}

export function cvtsi2ss32(d: usize, s: usize): void {
  scalarTo32(d, load<i32>(s));
}

export function cvtsi2ss64(d: usize, s: usize): void {
  scalarTo32(d, load<i64>(s));
}

export function cvtsi2sd32(d: usize, s: usize): void {
  store<f64>(d, <f64>load<i32>(s));
}

export function cvtsi2sd64(d: usize, s: usize): void {
  begin();
  const result = integerTo64(load<i64>(s));
  if (!faults()) store<u64>(d, result);
}

/** Two 32-bit integers to single precision; the 64 bits above stay (CVTPI2PS). */
export function cvtpi2ps(d: usize, s: usize): void {
  begin();
  const result = pairTo32(s);
  if (!faults()) store<u64>(d, result);
}

function pairTo32(s: usize): u64 {
  const low = integerTo32(load<i32>(s));
  return <u64>low | ((<u64>integerTo32(load<i32>(s, 4))) << 32);
}

export function cvtdq2ps(d: usize, s: usize): void {
  begin();
  const low = pairTo32(s);
  finish(d, low, pairTo32(s + 8));
}

/** Also CVTPI2PD. */
export function cvtdq2pd(d: usize, s: usize): void {
  const low = <f64>load<i32>(s);
  store<f64>(d, <f64>load<i32>(s, 4), 8);
  store<f64>(d, low);
}

function integerOf32(bits: u32, rounding: u32): u64 {
  unpack32(bits);
  return <u64>toInteger(32, rounding) & 0xffffffff;
}

function integerOf64(bits: u64, rounding: u32): u64 {
  unpack64(bits);
  return <u64>toInteger(32, rounding) & 0xffffffff;
}

function pairOf32(s: usize, rounding: u32): u64 {
  const low = integerOf32(load<u32>(s), rounding);
  return low | (integerOf32(load<u32>(s, 4), rounding) << 32);
}

function pairOf64(s: usize, rounding: u32): u64 {
  const low = integerOf64(load<u64>(s), rounding);
  return low | (integerOf64(load<u64>(s, 8), rounding) << 32);
}

export function cvtps2dq(d: usize, s: usize): void {
  begin();
  const low = pairOf32(s, Env.rounding);
  finish(d, low, pairOf32(s + 8, Env.rounding));
}

export function cvttps2dq(d: usize, s: usize): void {
  begin();
  const low = pairOf32(s, TRUNCATE);
  finish(d, low, pairOf32(s + 8, TRUNCATE));
}

export function cvtpd2dq(d: usize, s: usize): void {
  begin();
  finish(d, pairOf64(s, Env.rounding), 0);
}

export function cvttpd2dq(d: usize, s: usize): void {
  begin();
  finish(d, pairOf64(s, TRUNCATE), 0);
}

/** To an MMX register. */
function finishMmx(d: usize, result: u64): void {
  if (!faults()) store<u64>(d, result);
}

export function cvtps2pi(d: usize, s: usize): void {
  begin();
  finishMmx(d, pairOf32(s, Env.rounding));
}

export function cvttps2pi(d: usize, s: usize): void {
  begin();
  finishMmx(d, pairOf32(s, TRUNCATE));
}

export function cvtpd2pi(d: usize, s: usize): void {
  begin();
  finishMmx(d, pairOf64(s, Env.rounding));
}

export function cvttpd2pi(d: usize, s: usize): void {
  begin();
  finishMmx(d, pairOf64(s, TRUNCATE));
}

/** Conversions with the native result where it stands; inlined, `bits` and mostly `rounding` are constant. */
class Fast {
  /** Native rounding to an integral number; `rounding` is often constant. */
  @inline
  static whole(x: f64, rounding: u32): f64 {
    if (rounding === NEAREST) return nearest<f64>(x);
    if (rounding === TRUNCATE) return trunc<f64>(x);
    return rounding === UP ? ceil<f64>(x) : floor<f64>(x);
  }

  /** Stores the plain `x` as an integer of `bits` bits, unless that raises something new. */
  @inline
  static nativeInteger(d: usize, x: f64, bits: i32, rounding: u32): bool {
    const limit = bits === 64 ? 9223372036854775808.0 : 2147483648.0;
    const integral = Fast.whole(x, rounding);
    if (!(integral < limit) || integral < -limit || !(integral === x || Native.precisionNoted())) return false;
    store<u64>(d, bits === 64 ? <u64>(<i64>integral) : <u64>(<i64>integral) & 0xffffffff);
    return true;
  }

  @inline
  static register32(d: usize, s: usize, bits: i32, rounding: u32): void {
    const x = load<f32>(s);
    if (Native.plain32(x) && Fast.nativeInteger(d, <f64>x, bits, rounding)) return;
    begin();
    unpack32(load<u32>(s));
    finishInteger(d, bits, rounding);
  }

  @inline
  static register64(d: usize, s: usize, bits: i32, rounding: u32): void {
    const x = load<f64>(s);
    if (Native.plain64(x) && Fast.nativeInteger(d, x, bits, rounding)) return;
    begin();
    unpack64(load<u64>(s));
    finishInteger(d, bits, rounding);
  }
}

/** Stores A as an integer. */
function finishInteger(d: usize, bits: i32, rounding: u32): void {
  const integer = <u64>toInteger(bits, rounding);
  if (!faults()) store<u64>(d, bits === 64 ? integer : integer & 0xffffffff);
}

export function cvtss2si32(d: usize, s: usize): void {
  Fast.register32(d, s, 32, Native.mxcsrRounding());
}

export function cvtss2si64(d: usize, s: usize): void {
  Fast.register32(d, s, 64, Native.mxcsrRounding());
}

export function cvttss2si32(d: usize, s: usize): void {
  Fast.register32(d, s, 32, TRUNCATE);
}

export function cvttss2si64(d: usize, s: usize): void {
  Fast.register32(d, s, 64, TRUNCATE);
}

export function cvtsd2si32(d: usize, s: usize): void {
  Fast.register64(d, s, 32, Native.mxcsrRounding());
}

export function cvtsd2si64(d: usize, s: usize): void {
  Fast.register64(d, s, 64, Native.mxcsrRounding());
}

export function cvttsd2si32(d: usize, s: usize): void {
  Fast.register64(d, s, 32, TRUNCATE);
}

export function cvttsd2si64(d: usize, s: usize): void {
  Fast.register64(d, s, 64, TRUNCATE);
}

/** Bits of the immediate of ROUNDPS and its kin: take the mode from MXCSR; do not raise PE. */
const MODE_OF_MXCSR: i32 = 4;
const QUIET_PRECISION: i32 = 8;

function roundingOf(imm: i32): u32 {
  return imm & MODE_OF_MXCSR ? Native.mxcsrRounding() : imm & 3;
}

/** R = A rounded to an integral number as ROUNDPS does. Denormals raise nothing. */
function roundA(imm: i32): void {
  if (A.kind >= QNAN) {
    A.denormal = false;
    return convert();
  }
  if (toIntegral(roundingOf(imm)) && !(imm & QUIET_PRECISION)) Env.flags |= PE;
}

function round32(bits: u32, imm: i32): u32 {
  unpack32(bits);
  roundA(imm);
  return pack32();
}

function round64(bits: u64, imm: i32): u64 {
  unpack64(bits);
  roundA(imm);
  return pack64();
}

export function roundss(d: usize, s: usize, imm: i32): void {
  const x = load<f32>(s);
  const r = <f32>Fast.whole(<f64>x, roundingOf(imm));
  if (Native.plain32(x) && (r === x || imm & QUIET_PRECISION || Native.precisionNoted())) return store<f32>(d, r);
  begin();
  const result = round32(load<u32>(s), imm);
  if (!faults()) store<u32>(d, result);
}

export function roundsd(d: usize, s: usize, imm: i32): void {
  const x = load<f64>(s);
  const r = Fast.whole(x, roundingOf(imm));
  if (Native.plain64(x) && (r === x || imm & QUIET_PRECISION || Native.precisionNoted())) return store<f64>(d, r);
  begin();
  const result = round64(load<u64>(s), imm);
  if (!faults()) store<u64>(d, result);
}

export function roundps(d: usize, s: usize, imm: i32): void {
  begin();
  const low = <u64>round32(load<u32>(s), imm) | ((<u64>round32(load<u32>(s, 4), imm)) << 32);
  const high = <u64>round32(load<u32>(s, 8), imm) | ((<u64>round32(load<u32>(s, 12), imm)) << 32);
  finish(d, low, high);
}

export function roundpd(d: usize, s: usize, imm: i32): void {
  begin();
  const low = round64(load<u64>(s), imm);
  finish(d, low, round64(load<u64>(s, 8), imm));
}
