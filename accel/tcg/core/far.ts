import { BP, DB, EFER_SCE, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_VM, GP, NP, OF, SS, UD } from './bits';
import { raise, raiseError } from './exceptions';
import { getRflags, setFlags } from './flags';
import { softwareInterrupt } from './interrupts';
import { address, failed, read } from './memory';
import { setG, sizeOf, unsupported } from './operands';
import { next } from './position';
import { FORM, IMM } from './record';
import {
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_DB,
  ATTR_L,
  ATTR_P,
  ATTR_S,
  ATTR_WRITABLE,
  attributes,
  attributesOf,
  baseOf,
  descriptor,
  dpl,
  limitOf,
  loadDataSegment,
  longMode,
  protectedMode,
  readDescriptor,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
  segment,
  selectorOf,
  setAccessed,
  setCodeSegment,
  setSegment,
  updateMode,
} from './segments';
import { goTo } from './settle';
import { peek, push, setRflags, setStackPointer } from './stack';
import {
  BUDGET,
  CPL,
  CSTAR,
  EFER,
  EFLAGS,
  FMASK,
  GPR,
  LSTAR,
  MODE,
  NMI_BLOCKED,
  PEND_RIP,
  PENDING,
  SEG_LIMIT,
  STAR,
  TRAP_EXCEPTIONS,
  TRAPS,
} from './state';
import { FORM_I } from './tables';

const RSP: usize = 32;
const RCX: usize = 8;

function setRealCode(selector: u32): void {
  setSegment(SEG_CS, selector, <u64>(selector << 4), load<u32>(segment(SEG_CS), SEG_LIMIT), attributesOf(SEG_CS));
}

/** Reads the code segment of a far jump or call and checks it. False when an exception was raised. */
function codeTarget(selector: u32): bool {
  if ((selector & 0xfffc) == 0) {
    raiseError(GP, 0);
    return false;
  }
  if (!readDescriptor(selector, GP)) return false;
  const attr = attributes(descriptor);
  const cpl = load<u32>(CPL);
  const conforming = (attr & ATTR_CONFORMING) != 0;
  const fits = conforming ? dpl(attr) <= cpl : dpl(attr) == cpl && (selector & 3) <= cpl;
  if (
    (attr & (ATTR_S | ATTR_CODE)) != (ATTR_S | ATTR_CODE) ||
    !fits ||
    (longMode() && (attr & ATTR_L) != 0 && (attr & ATTR_DB) != 0)
  ) {
    raiseError(GP, selector & 0xfffc);
    return false;
  }
  if ((attr & ATTR_P) == 0) {
    raiseError(NP, selector & 0xfffc);
    return false;
  }
  return true;
}

/** A far jump or call target that is no code segment: a gate or task, which only this emulator lacks. */
function isGate(selector: u32): bool {
  if ((selector & 0xfffc) == 0 || !readDescriptor(selector, GP)) return false;
  return (attributes(descriptor) & ATTR_S) == 0;
}

function jumpFar(rec: usize, selector: u32, to: u64, call: bool): void {
  const size = sizeOf(rec);
  if (!protectedMode()) {
    if (call) {
      push(size, <u64>selectorOf(SEG_CS));
      if (failed()) return;
      push(size, next(rec));
      if (failed()) return setStackPointer(load<u64>(GPR + RSP) + (1 << size));
    }
    setRealCode(selector);
    goTo(to & 0xffff);
    return;
  }
  if (isGate(selector)) return unsupported(rec);
  if (failed()) return;
  if (!codeTarget(selector)) return;
  setAccessed();
  if (failed()) return;
  if (call) {
    push(size, <u64>selectorOf(SEG_CS));
    if (failed()) return;
    push(size, next(rec));
    if (failed()) return setStackPointer(load<u64>(GPR + RSP) + (1 << size));
  }
  setCodeSegment(selector, load<u32>(CPL));
  goTo(load<u32>(MODE) == 0 ? to : to & 0xffffffff);
}

export function op_jmp_far(rec: usize): void {
  jumpFar(rec, load<u16>(rec, IMM + 4), <u64>load<u32>(rec, IMM), false);
}

export function op_call_far(rec: usize): void {
  jumpFar(rec, load<u16>(rec, IMM + 4), <u64>load<u32>(rec, IMM), true);
}

function jumpFarIndirect(rec: usize, call: bool): void {
  const size = sizeOf(rec);
  const at = address(rec);
  const to = read(at, size);
  if (failed()) return;
  const selector = <u32>read(at + (1 << size), 1);
  if (!failed()) jumpFar(rec, selector, to, call);
}

export function op_jmp_far_indirect(rec: usize): void {
  jumpFarIndirect(rec, false);
}
export function op_call_far_indirect(rec: usize): void {
  jumpFarIndirect(rec, true);
}

/** Checks the code segment that a return names. */
function returnTarget(selector: u32): bool {
  if ((selector & 0xfffc) == 0) {
    raiseError(GP, 0);
    return false;
  }
  if (!readDescriptor(selector, GP)) return false;
  const attr = attributes(descriptor);
  const rpl = selector & 3;
  const fits = (attr & ATTR_CONFORMING) != 0 ? dpl(attr) <= rpl : dpl(attr) == rpl;
  if ((attr & (ATTR_S | ATTR_CODE)) != (ATTR_S | ATTR_CODE) || rpl < load<u32>(CPL) || !fits) {
    raiseError(GP, selector & 0xfffc);
    return false;
  }
  if ((attr & ATTR_P) == 0) {
    raiseError(NP, selector & 0xfffc);
    return false;
  }
  return true;
}

/** Data segments that the new privilege may not use become null. */
function dropDataSegments(): void {
  const cpl = load<u32>(CPL);
  for (let i: u32 = 0; i < 4; i++) {
    const index: u32 = i == 0 ? SEG_ES : i == 1 ? SEG_DS : i == 2 ? SEG_FS : SEG_GS;
    const attr = attributesOf(index);
    if ((attr & ATTR_S) == 0 || (attr & (ATTR_CODE | ATTR_CONFORMING)) == (ATTR_CODE | ATTR_CONFORMING)) continue;
    if (dpl(attr) < cpl) setSegment(index, 0, 0, 0, 0);
  }
}

/** Loads SS for a return to an outer privilege (or any IRET in long mode). False when an exception was raised. */
function returnStack(selector: u32, cpl: u32, to64: bool): bool {
  if ((selector & 0xfffc) == 0) {
    if (to64 && cpl != 3 && (selector & 3) == cpl) {
      setSegment(SEG_SS, selector, 0, 0, 0x93 | (cpl << 5));
      return true;
    }
    raiseError(GP, 0);
    return false;
  }
  if (!readDescriptor(selector, GP)) return false;
  const attr = attributes(descriptor);
  if (
    (selector & 3) != cpl ||
    (attr & (ATTR_S | ATTR_CODE | ATTR_WRITABLE)) != (ATTR_S | ATTR_WRITABLE) ||
    dpl(attr) != cpl
  ) {
    raiseError(GP, selector & 0xfffc);
    return false;
  }
  if ((attr & ATTR_P) == 0) {
    raiseError(SS, selector & 0xfffc);
    return false;
  }
  stack = descriptor;
  return true;
}
let stack: u64 = 0;

export function op_lret(rec: usize): void {
  const size = sizeOf(rec);
  const to = peek(size, 0);
  if (failed()) return;
  const selector = <u32>peek(size, 1 << size) & 0xffff;
  if (failed()) return;
  const extra = load<u8>(rec, FORM) == FORM_I ? load<u64>(rec, IMM) : 0;
  const bytes: u64 = 2 << size;
  if (!protectedMode()) {
    setStackPointer(load<u64>(GPR + RSP) + bytes + extra);
    setRealCode(selector);
    return goTo(to & 0xffff);
  }
  if (!returnTarget(selector)) return;
  const cpl = selector & 3;
  if (cpl == load<u32>(CPL)) {
    setStackPointer(load<u64>(GPR + RSP) + bytes + extra);
    setCodeSegment(selector, cpl);
    return goTo(to);
  }
  const pointer = peek(size, bytes + extra);
  if (failed()) return;
  const ss = <u32>peek(size, bytes + extra + (1 << size)) & 0xffff;
  if (failed()) return;
  returnOut(selector, ss, to, pointer + extra);
}

/** Completes a return to an outer privilege: both segments are checked first. */
function returnOut(selector: u32, ss: u32, to: u64, pointer: u64): void {
  const cpl = selector & 3;
  const to64 = longMode() && (attributes(descriptor) & ATTR_L) != 0;
  stack = 0;
  if (!returnStack(ss, cpl, to64)) return;
  if (!readDescriptor(selector, GP)) return;
  setCodeSegment(selector, cpl);
  if (stack != 0) setSegment(SEG_SS, ss, baseOf(stack), limitOf(stack), attributes(stack));
  dropDataSegments();
  if (load<u32>(MODE) == 0) store<u64>(GPR + RSP, pointer);
  else setStackPointer(pointer);
  goTo(load<u32>(MODE) == 0 ? to : to & 0xffffffff);
}

export function op_iret(rec: usize): void {
  const size = sizeOf(rec);
  const unit: u64 = 1 << size;
  const to = peek(size, 0);
  if (failed()) return;
  const selector = <u32>peek(size, unit) & 0xffff;
  if (failed()) return;
  const flags = peek(size, 2 * unit);
  if (failed()) return;
  if (!protectedMode()) {
    setStackPointer(load<u64>(GPR + RSP) + 3 * unit);
    setRealCode(selector);
    setRflags(flags, size, 0);
    store<u32>(NMI_BLOCKED, 0);
    return goTo(to & 0xffff);
  }
  if ((load<u32>(EFLAGS) & FLAG_NT) != 0) {
    if (longMode()) return raiseError(GP, 0);
    return unsupported(rec);
  }
  if (!longMode() && (flags & FLAG_VM) != 0 && load<u32>(CPL) == 0) return unsupported(rec);
  if (!returnTarget(selector)) return;
  const cpl = selector & 3;
  const old = load<u32>(CPL);
  if (cpl == old && load<u32>(MODE) != 0) {
    setStackPointer(load<u64>(GPR + RSP) + 3 * unit);
    setCodeSegment(selector, cpl);
    goTo(to);
  } else {
    const pointer = peek(size, 3 * unit);
    if (failed()) return;
    const ss = <u32>peek(size, 4 * unit) & 0xffff;
    if (failed()) return;
    returnOut(selector, ss, to, pointer);
    if (load<u32>(PENDING) != PEND_RIP) return;
  }
  setRflags(flags, size, old);
  // IRET restores RF, whatever the privilege; nothing depends on it here.
  store<u32>(NMI_BLOCKED, 0);
}

// --- Software interrupts ---

function interrupt(rec: usize, vector: u32): void {
  if ((load<u32>(TRAPS) & TRAP_EXCEPTIONS) != 0) return raise(vector);
  softwareInterrupt(vector, next(rec));
  if (!failed()) store<u32>(PENDING, PEND_RIP);
}

export function op_int3(rec: usize): void {
  interrupt(rec, BP);
}
export function op_int1(rec: usize): void {
  interrupt(rec, DB);
}
export function op_int_n(rec: usize): void {
  interrupt(rec, <u32>load<u8>(rec, IMM));
}

export function op_into(rec: usize): void {
  if ((getRflags() & 0x800) != 0) interrupt(rec, OF);
}

export function op_ud2(rec: usize): void {
  raise(UD);
}

// --- System calls ---

function flatSegment(index: u32, selector: u32, attr: u32): void {
  setSegment(index, selector, 0, 0xffffffff, attr);
}

export function op_syscall(rec: usize): void {
  if ((load<u64>(EFER) & EFER_SCE) == 0 || !longMode()) return raise(UD);
  const flags = getRflags();
  store<u64>(GPR + RCX, next(rec));
  store<u64>(GPR + 88, flags & ~(<u64>FLAG_RF));
  const to = load<u32>(MODE) == 0 ? load<u64>(LSTAR) : load<u64>(CSTAR);
  const masked = flags & ~load<u64>(FMASK) & ~(<u64>FLAG_RF);
  setFlags(masked);
  store<u32>(EFLAGS, (<u32>masked & ~0x8d5) | 2);
  const selector = <u32>(load<u64>(STAR) >> 32) & 0xfffc;
  store<u32>(CPL, 0);
  flatSegment(SEG_CS, selector, 0xa09b);
  flatSegment(SEG_SS, selector + 8, 0xc093);
  updateMode();
  goTo(to);
}

export function op_sysret(rec: usize): void {
  if ((load<u64>(EFER) & EFER_SCE) == 0 || !longMode()) return raise(UD);
  if (load<u32>(CPL) != 0) return raiseError(GP, 0);
  const to = load<u64>(GPR + RCX);
  const wide = sizeOf(rec) == 3;
  if (wide && <u64>(<i64>(to << 16) >> 16) != to) return raiseError(GP, 0);
  const flags = load<u64>(GPR + 88);
  const selector = <u32>(load<u64>(STAR) >> 48) & 0xffff;
  setFlags(flags);
  const old = load<u32>(EFLAGS);
  store<u32>(EFLAGS, (<u32>flags & 0x3c7700 & ~0x8d5) | 2);
  store<u32>(CPL, 3);
  flatSegment(SEG_CS, (wide ? selector + 16 : selector) | 3, wide ? 0xa0fb : 0xc0fb);
  flatSegment(SEG_SS, (selector + 8) | 3, 0xc0f3);
  updateMode();
  goTo(wide ? to : to & 0xffffffff);
  if ((old & FLAG_IF) == 0) lookAtInterrupts();
}

/** Interrupts that wait are looked at after the next branch. */
function lookAtInterrupts(): void {
  store<u32>(BUDGET, 0);
}

export function op_sysenter(rec: usize): void {
  unsupported(rec);
}
export function op_sysexit(rec: usize): void {
  unsupported(rec);
}

function loadFar(rec: usize, index: u32): void {
  const size = sizeOf(rec);
  const at = address(rec);
  const offset = read(at, size);
  if (failed()) return;
  const selector = <u32>read(at + (1 << size), 1);
  if (!failed() && loadDataSegment(index, selector)) setG(rec, size, offset);
}

export function op_les(rec: usize): void {
  loadFar(rec, SEG_ES);
}
export function op_lds(rec: usize): void {
  loadFar(rec, SEG_DS);
}
export function op_lss(rec: usize): void {
  loadFar(rec, SEG_SS);
}
export function op_lfs(rec: usize): void {
  loadFar(rec, SEG_FS);
}
export function op_lgs(rec: usize): void {
  loadFar(rec, SEG_GS);
}
