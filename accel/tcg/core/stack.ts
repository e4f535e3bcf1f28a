import { FLAG_IF, FLAG_IOPL, FLAG_RF, FLAG_VM, FLAGS_FREE, GP } from './bits';
import { raiseError } from './exceptions';
import { condition, getRflags, setFlags } from './flags';
import { failed, probeWrite, read, write } from './memory';
import { getE, getRegister, maskOf, setE, setRegister, sizeOf, unsupported } from './operands';
import { canonical, setOnStackSegment } from './paging';
import { next, pointerAt } from './position';
import { FLAGS, FORM, IMM, SCALE } from './record';
import { loadDataSegment, selectorOf, stackBase, stackSize } from './segments';
import { goTo, linkTo } from './settle';
import { BUDGET, CPL, EFLAGS, GPR } from './state';
import { FORM_I } from './tables';

const RSP: usize = 32;
const RBP: usize = 40;
const RCX: usize = 8;

function stackMask(): u64 {
  return maskOf(stackSize());
}

/** Linear address of a stack pointer. */
export function onStack(pointer: u64): u64 {
  setOnStackSegment(true);
  return stackBase() + (pointer & stackMask());
}

export function setStackPointer(pointer: u64): void {
  setRegister(RSP, stackSize(), pointer);
}

/** Pushes one value; RSP stays when there is an exception. */
export function push(size: u32, value: u64): void {
  const pointer = load<u64>(GPR + RSP) - (1 << size);
  write(onStack(pointer), size, value);
  if (!failed()) setStackPointer(pointer);
}

/** The value on top, or one further down by bytes; RSP stays. */
export function peek(size: u32, offset: u64): u64 {
  return read(onStack(load<u64>(GPR + RSP) + offset), size);
}

export function op_push(rec: usize): void {
  const size = sizeOf(rec);
  const value = load<u8>(rec, FORM) == FORM_I ? load<u64>(rec, IMM) : getE(rec, size);
  if (!failed()) push(size, value);
}

export function op_pop(rec: usize): void {
  const size = sizeOf(rec);
  const value = peek(size, 0);
  if (failed()) return;
  // The address of a memory operand is worked out after RSP has grown (SDM volume 2, "POP").
  const before = load<u64>(GPR + RSP);
  setStackPointer(before + (1 << size));
  setE(rec, size, value);
  if (failed()) store<u64>(GPR + RSP, before);
}

export function op_push_segment(rec: usize): void {
  push(sizeOf(rec), <u64>selectorOf(<u32>load<u8>(rec, 4)));
}

export function op_pop_segment(rec: usize): void {
  const size = sizeOf(rec);
  const value = peek(size, 0);
  if (failed()) return;
  if (loadDataSegment(<u32>load<u8>(rec, 4), <u32>value & 0xffff)) setStackPointer(load<u64>(GPR + RSP) + (1 << size));
}

export function op_pusha(rec: usize): void {
  const size = sizeOf(rec);
  const before = load<u64>(GPR + RSP);
  for (let i: usize = 0; i < 8; i++) {
    push(size, i == 4 ? before : load<u64>(GPR + i * 8));
    if (failed()) {
      store<u64>(GPR + RSP, before);
      return;
    }
  }
}

export function op_popa(rec: usize): void {
  const size = sizeOf(rec);
  for (let i: u64 = 0; i < 8; i++) {
    peek(size, i << size);
    if (failed()) return;
  }
  for (let i: u64 = 0; i < 8; i++) {
    if (i != 3) setRegister(<usize>(7 - i) * 8, size, peek(size, i << size));
  }
  setStackPointer(load<u64>(GPR + RSP) + (8 << size));
}

export function op_enter(rec: usize): void {
  const size = sizeOf(rec);
  const room = load<u64>(rec, IMM) & 0xffff;
  const level = (load<u64>(rec, IMM) >> 16) & 31;
  if (level != 0) return unsupported(rec);
  const frame = load<u64>(GPR + RSP) - (1 << size);
  write(onStack(frame), size, load<u64>(GPR + RBP));
  if (failed() || !probeWrite(onStack(frame - room), 1)) return;
  setRegister(RBP, size, frame);
  setStackPointer(frame - room);
}

export function op_leave(rec: usize): void {
  const size = sizeOf(rec);
  const frame = load<u64>(GPR + RBP);
  const value = read(onStack(frame), size);
  if (failed()) return;
  setStackPointer(frame + (1 << size));
  setRegister(RBP, size, value);
}

export function op_pushf(rec: usize): void {
  push(sizeOf(rec), getRflags() & ~(<u64>(FLAG_RF | FLAG_VM)));
}

/** Changes RFLAGS as POPF and IRET do at a privilege level; bits of operands smaller than 64 bits only. */
export function setRflags(value: u64, size: u32, cpl: u32): void {
  let changeable: u32 = FLAGS_FREE;
  const old = load<u32>(EFLAGS);
  if (cpl == 0) changeable |= FLAG_IOPL;
  if (cpl <= (old & FLAG_IOPL) >> 12) changeable |= FLAG_IF;
  if (size == 1) changeable &= 0xffff;
  store<u32>(EFLAGS, (old & ~changeable) | (<u32>value & changeable) | 2);
  setFlags(value);
  // Interrupts that wait are looked at after the next branch.
  if ((old & FLAG_IF) == 0 && (<u32>value & FLAG_IF) != 0) store<u32>(BUDGET, 0);
}

export function op_popf(rec: usize): void {
  const size = sizeOf(rec);
  const value = peek(size, 0);
  if (failed()) return;
  setStackPointer(load<u64>(GPR + RSP) + (1 << size));
  setRflags(value, size, load<u32>(CPL));
  store<u32>(EFLAGS, load<u32>(EFLAGS) & ~FLAG_RF);
  goTo(next(rec));
}

// --- Near branches ---

/** Takes a relative branch. */
function branch(rec: usize): void {
  const offset = load<u64>(rec, IMM);
  const to = pointerAt(offset);
  if (sizeOf(rec) == 1 && to > 0xffff) goTo(to & 0xffff);
  else linkTo(rec, offset);
}

export function op_jmp(rec: usize): void {
  branch(rec);
}

export function op_jcc(rec: usize): void {
  if (condition(<u32>load<u8>(rec, SCALE))) branch(rec);
}

export function op_call(rec: usize): void {
  push(sizeOf(rec), next(rec));
  if (!failed()) branch(rec);
}

export function op_call_near(rec: usize): void {
  const size = sizeOf(rec);
  const to = getE(rec, size);
  if (failed()) return;
  const pointer = load<u64>(GPR + RSP) - (1 << size);
  write(onStack(pointer), size, next(rec));
  if (failed()) return;
  if (!canonical(to)) return raiseError(GP, 0);
  setStackPointer(pointer);
  goTo(to);
}

export function op_jmp_near(rec: usize): void {
  const to = getE(rec, sizeOf(rec));
  if (failed()) return;
  if (canonical(to)) goTo(to);
  else raiseError(GP, 0);
}

export function op_ret(rec: usize): void {
  const size = sizeOf(rec);
  const to = peek(size, 0);
  if (failed()) return;
  if (!canonical(to)) return raiseError(GP, 0);
  const extra = load<u8>(rec, FORM) == FORM_I ? load<u64>(rec, IMM) : 0;
  setStackPointer(load<u64>(GPR + RSP) + (1 << size) + extra);
  goTo(to);
}

/** log2 of the bytes of the counter: the address size. */
function counterSize(rec: usize): u32 {
  return 3 - ((<u32>load<u8>(rec, FLAGS) >> 3) & 3);
}

function loopWhile(rec: usize, also: bool): void {
  const size = counterSize(rec);
  const count = (getRegister(RCX, size) - 1) & maskOf(size);
  setRegister(RCX, size, count);
  if (count != 0 && also) branch(rec);
}

export function op_loop(rec: usize): void {
  loopWhile(rec, true);
}
export function op_loope(rec: usize): void {
  loopWhile(rec, condition(4));
}
export function op_loopne(rec: usize): void {
  loopWhile(rec, condition(5));
}

export function op_jrcxz(rec: usize): void {
  if (getRegister(RCX, counterSize(rec)) == 0) branch(rec);
}
