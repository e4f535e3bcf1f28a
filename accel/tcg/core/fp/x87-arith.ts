// x87 arithmetic and comparison. `op` is ModRM.reg of the instruction: 0 add, 1 multiply, 4 subtract, 5 subtract reversed,
// 6 divide, 7 divide reversed; what is not reversed has ST(0) first.
import { setFlags } from '../flags';
import { FSW } from '../state';
import { IE } from './control';
import {
  A,
  B,
  Env,
  moveToB,
  noteDenormals,
  QNAN,
  SNAN,
  swapOperands,
  unpack32,
  unpack64,
  unpackInteger,
} from './number';
import { add, compare, divide, EQUAL, GREATER, LESS, multiply, squareRoot, subtract, UNORDERED } from './soft';
import {
  C0,
  C1,
  C2,
  C3,
  finish,
  isEmpty,
  pop,
  precision,
  proceed,
  roundExtended,
  setConditions,
  start,
  underflow,
  unpackSlot,
} from './x87-stack';

/** R = ST(0) op B, rounded by the control word. */
function operate(op: i32): void {
  unpackSlot(0);
  if (op === 5 || op === 7) swapOperands();
  if (op === 0) add();
  else if (op === 1) multiply();
  else if (op < 6) subtract();
  else divide();
  roundExtended(precision());
}

/** ST(0) = ST(0) op B; A holds the memory operand. */
function withMemory(op: i32): void {
  moveToB();
  if (isEmpty(0)) underflow();
  else operate(op);
  finish(0);
}

/** Between ST(0) and ST(i), to either of them. */
function withRegister(op: i32, i: i32, to: i32): bool {
  start();
  if (isEmpty(0) || isEmpty(i)) underflow();
  else {
    unpackSlot(i);
    moveToB();
    operate(op);
  }
  return finish(to);
}

export function arithmeticSingle(s: usize, op: i32): void {
  start();
  unpack32(load<u32>(s));
  withMemory(op);
}

export function arithmeticDouble(s: usize, op: i32): void {
  start();
  unpack64(load<u64>(s));
  withMemory(op);
}

export function arithmeticInteger16(s: usize, op: i32): void {
  start();
  unpackInteger(load<i16>(s));
  withMemory(op);
}

export function arithmeticInteger32(s: usize, op: i32): void {
  start();
  unpackInteger(load<i32>(s));
  withMemory(op);
}

/** To ST(0) (D8). */
export function arithmetic(i: i32, op: i32): void {
  withRegister(op, i, 0);
}

/** To ST(i) (DC). */
export function arithmeticTo(i: i32, op: i32): void {
  withRegister(op, i, i);
}

/** To ST(i), popping (DE). */
export function arithmeticPop(i: i32, op: i32): void {
  if (withRegister(op, i, i)) pop();
}

export function fsqrt(): void {
  start();
  if (isEmpty(0)) underflow();
  else {
    unpackSlot(0);
    squareRoot();
    roundExtended(precision());
  }
  finish(0);
}

/** The relation of A and B. Every NaN is invalid unless `quiet`. */
function relation(quiet: bool): u32 {
  if (A.kind >= QNAN || B.kind >= QNAN) {
    if (!quiet || A.kind >= SNAN || B.kind >= SNAN) Env.flags |= IE;
    return UNORDERED;
  }
  noteDenormals();
  return compare();
}

/** Ends a comparison of ST(0) with B; `missing` when an operand is. True when it may pop: the result is noted anyhow. */
function compareStatus(missing: bool, quiet: bool): bool {
  let order = UNORDERED;
  if (missing) underflow();
  else {
    unpackSlot(0);
    order = relation(quiet);
  }
  setConditions(order === GREATER ? 0 : order === LESS ? C0 : order === EQUAL ? C3 : C3 | C2 | C0);
  return proceed();
}

/** FCOM and FCOMP with memory: `pops` are the registers popped. */
function compareMemory(pops: i32): void {
  moveToB();
  if (compareStatus(isEmpty(0), false) && pops) pop();
}

export function fcomSingle(s: usize, pops: i32): void {
  start();
  unpack32(load<u32>(s));
  compareMemory(pops);
}

export function fcomDouble(s: usize, pops: i32): void {
  start();
  unpack64(load<u64>(s));
  compareMemory(pops);
}

export function ficom16(s: usize, pops: i32): void {
  start();
  unpackInteger(load<i16>(s));
  compareMemory(pops);
}

export function ficom32(s: usize, pops: i32): void {
  start();
  unpackInteger(load<i32>(s));
  compareMemory(pops);
}

function compareRegister(i: i32, pops: i32, quiet: bool): void {
  start();
  const missing = isEmpty(0) || isEmpty(i);
  unpackSlot(i);
  moveToB();
  if (!compareStatus(missing, quiet)) return;
  if (pops > 0) pop();
  if (pops > 1) pop();
}

export function fcom(i: i32, pops: i32): void {
  compareRegister(i, pops, false);
}

export function fucom(i: i32, pops: i32): void {
  compareRegister(i, pops, true);
}

export function fcompp(): void {
  compareRegister(1, 2, false);
}

export function fucompp(): void {
  compareRegister(1, 2, true);
}

export function ftst(): void {
  start();
  unpackInteger(0);
  moveToB();
  compareStatus(isEmpty(0), false);
}

/** C1 stays, unlike after other instructions. */
function compareFlags(i: i32, pops: i32, quiet: bool): void {
  const c1 = <u32>load<u16>(FSW) & C1;
  start();
  let order = UNORDERED;
  if (isEmpty(0) || isEmpty(i)) underflow();
  else {
    unpackSlot(i);
    moveToB();
    unpackSlot(0);
    order = relation(quiet);
    store<u16>(FSW, <u16>(<u32>load<u16>(FSW) | c1));
  }
  setFlags(order === GREATER ? 0 : order === LESS ? 1 : order === EQUAL ? 64 : 69);
  if (proceed() && pops) pop();
}

export function fcomi(i: i32, pops: i32): void {
  compareFlags(i, pops, false);
}

export function fucomi(i: i32, pops: i32): void {
  compareFlags(i, pops, true);
}
