import { GP, NM, UD } from './bits';
import { notEmulated, raise, raiseError } from './exceptions';
import { address, failed, read, readBytes, readForWrite, write, writeBytes } from './memory';
import { here } from './position';
import { FLAG_MEM, FLAGS, FORM, IMM, REG, RM } from './record';
import { FPU_TRAP, FSW, GPR, OPERAND, RIP } from './state';
import { FORM_EG, FORM_EGI, FORM_GE, FORM_GEI } from './tables';

export function sizeOf(rec: usize): u32 {
  return <u32>load<u8>(rec, FLAGS) & 3;
}

export function isMemory(rec: usize): bool {
  return (load<u8>(rec, FLAGS) & FLAG_MEM) != 0;
}

/** All ones of a size. */
export function maskOf(size: u32): u64 {
  return ~(<u64>0) >> (64 - (8 << size));
}

export function getRegister(offset: usize, size: u32): u64 {
  return (load<u64>(offset & ~7, GPR) >> ((offset & 7) << 3)) & maskOf(size);
}

/** Writes a general register as instructions do: 32-bit values clear the upper half, smaller ones leave the rest. */
export function setRegister(offset: usize, size: u32, value: u64): void {
  switch (size) {
    case 0:
      store<u8>(offset, <u8>value, GPR);
      break;
    case 1:
      store<u16>(offset, <u16>value, GPR);
      break;
    case 2:
      store<u64>(offset, value & 0xffffffff, GPR);
      break;
    default:
      store<u64>(offset, value, GPR);
  }
}

export function getG(rec: usize, size: u32): u64 {
  return getRegister(<usize>load<u8>(rec, REG), size);
}

export function setG(rec: usize, size: u32, value: u64): void {
  setRegister(<usize>load<u8>(rec, REG), size, value);
}

/** The E operand's value; PENDING tells of an exception. */
export function getE(rec: usize, size: u32): u64 {
  return isMemory(rec) ? read(address(rec), size) : getRegister(<usize>load<u8>(rec, RM), size);
}

/** Writes the E operand, if no exception is raised. */
export function setE(rec: usize, size: u32, value: u64): void {
  if (isMemory(rec)) write(address(rec), size, value);
  else setRegister(<usize>load<u8>(rec, RM), size, value);
}

/** The E operand's value; setE() after it raises no exception. */
export function changeE(rec: usize, size: u32): u64 {
  return isMemory(rec) ? readForWrite(address(rec), size) : getRegister(<usize>load<u8>(rec, RM), size);
}

/** The source next to an E or G destination; PENDING tells. */
export function getSource(rec: usize, size: u32): u64 {
  const form: u32 = load<u8>(rec, FORM);
  if (form == FORM_EG || form == FORM_EGI) return getG(rec, size);
  if (form == FORM_GE || form == FORM_GEI) return getE(rec, size);
  return load<u64>(rec, IMM) & maskOf(size);
}

/** Known to the decoder but not emulated: the machine stops. */
export function unsupported(rec: usize): void {
  store<u64>(RIP, here(rec));
  notEmulated();
}

// --- SSE, MMX, x87 ---

export const UNIT_SSE: u32 = 0;
export const UNIT_MMX: u32 = 1;
export const UNIT_X87: u32 = 2;

/** Called when FPU_TRAP is not 0. False when the unit may not be used: an exception was raised. */
export function fpuReady(unit: u32): bool {
  const trap = load<u32>(FPU_TRAP);
  if (unit == UNIT_SSE ? (trap & 4) != 0 : unit == UNIT_MMX && (trap & 8) != 0) {
    raise(UD);
    return false;
  }
  if ((trap & 1) != 0 || (unit == UNIT_X87 && (trap & 8) != 0)) {
    raise(NM);
    return false;
  }
  return true;
}

function aligned(va: u64, bytes: u32, wanted: bool): bool {
  if (!wanted || (va & (bytes - 1)) == 0) return true;
  raiseError(GP, 0);
  return false;
}

/** Where an E operand can be read: its register in an area, or a copy of memory. 0 when there was an exception. */
export function sourceOperand(rec: usize, area: usize, bytes: u32, align: bool): usize {
  if (!isMemory(rec)) return area + <usize>load<u8>(rec, RM);
  const va = address(rec);
  if (!aligned(va, bytes, align)) return 0;
  readBytes(va, OPERAND, bytes);
  return failed() ? 0 : OPERAND;
}

/** Writes an E operand in memory from OPERAND. */
export function storeOperand(rec: usize, bytes: u32, align: bool): void {
  if (!isMemory(rec) || failed()) return;
  const va = address(rec);
  if (aligned(va, bytes, align)) writeBytes(va, OPERAND, bytes);
}

/** The same after the x87 has done the rest of the instruction: when memory can't be written its words become what they were. */
export function storeX87(rec: usize, bytes: u32, before: u32): void {
  writeBytes(address(rec), OPERAND, bytes);
  if (failed()) store<u32>(FSW, before);
}
