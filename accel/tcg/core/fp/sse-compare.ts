// SSE comparisons: CMPPS and its kin with a predicate, COMISS and its kin with RFLAGS.
import { setFlags } from '../flags';
import { IE } from './control';
import { begin, faults, Native } from './mxcsr';
import { A, B, Env, moveToB, noteDenormals, QNAN, SNAN, unpack32, unpack64 } from './number';
import { compare, EQUAL, GREATER, LESS, UNORDERED } from './soft';
import { finish } from './sse-arith';

/** The relation of A and B. A QNaN is invalid too where `signals`. */
function relation(signals: bool): u32 {
  if (A.kind >= QNAN || B.kind >= QNAN) {
    if (signals || A.kind === SNAN || B.kind === SNAN) Env.flags |= IE;
    return UNORDERED;
  }
  noteDenormals();
  return compare();
}

/** Whether `relation` satisfies predicate 0 to 7: EQ LT LE UNORD NEQ NLT NLE ORD. SDM volume 2, CMPPD, table 3-1. */
function satisfies(relation: u32, predicate: u32): bool {
  const base = predicate & 3;
  let holds: bool;
  if (base === 0) holds = relation === EQUAL;
  else if (base === 1) holds = relation === LESS;
  else if (base === 2) holds = relation === LESS || relation === EQUAL;
  else holds = relation === UNORDERED;
  return holds !== (predicate & 4) > 0;
}

/** Whether the predicate is one of LT, LE, NLT, NLE. */
function signalling(predicate: u32): bool {
  return (predicate & 3) === 1 || (predicate & 3) === 2;
}

function lane32(a: u32, b: u32, predicate: u32): u32 {
  unpack32(b);
  moveToB();
  unpack32(a);
  return satisfies(relation(signalling(predicate)), predicate) ? 0xffffffff : 0;
}

function lane64(a: u64, b: u64, predicate: u32): u64 {
  unpack64(b);
  moveToB();
  unpack64(a);
  return satisfies(relation(signalling(predicate)), predicate) ? 0xffffffffffffffff : 0;
}

function pair32(a: usize, b: usize, predicate: u32): u64 {
  const low = lane32(load<u32>(a), load<u32>(b), predicate);
  return <u64>low | ((<u64>lane32(load<u32>(a, 4), load<u32>(b, 4), predicate)) << 32);
}

export function cmpps(d: usize, s: usize, imm: i32): void {
  begin();
  const low = pair32(d, s, imm & 7);
  finish(d, low, pair32(d + 8, s + 8, imm & 7));
}

export function cmppd(d: usize, s: usize, imm: i32): void {
  begin();
  const low = lane64(load<u64>(d), load<u64>(s), imm & 7);
  finish(d, low, lane64(load<u64>(d, 8), load<u64>(s, 8), imm & 7));
}

export function cmpss(d: usize, s: usize, imm: i32): void {
  begin();
  const mask = lane32(load<u32>(d), load<u32>(s), imm & 7);
  if (!faults()) store<u32>(d, mask);
}

export function cmpsd(d: usize, s: usize, imm: i32): void {
  begin();
  const mask = lane64(load<u64>(d), load<u64>(s), imm & 7);
  if (!faults()) store<u64>(d, mask);
}

const CF: u32 = 1;
const PF: u32 = 4;
const ZF: u32 = 64;

function flagsOf(relation: u32): u32 {
  if (relation === GREATER) return 0;
  if (relation === LESS) return CF;
  return relation === EQUAL ? ZF : ZF | PF | CF;
}

function softFlags(signals: bool): void {
  const flags = flagsOf(relation(signals));
  if (!faults()) setFlags(flags);
}

/** Comparisons without exceptions; inlined. */
class Fast {
  @inline
  static comi32(d: usize, s: usize, signals: bool): void {
    const a = load<f32>(d);
    const b = load<f32>(s);
    if (Native.plain32(a) && Native.plain32(b)) return setFlags(a > b ? 0 : a < b ? CF : ZF);
    begin();
    unpack32(load<u32>(s));
    moveToB();
    unpack32(load<u32>(d));
    softFlags(signals);
  }

  @inline
  static comi64(d: usize, s: usize, signals: bool): void {
    const a = load<f64>(d);
    const b = load<f64>(s);
    if (Native.plain64(a) && Native.plain64(b)) return setFlags(a > b ? 0 : a < b ? CF : ZF);
    begin();
    unpack64(load<u64>(s));
    moveToB();
    unpack64(load<u64>(d));
    softFlags(signals);
  }
}

export function comiss(d: usize, s: usize): void {
  Fast.comi32(d, s, true);
}

export function ucomiss(d: usize, s: usize): void {
  Fast.comi32(d, s, false);
}

export function comisd(d: usize, s: usize): void {
  Fast.comi64(d, s, true);
}

export function ucomisd(d: usize, s: usize): void {
  Fast.comi64(d, s, false);
}
