// Instructions that save and restore the state of the x87 and SSE in memory; their images are made in SAVE_AREA.
import { raise, raiseError } from '../exceptions';
import { address, failed, probeRead, probeWrite, readBytes, write, writeBytes } from '../memory';
import { FLAG_ADDRESS_SHIFT, FLAGS, PREFIX, PREFIX_REXW, REG, RM, SEGMENT } from '../record';
import { ADDRESS_MASKS, CPL, CR4, FPR, GPR, MODE, SAVE_AREA, XCR0, XMM } from '../state';
import {
  initSse,
  initX87,
  inUse,
  loadMxcsrImage,
  loadSseImage,
  loadX87Image,
  SSE,
  storeMxcsrImage,
  storeSseImage,
  storeX87Image,
  validMxcsrImage,
  X87,
} from './image';
import { enterMmx } from './mmx';
import { loadEnvironment, loadState, storeEnvironment, storeState } from './x87-control';

const UD: u32 = 6;
const GP: u32 = 13;
const OSXSAVE: u64 = 1 << 18;

/** FXSAVE's image without what it leaves alone: 416 bytes, 288 outside of 64-bit mode. XSAVE's header follows at 512. */
const XMM_PART: u32 = 160;
const HEADER: u64 = 512;
const HEADER_SIZE: u32 = 64;

function xmmRegisters(): i32 {
  return load<u32>(MODE) === 0 ? 16 : 8;
}

function isWide(rec: usize): bool {
  return (load<u8>(rec, PREFIX) & PREFIX_REXW) !== 0;
}

/** Operands of 32 bits, not 16. */
function isLong(rec: usize): bool {
  return (load<u8>(rec, FLAGS) & 3) !== 1;
}

/** The environment's size and the whole state's. */
function environmentSize(rec: usize): u32 {
  return isLong(rec) ? 28 : 14;
}

export function fnstenv(rec: usize): void {
  const va = address(rec);
  if (!probeWrite(va, environmentSize(rec))) return;
  writeBytes(va, SAVE_AREA, storeEnvironment(SAVE_AREA, isLong(rec)));
}

export function fldenv(rec: usize): void {
  readBytes(address(rec), SAVE_AREA, environmentSize(rec));
  if (!failed()) loadEnvironment(SAVE_AREA, isLong(rec));
}

export function fnsave(rec: usize): void {
  const va = address(rec);
  if (!probeWrite(va, environmentSize(rec) + 80)) return;
  writeBytes(va, SAVE_AREA, storeState(SAVE_AREA, isLong(rec)));
}

export function frstor(rec: usize): void {
  readBytes(address(rec), SAVE_AREA, environmentSize(rec) + 80);
  if (!failed()) loadState(SAVE_AREA, isLong(rec));
}

/** The address of an image of that alignment; false when #GP is raised. */
function isAligned(va: u64, bytes: u64): bool {
  if (!(va & (bytes - 1))) return true;
  raiseError(GP, 0);
  return false;
}

export function fxsave(rec: usize): void {
  const va = address(rec);
  if (!isAligned(va, 16)) return;
  const registers = xmmRegisters();
  memory.fill(SAVE_AREA, 0, 32);
  storeX87Image(SAVE_AREA, isWide(rec));
  storeMxcsrImage(SAVE_AREA);
  storeSseImage(SAVE_AREA, registers);
  writeBytes(va, SAVE_AREA, XMM_PART + 16 * registers);
}

export function fxrstor(rec: usize): void {
  const va = address(rec);
  if (!isAligned(va, 16)) return;
  const registers = xmmRegisters();
  readBytes(va, SAVE_AREA, XMM_PART + 16 * registers);
  if (failed()) return;
  if (!validMxcsrImage(SAVE_AREA)) return raiseError(GP, 0);
  loadX87Image(SAVE_AREA, isWide(rec));
  loadMxcsrImage(SAVE_AREA);
  loadSseImage(SAVE_AREA, registers);
}

/** The components that EDX:EAX asks for and XCR0 has. */
function requested(): u32 {
  return load<u32>(GPR) & load<u32>(XCR0);
}

/** Whether XSAVE and its kin may work at `va`; raises #UD or #GP when not. */
function xsaveReady(va: u64): bool {
  if (load<u64>(CR4) & OSXSAVE) return isAligned(va, 64);
  raise(UD);
  return false;
}

export function xsave(rec: usize): void {
  saveExtended(rec, false);
}

/** XSAVE without what is in its initial state. */
export function xsaveopt(rec: usize): void {
  saveExtended(rec, true);
}

function saveExtended(rec: usize, optimized: bool): void {
  const va = address(rec);
  if (!xsaveReady(va) || !probeWrite(va, HEADER + HEADER_SIZE)) return;
  readBytes(va + HEADER, SAVE_AREA, 8);
  if (failed()) return;
  const mask = requested();
  const used = inUse();
  const present = (load<u64>(SAVE_AREA) & ~(<u64>mask)) | (mask & used);
  const parts = optimized ? mask & used : mask;
  const registers = xmmRegisters();
  memory.fill(SAVE_AREA, 0, 32);
  storeX87Image(SAVE_AREA, isWide(rec));
  storeMxcsrImage(SAVE_AREA);
  storeSseImage(SAVE_AREA, registers);
  if (parts & X87) {
    writeBytes(va, SAVE_AREA, 24);
    writeBytes(va + 32, SAVE_AREA + 32, 128);
  }
  if (mask & SSE) writeBytes(va + 24, SAVE_AREA + 24, 8);
  if (parts & SSE) writeBytes(va + XMM_PART, SAVE_AREA + XMM_PART, 16 * registers);
  write(va + HEADER, 3, present);
}

export function xrstor(rec: usize): void {
  const va = address(rec);
  if (!xsaveReady(va) || !probeRead(va, HEADER + HEADER_SIZE)) return;
  readBytes(va, SAVE_AREA, <u32>HEADER + HEADER_SIZE);
  if (failed()) return;
  const header = SAVE_AREA + <usize>HEADER;
  const present = load<u64>(header);
  const mask = requested();
  // The compacted form (XCOMP_BV) is not offered: what follows XSTATE_BV must be 0.
  if (present & ~load<u64>(XCR0) || load<u64>(header, 8) || load<u64>(header, 16)) return raiseError(GP, 0);
  if (mask & SSE && !validMxcsrImage(SAVE_AREA)) return raiseError(GP, 0);
  if (mask & X87) {
    if (present & X87) loadX87Image(SAVE_AREA, isWide(rec));
    else initX87();
  }
  if (mask & SSE) {
    loadMxcsrImage(SAVE_AREA);
    if (present & SSE) loadSseImage(SAVE_AREA, xmmRegisters());
    else initSse(xmmRegisters());
  }
}

/** Writes the bytes of the register at `source` whose sign in `mask` is set to DS:rDI; all or none of them. */
function storeMasked(rec: usize, source: usize, mask: usize, bytes: u64): void {
  let va = load<u64>(GPR + 7 * 8);
  const size = (<usize>load<u8>(rec, FLAGS) >> FLAG_ADDRESS_SHIFT) & 3;
  va = (va & load<u64>(ADDRESS_MASKS + (size << 3))) + load<u64>(<usize>load<u8>(rec, SEGMENT), GPR);
  for (let i: u64 = 0; i < bytes; i++) {
    if (load<i8>(mask + <usize>i) < 0 && !probeWrite(va + i, 1)) return;
  }
  for (let i: u64 = 0; i < bytes; i++) {
    if (load<i8>(mask + <usize>i) < 0) write(va + i, 0, load<u8>(source + <usize>i));
  }
}

export function maskmovdqu(rec: usize): void {
  storeMasked(rec, XMM + load<u8>(rec, REG), XMM + load<u8>(rec, RM), 16);
}

export function maskmovq(rec: usize): void {
  storeMasked(rec, FPR + load<u8>(rec, REG), FPR + load<u8>(rec, RM), 8);
  if (!failed()) enterMmx();
}

/** Whether XGETBV and XSETBV may work: register 0 is the only one. */
function isXcr0(): bool {
  if (!(load<u64>(CR4) & OSXSAVE)) {
    raise(UD);
    return false;
  }
  if (load<u32>(GPR + 8) === 0) return true;
  raiseError(GP, 0);
  return false;
}

export function xgetbv(_rec: usize): void {
  if (!isXcr0()) return;
  store<u64>(GPR, load<u32>(XCR0));
  store<u64>(GPR + 16, load<u32>(XCR0 + 4));
}

export function xsetbv(_rec: usize): void {
  if (!isXcr0()) return;
  const value = <u64>load<u32>(GPR) | ((<u64>load<u32>(GPR + 16)) << 32);
  if (load<u32>(CPL) !== 0 || !(value & X87) || value & ~(<u64>(X87 | SSE))) raiseError(GP, 0);
  else store<u64>(XCR0, value);
}
