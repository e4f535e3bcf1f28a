// x87 loads, stores, constants and moves. A store's function answers whether its result at `d` shall reach memory; by then
// the registers have changed, so the caller has made sure that memory can be written.
import { condition } from '../flags';
import { IE, OE, PE, TRUNCATE, UE } from './control';
import { toInteger, toIntegral } from './integer';
import {
  A,
  Env,
  FINITE,
  keepA,
  pack32,
  pack64,
  QNAN,
  R,
  setResult,
  unpack32,
  unpack64,
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
  pack80,
  pass,
  pop,
  proceed,
  push,
  rotate,
  roundExtended,
  setConditions,
  setEmpty,
  setValid,
  slot,
  start,
  underflow,
  unpackSlot,
} from './x87-stack';

export function fldSingle(s: usize): void {
  start();
  unpack32(load<u32>(s));
  pass(true);
  push();
}

export function fldDouble(s: usize): void {
  start();
  unpack64(load<u64>(s));
  pass(true);
  push();
}

/** Pushes the 80 bits at `s` whatever they are. */
export function fldExtended(s: usize): void {
  const sig = load<u64>(s);
  const head = load<u16>(s, 8);
  start();
  const fits = isEmpty(-1);
  keepA();
  push();
  if (!fits) return;
  store<u64>(slot(0), sig);
  store<u16>(slot(0), head, 8);
}

export function fld(i: i32): void {
  if (!isEmpty(i)) return fldExtended(slot(i));
  start();
  underflow();
  push();
}

function pushInteger(x: i64): void {
  start();
  unpackInteger(x);
  keepA();
  push();
}

export function fild16(s: usize): void {
  pushInteger(load<i16>(s));
}

export function fild32(s: usize): void {
  pushInteger(load<i32>(s));
}

export function fild64(s: usize): void {
  pushInteger(load<i64>(s));
}

/** Pushes sig / 2^63 * 2^exp with the bits below it, rounded by the control word and without exception. */
function constant(exp: i32, sig: u64, below: u64): void {
  start();
  setResult(FINITE, 0, exp, sig, below);
  roundExtended(64);
  Env.flags = 0;
  push();
}

export function fld1(): void {
  constant(0, 0x8000000000000000, 0);
}

export function fldl2t(): void {
  constant(1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c);
}

export function fldl2e(): void {
  constant(0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);
}

export function fldpi(): void {
  constant(1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
}

export function fldlg2(): void {
  constant(-2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178);
}

export function fldln2(): void {
  constant(-1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);
}

export function fldz(): void {
  start();
  setResult(ZERO, 0, 0, 0, 0);
  push();
}

/** Ends a store: nothing is written, and no rounding is told, when overflow or underflow is not masked. */
function stores(pops: i32): bool {
  const withheld = (Env.flags & (OE | UE) & ~Env.masks) !== 0;
  if (withheld) Env.flags &= ~PE;
  if (!proceed() || withheld) return false;
  if (pops) pop();
  return true;
}

/** R = ST(0). */
function fetch(): void {
  if (isEmpty(0)) return underflow();
  unpackSlot(0);
  pass(false);
}

export function fstSingle(d: usize, pops: i32): bool {
  start();
  fetch();
  store<u32>(d, pack32());
  return stores(pops);
}

export function fstDouble(d: usize, pops: i32): bool {
  start();
  fetch();
  store<u64>(d, pack64());
  return stores(pops);
}

export function fstpExtended(d: usize): bool {
  start();
  if (isEmpty(0)) {
    underflow();
    pack80(d);
  } else {
    store<u64>(d, load<u64>(slot(0)));
    store<u16>(d, load<u16>(slot(0), 8), 8);
  }
  return stores(1);
}

/** To ST(i). */
export function fst(i: i32, pops: i32): void {
  start();
  if (isEmpty(0)) {
    underflow();
    if (!finish(i)) return;
  } else {
    const from = slot(0);
    const to = slot(i);
    store<u64>(to, load<u64>(from));
    store<u16>(to, load<u16>(from, 8), 8);
    setValid(i);
  }
  if (pops) pop();
}

/** ST(0) as an integer of `bits` bits. */
function fetchInteger(bits: i32, rounding: u32): i64 {
  start();
  if (isEmpty(0)) {
    underflow();
    return 0 - ((<i64>1) << (bits - 1));
  }
  unpackSlot(0);
  return toInteger(bits, rounding);
}

/** The rounding of the control word is in Env only after start(). */
function controlled(): u32 {
  start();
  return Env.rounding;
}

export function fist16(d: usize, pops: i32): bool {
  store<u16>(d, <u16>fetchInteger(16, controlled()));
  return stores(pops);
}

export function fist32(d: usize, pops: i32): bool {
  store<u32>(d, <u32>fetchInteger(32, controlled()));
  return stores(pops);
}

export function fistp64(d: usize): bool {
  store<u64>(d, <u64>fetchInteger(64, controlled()));
  return stores(1);
}

export function fisttp16(d: usize): bool {
  store<u16>(d, <u16>fetchInteger(16, TRUNCATE));
  return stores(1);
}

export function fisttp32(d: usize): bool {
  store<u32>(d, <u32>fetchInteger(32, TRUNCATE));
  return stores(1);
}

export function fisttp64(d: usize): bool {
  store<u64>(d, <u64>fetchInteger(64, TRUNCATE));
  return stores(1);
}

/** 18 decimal digits and a sign. */
export function fbld(s: usize): void {
  let value: i64 = 0;
  for (let i: usize = 9; i-- > 0; ) {
    const digits = load<u8>(s + i);
    value = value * 100 + (digits >> 4) * 10 + (digits & 15);
  }
  start();
  unpackInteger(value);
  keepA();
  R.sign = load<u8>(s, 9) >> 7;
  push();
}

export function fbstp(d: usize): bool {
  const limit: i64 = 1000000000000000000;
  const rounding = controlled();
  let value = fetchInteger(64, rounding);
  const sign: u32 = A.sign;
  value = value < 0 ? 0 - value : value;
  // The smallest integer stays negative.
  if (value >= limit || value < 0) {
    Env.flags = (Env.flags & ~PE) | IE;
    Env.roundedUp = false;
  }
  if (Env.flags & IE) {
    store<u64>(d, 0xc000000000000000);
    store<u16>(d, 0xffff, 8);
  } else {
    for (let i: usize = 0; i < 9; i++) {
      const pair = <u32>(value % 100);
      store<u8>(d + i, <u8>(((pair / 10) << 4) | (pair % 10)));
      value /= 100;
    }
    store<u8>(d, <u8>(sign << 7), 9);
  }
  return stores(1);
}

/** Changes the sign bit of ST(0): keeps `and`, then inverts `xor`. */
function changeSign(and: u32, xor: u32): void {
  start();
  if (isEmpty(0)) {
    underflow();
    finish(0);
  } else {
    const at = slot(0);
    store<u16>(at, <u16>((<u32>load<u16>(at, 8) & and) ^ xor), 8);
  }
}

export function fchs(): void {
  changeSign(0xffff, 0x8000);
}

export function fabs(): void {
  changeSign(0x7fff, 0);
}

/** The class of ST(0): unsupported 0, NaN C0, normal C2, infinity C2 C0, zero C3, empty C3 C0, denormal C3 C2; sign C1. */
export function fxam(): void {
  const sign = load<u16>(slot(0), 8) >> 15 ? C1 : 0;
  start();
  unpackSlot(0);
  let codes: u32 = 0;
  if (isEmpty(0)) codes = C3 | C0;
  else if (A.kind === ZERO) codes = C3;
  else if (A.kind === FINITE) codes = A.denormal ? C3 | C2 : C2;
  else if (A.kind < QNAN) codes = C2 | C0;
  else if (A.kind <= QNAN + 1) codes = C0;
  setConditions(codes | sign);
}

/** Exchanges ST(0) and ST(i); a missing one is the indefinite number. */
export function fxch(i: i32): void {
  start();
  const missing0 = isEmpty(0);
  const missingI = isEmpty(i);
  if (missing0 || missingI) {
    underflow();
    if (!proceed()) return;
    if (missing0) pack80(slot(0));
    if (missingI) pack80(slot(i));
    setValid(0);
    setValid(i);
  }
  const a = slot(0);
  const b = slot(i);
  const sig = load<u64>(a);
  const head = load<u16>(a, 8);
  store<u64>(a, load<u64>(b));
  store<u16>(a, load<u16>(b, 8), 8);
  store<u64>(b, sig);
  store<u16>(b, head, 8);
}

/** FCMOVB, FCMOVE, ...: `code` is a condition code of RFLAGS. */
export function fcmov(i: i32, code: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    start();
    underflow();
    finish(0);
  } else if (condition(code)) {
    store<u64>(slot(0), load<u64>(slot(i)));
    store<u16>(slot(0), load<u16>(slot(i), 8), 8);
  }
}

export function ffree(i: i32): void {
  start();
  setEmpty(i);
}

export function ffreep(i: i32): void {
  ffree(i);
  pop();
}

export function fincstp(): void {
  start();
  rotate(1);
}

export function fdecstp(): void {
  start();
  rotate(-1);
}

export function frndint(): void {
  start();
  if (isEmpty(0)) underflow();
  else {
    unpackSlot(0);
    pass(true);
    if (A.kind < QNAN && toIntegral(Env.rounding)) Env.flags |= PE;
  }
  finish(0);
}
