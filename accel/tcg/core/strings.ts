import { FLAG_DF } from './bits';
import { setResult } from './flags';
import { portIn, portOut } from './host';
import { directRead, directWrite, failed, probeWrite, read, write } from './memory';
import { getRegister, maskOf, setRegister, sizeOf } from './operands';
import { setOnStackSegment } from './paging';
import { portAllowed } from './ports';
import { here } from './position';
import { FLAGS, PREFIX, PREFIX_REP, PREFIX_REPNE, SEGMENT } from './record';
import { BUDGET, EFLAGS, FLAG_RES, GPR, PEND_RIP, PENDING, RIP, SLOT_SEGBASE } from './state';

const RAX: usize = 0;
const RCX: usize = 8;
const RDX: usize = 16;
const RSI: usize = 48;
const RDI: usize = 56;

/** What a branch costs of the budget is what so many bytes cost. */
const BYTES_PER_BRANCH: u32 = 256;

function addressSize(rec: usize): u32 {
  return 3 - ((<u32>load<u8>(rec, FLAGS) >> 3) & 3);
}

function source(rec: usize): u64 {
  setOnStackSegment(false);
  return getRegister(RSI, addressSize(rec)) + load<u64>(<usize>load<u8>(rec, SEGMENT), GPR);
}

function destination(rec: usize): u64 {
  setOnStackSegment(false);
  const base: u64 = addressSize(rec) == 3 ? 0 : load<u64>(GPR + SLOT_SEGBASE);
  return getRegister(RDI, addressSize(rec)) + base;
}

function advance(rec: usize, register: usize, bytes: u64): void {
  const size = addressSize(rec);
  const step = (load<u32>(EFLAGS) & FLAG_DF) != 0 ? 0 - bytes : bytes;
  setRegister(register, size, getRegister(register, size) + step);
}

function repeats(rec: usize): bool {
  return (load<u8>(rec, PREFIX) & (PREFIX_REP | PREFIX_REPNE)) != 0;
}

/** Takes `count` off rCX. True when the instruction has more to do now. */
function countDown(rec: usize, count: u64, bytes: u64): bool {
  const size = addressSize(rec);
  const left = getRegister(RCX, size) - count;
  setRegister(RCX, size, left);
  if ((left & maskOf(size)) == 0) return false;
  const budget = load<i32>(BUDGET) - 1 - <i32>(bytes / BYTES_PER_BRANCH);
  store<i32>(BUDGET, budget);
  if (budget > 0) return true;
  // Interrupts are due: the instruction is taken up again where it stands.
  store<u64>(RIP, here(rec));
  store<u32>(PENDING, PEND_RIP);
  return false;
}

/** How many elements can be done at once from here upwards, in one page: 0 when DF is set or one crosses a page. */
function elements(rec: usize, va: u64): u64 {
  if ((load<u32>(EFLAGS) & FLAG_DF) != 0) return 0;
  const count = getRegister(RCX, addressSize(rec));
  return min<u64>(count, (4096 - (va & 0xfff)) >> sizeOf(rec));
}

export function op_movs(rec: usize): void {
  const size = sizeOf(rec);
  if (!repeats(rec)) {
    move(rec, size);
    return;
  }
  if (getRegister(RCX, addressSize(rec)) == 0) return;
  while (true) {
    let n = min(elements(rec, source(rec)), elements(rec, destination(rec)));
    let from: usize = 0;
    let to: usize = 0;
    if (n > 1) {
      from = directRead(source(rec));
      to = directWrite(destination(rec));
    }
    if (from != 0 && to != 0) {
      const bytes = (<usize>n) << size;
      // Where the destination begins inside of the source, what was written is read again.
      if (to > from && to < from + bytes) {
        for (let i: usize = 0; i < bytes; i += 1 << size) copyElement(to + i, from + i, size);
      } else memory.copy(to, from, bytes);
      advance(rec, RSI, bytes);
      advance(rec, RDI, bytes);
    } else {
      n = 1;
      if (!move(rec, size)) return;
    }
    if (!countDown(rec, n, n << size)) return;
  }
}

function copyElement(to: usize, from: usize, size: u32): void {
  switch (size) {
    case 0:
      store<u8>(to, load<u8>(from));
      break;
    case 1:
      store<u16>(to, load<u16>(from));
      break;
    case 2:
      store<u32>(to, load<u32>(from));
      break;
    default:
      store<u64>(to, load<u64>(from));
  }
}

function move(rec: usize, size: u32): bool {
  const value = read(source(rec), size);
  if (failed()) return false;
  write(destination(rec), size, value);
  if (failed()) return false;
  advance(rec, RSI, 1 << size);
  advance(rec, RDI, 1 << size);
  return true;
}

export function op_stos(rec: usize): void {
  const size = sizeOf(rec);
  const value = load<u64>(GPR);
  if (!repeats(rec)) {
    write(destination(rec), size, value);
    if (!failed()) advance(rec, RDI, 1 << size);
    return;
  }
  if (getRegister(RCX, addressSize(rec)) == 0) return;
  while (true) {
    let n = elements(rec, destination(rec));
    const to = n > 1 ? directWrite(destination(rec)) : 0;
    if (to != 0) {
      fill(to, <usize>n, size, value);
      advance(rec, RDI, n << size);
    } else {
      n = 1;
      write(destination(rec), size, value);
      if (failed()) return;
      advance(rec, RDI, 1 << size);
    }
    if (!countDown(rec, n, n << size)) return;
  }
}

function fill(to: usize, count: usize, size: u32, value: u64): void {
  const low = value & 0xff;
  if (value & maskOf(size)) {
    if (((low * 0x0101010101010101) & maskOf(size)) != (value & maskOf(size))) {
      for (let i: usize = 0; i < count; i++) {
        const at = to + (i << size);
        if (size == 3) store<u64>(at, value);
        else if (size == 2) store<u32>(at, <u32>value);
        else store<u16>(at, <u16>value);
      }
      return;
    }
  }
  memory.fill(to, <u8>low, count << size);
}

export function op_lods(rec: usize): void {
  const size = sizeOf(rec);
  if (repeats(rec) && getRegister(RCX, addressSize(rec)) == 0) return;
  do {
    const value = read(source(rec), size);
    if (failed()) return;
    setRegister(RAX, size, value);
    advance(rec, RSI, 1 << size);
  } while (repeats(rec) && countDown(rec, 1, 1 << size));
}

/** Flags of a - b; whether REPE or REPNE goes on. */
function compared(rec: usize, size: u32, a: u64, b: u64): bool {
  const r = a - b;
  setResult(size, r, (~a & b) | ((~a | b) & r));
  const equal = load<u64>(FLAG_RES) == 0;
  return (load<u8>(rec, PREFIX) & PREFIX_REP) != 0 ? equal : !equal;
}

export function op_scas(rec: usize): void {
  const size = sizeOf(rec);
  if (repeats(rec) && getRegister(RCX, addressSize(rec)) == 0) return;
  while (true) {
    const value = read(destination(rec), size);
    if (failed()) return;
    advance(rec, RDI, 1 << size);
    const goesOn = compared(rec, size, getRegister(RAX, size), value);
    if (!repeats(rec) || !countDownWhile(rec, goesOn, 1 << size)) return;
  }
}

/** Counts down; goes on only when the condition of the prefix holds too. */
function countDownWhile(rec: usize, goesOn: bool, bytes: u64): bool {
  if (goesOn) return countDown(rec, 1, bytes);
  const size = addressSize(rec);
  setRegister(RCX, size, getRegister(RCX, size) - 1);
  return false;
}

export function op_cmps(rec: usize): void {
  const size = sizeOf(rec);
  if (repeats(rec) && getRegister(RCX, addressSize(rec)) == 0) return;
  while (true) {
    // In this order, which shows when both fault, as CPUs do.
    const b = read(destination(rec), size);
    if (failed()) return;
    const a = read(source(rec), size);
    if (failed()) return;
    advance(rec, RSI, 1 << size);
    advance(rec, RDI, 1 << size);
    const goesOn = compared(rec, size, a, b);
    if (!repeats(rec) || !countDownWhile(rec, goesOn, 1 << size)) return;
  }
}

export function op_ins(rec: usize): void {
  const size = min<u32>(sizeOf(rec), 2);
  if (repeats(rec) && getRegister(RCX, addressSize(rec)) == 0) return;
  if (!portAllowed(<u32>getRegister(RDX, 1), 1 << size)) return;
  do {
    const at = destination(rec);
    if (!probeWrite(at, 1 << size)) return;
    write(at, size, <u64>portIn(<u32>getRegister(RDX, 1), 1 << size));
    advance(rec, RDI, 1 << size);
  } while (repeats(rec) && countDown(rec, 1, 1 << size));
}

export function op_outs(rec: usize): void {
  const size = min<u32>(sizeOf(rec), 2);
  if (repeats(rec) && getRegister(RCX, addressSize(rec)) == 0) return;
  if (!portAllowed(<u32>getRegister(RDX, 1), 1 << size)) return;
  do {
    const value = read(source(rec), size);
    if (failed()) return;
    portOut(<u32>getRegister(RDX, 1), 1 << size, <u32>value);
    advance(rec, RSI, 1 << size);
  } while (repeats(rec) && countDown(rec, 1, 1 << size));
}
