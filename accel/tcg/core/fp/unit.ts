// What surrounds an instruction of the x87, of MMX or of SSE, and the control registers in memory.
import { raise, raiseError } from '../exceptions';
import { address } from '../memory';
import { FLAG_MEM, FLAGS, OFFSET } from '../record';
import { FDP, FIP, FSW, GPR, MXCSR, PENDING, SLOT_PAGE } from '../state';
import { MXCSR_MASK } from './image';
import { enterMmx, sealMmx } from './mmx';
import { isPending } from './x87-stack';

const GP: u32 = 13;
/** #MF */
const X87_EXCEPTION: u32 = 16;

/** Raises #MF where an x87 exception waits; true then. CR0.NE is taken for set, as in every 64-bit system. */
export function raisePending(): bool {
  if (!isPending()) return false;
  raise(X87_EXCEPTION);
  return true;
}

/** Ends an instruction of the x87: notes where it and its operand were. The last opcode is not kept: FOP reads 0. */
export function endX87(rec: usize): void {
  if (load<u32>(PENDING) !== 0) return;
  store<u64>(FIP, load<u64>(GPR + SLOT_PAGE) + <u64>load<u16>(rec, OFFSET));
  if (load<u8>(rec, FLAGS) & FLAG_MEM) store<u64>(FDP, address(rec));
}

/** Ends an instruction of MMX that wrote the register at `written`, or none. */
export function endMmx(written: usize): void {
  if (load<u32>(PENDING) !== 0) return;
  enterMmx();
  sealMmx(written);
}

export function ldmxcsr(s: usize): void {
  const value = load<u32>(s);
  if (value & ~MXCSR_MASK) raiseError(GP, 0);
  else store<u32>(MXCSR, value);
}

export function stmxcsr(d: usize): void {
  store<u32>(d, load<u32>(MXCSR));
}

export function fnstswAx(): void {
  store<u16>(GPR, load<u16>(FSW));
}

export function fnop(): void {}
