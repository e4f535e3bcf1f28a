// The x87's registers as a stack, its environment around an instruction, and 80-bit numbers in memory.
//
// An exception that is not masked sets ES; the next waiting instruction raises #MF. One of the operands (IE, DE, ZE) leaves
// registers and memory as they were, one of the result does not keep it from a register (SDM volume 1, section 8.5).
import { FCW, FPR, FSW, FTW } from '../state';
import { DE, IE, PE, ZE } from './control';
import {
  A,
  Env,
  INF,
  invalid,
  QNAN,
  QUIET_BIT,
  R,
  round,
  setResult,
  TOP_BIT,
  UNSUPPORTED,
  unpack80,
  ZERO,
} from './number';

/** Stack fault: with C1 set an overflow, else an underflow. */
export const SF: u32 = 0x40;
/** Exception summary and the busy bit, which repeats it. */
const SUMMARY: u32 = 0x8080;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;
const TOP_SHIFT: u32 = 11;

export const MIN_EXPONENT: i32 = -16382;
export const MAX_EXPONENT: i32 = 16383;

/** Takes rounding and masks from the control word and clears C1. */
export function start(): void {
  const control = <u32>load<u16>(FCW);
  Env.rounding = (control >> 10) & 3;
  Env.masks = control & 0x3f;
  Env.flags = 0;
  Env.denormalsAreZero = false;
  Env.flushToZero = false;
  Env.x87 = true;
  Env.roundedUp = false;
  store<u16>(FSW, <u16>(<u32>load<u16>(FSW) & ~C1));
}

/** Bits of the significand that results of arithmetic have, by the control word. */
export function precision(): i32 {
  const control = (load<u16>(FCW) >> 8) & 3;
  return control === 0 ? 24 : control === 2 ? 53 : 64;
}

function top(): u32 {
  return (<u32>load<u16>(FSW) >> TOP_SHIFT) & 7;
}

/** Moves TOP by `by`. */
export function rotate(by: i32): void {
  const moved = (top() + by) & 7;
  store<u16>(FSW, <u16>((<u32>load<u16>(FSW) & ~((<u32>7) << TOP_SHIFT)) | (moved << TOP_SHIFT)));
}

function physical(i: i32): u32 {
  return (top() + i) & 7;
}

/** The address of ST(i). */
export function slot(i: i32): usize {
  return FPR + (physical(i) << 4);
}

export function isEmpty(i: i32): bool {
  return !((load<u8>(FTW) >> <u8>physical(i)) & 1);
}

export function setEmpty(i: i32): void {
  store<u8>(FTW, load<u8>(FTW) & ~((<u8>1) << (<u8>physical(i))));
}

export function setValid(i: i32): void {
  store<u8>(FTW, load<u8>(FTW) | ((<u8>1) << (<u8>physical(i))));
}

export function pop(): void {
  setEmpty(0);
  rotate(1);
}

/** Replaces condition codes. */
export function setConditions(codes: u32): void {
  store<u16>(FSW, <u16>((<u32>load<u16>(FSW) & ~(C0 | C1 | C2 | C3)) | codes));
}

/** ES and B by the flags and masks. */
export function summarize(): void {
  const status = <u32>load<u16>(FSW);
  const pending = status & ~(<u32>load<u16>(FCW)) & 0x3f;
  store<u16>(FSW, <u16>(pending ? status | SUMMARY : status & ~SUMMARY));
}

/** Whether the next waiting instruction raises #MF. */
export function isPending(): bool {
  return (<u32>load<u16>(FSW) & SUMMARY) !== 0;
}

/** Notes the raised exceptions in the status word; false when an unmasked one of `stoppers` ends the instruction. */
export function proceed(stoppers: u32 = IE | DE | ZE): bool {
  const stopping = Env.flags & stoppers & ~Env.masks;
  if (stopping) Env.flags &= IE | DE | ZE | SF;
  let status = <u32>load<u16>(FSW) | Env.flags;
  if (Env.roundedUp && Env.flags & (PE | SF)) status |= C1;
  store<u16>(FSW, <u16>status);
  summarize();
  return !stopping;
}

/** An operand is missing: R is the indefinite number. */
export function underflow(): void {
  Env.flags = SF;
  Env.roundedUp = false;
  invalid();
}

/** A from ST(i), which is not empty. */
export function unpackSlot(i: i32): void {
  const at = slot(i);
  unpack80(load<u64>(at), load<u16>(at, 8));
}

/** R, rounded before, as an 80-bit number; what is behind it in its slot does not matter. */
export function pack80(at: usize): void {
  let sig = R.hi;
  let exponent: u32 = R.hi & TOP_BIT ? <u32>(R.exp - MIN_EXPONENT + 1) : 0;
  if (R.kind === ZERO) {
    sig = 0;
    exponent = 0;
  } else if (R.kind === INF || R.kind === QNAN) {
    exponent = 0x7fff;
    if (R.kind === INF) sig = TOP_BIT;
  }
  store<u64>(at, sig);
  store<u16>(at, <u16>((R.sign << 15) | exponent), 8);
}

/** Rounds R to what a register holds. */
export function roundExtended(bits: i32): void {
  round(bits, MIN_EXPONENT, MAX_EXPONENT);
}

/** Ends an instruction whose rounded result R belongs in ST(i); true when it went there. */
export function finish(i: i32): bool {
  if (!proceed()) return false;
  pack80(slot(i));
  setValid(i);
  return true;
}

/**
 * Ends an instruction that pushes R, which is rounded. A missing source counts before a full stack; an unmasked DE does
 * not keep a load from happening.
 */
export function push(): void {
  if (!isEmpty(-1) && !(Env.flags & SF)) {
    underflow();
    Env.roundedUp = true;
  }
  if (!proceed(IE)) return;
  rotate(-1);
  pack80(slot(0));
  setValid(0);
}

/** R = A as it is, a signalling NaN made quiet. Raises DE for denormals where told. */
export function pass(notesDenormals: bool): void {
  if (A.kind === UNSUPPORTED) return invalid();
  if (A.kind > QNAN) Env.flags |= IE;
  if (A.kind >= QNAN) return setResult(QNAN, A.sign, 0, A.sig | QUIET_BIT, 0);
  if (notesDenormals && A.denormal) Env.flags |= DE;
  setResult(A.kind, A.sign, A.exp, A.sig, 0);
}
