import { NEXT, OFFSET } from './record';
import { GPR, MODE, SLOT_PAGE, SLOT_SEGBASE } from './state';

/** Base of CS: 0 in 64-bit mode. */
export function codeBase(): u64 {
  return load<u32>(MODE) == 0 ? 0 : load<u64>(GPR + SLOT_SEGBASE + 8);
}

/** Instruction pointer of an offset relative to the current page. */
export function pointerAt(offset: u64): u64 {
  const at = load<u64>(GPR + SLOT_PAGE) + offset;
  return load<u32>(MODE) == 0 ? at : (at - load<u64>(GPR + SLOT_SEGBASE + 8)) & 0xffffffff;
}

/** Instruction pointer of an instruction. */
export function here(rec: usize): u64 {
  return pointerAt(<u64>load<u16>(rec, OFFSET));
}

/** Instruction pointer behind an instruction. */
export function next(rec: usize): u64 {
  return pointerAt(<u64>load<u16>(rec, NEXT));
}
