import { CR0_EM, CR0_PE, CR0_TS, CR4_OSFXSR, EFER_LMA, GP, NP, SS } from './bits';
import { raiseError } from './exceptions';
import { failed, readSystem, writeAs } from './memory';
import {
  CPL,
  CR0,
  CR4,
  EFER,
  EXEC_KEY,
  FPU_TRAP,
  GDT_BASE,
  GDT_LIMIT,
  GPR,
  MODE,
  SEG_ATTRIBUTES,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEGMENT_SIZE,
  SEGMENTS,
  SLOT_SEGBASE,
  TLB,
  TLB_KERNEL,
  TLB_USER,
} from './state';

export const SEG_ES: u32 = 0;
export const SEG_CS: u32 = 1;
export const SEG_SS: u32 = 2;
export const SEG_DS: u32 = 3;
export const SEG_FS: u32 = 4;
export const SEG_GS: u32 = 5;
export const SEG_LDT: u32 = 6;
export const SEG_TR: u32 = 7;

// Attributes: bits 8 to 23 of a descriptor's second word.
export const ATTR_TYPE: u32 = 0x0f;
export const ATTR_ACCESSED: u32 = 0x01;
export const ATTR_WRITABLE: u32 = 0x02;
export const ATTR_CONFORMING: u32 = 0x04;
export const ATTR_CODE: u32 = 0x08;
export const ATTR_S: u32 = 0x10;
export const ATTR_P: u32 = 0x80;
export const ATTR_L: u32 = 0x2000;
export const ATTR_DB: u32 = 0x4000;
export const ATTR_G: u32 = 0x8000;

export function segment(index: u32): usize {
  return SEGMENTS + index * SEGMENT_SIZE;
}

export function selectorOf(index: u32): u32 {
  return load<u32>(segment(index), SEG_SELECTOR);
}

export function attributesOf(index: u32): u32 {
  return load<u32>(segment(index), SEG_ATTRIBUTES);
}

export function longMode(): bool {
  return (load<u64>(EFER) & EFER_LMA) != 0;
}

export function protectedMode(): bool {
  return (load<u64>(CR0) & CR0_PE) != 0;
}

export function setSegment(index: u32, selector: u32, base: u64, limit: u32, attributes: u32): void {
  const at = segment(index);
  store<u32>(at, selector, SEG_SELECTOR);
  store<u32>(at, attributes, SEG_ATTRIBUTES);
  store<u32>(at, limit, SEG_LIMIT);
  store<u64>(GPR + SLOT_SEGBASE + index * 8, base);
}

/** What follows from CS, CPL and control registers; to be called after any of them changed. */
export function updateMode(): void {
  const cs = attributesOf(SEG_CS);
  const mode: u32 = longMode() && (cs & ATTR_L) != 0 ? 0 : (cs & ATTR_DB) != 0 ? 1 : 2;
  store<u32>(MODE, mode);
  const user: u32 = load<u32>(CPL) == 3 ? 1 : 0;
  store<u32>(EXEC_KEY, (mode << 1) | user);
  store<u32>(TLB, user != 0 ? TLB_USER : TLB_KERNEL);
  const cr0 = load<u64>(CR0);
  let trap: u32 = 0;
  if ((cr0 & CR0_TS) != 0) trap |= 3;
  if ((cr0 & CR0_EM) != 0) trap |= 12;
  if ((load<u64>(CR4) & CR4_OSFXSR) == 0) trap |= 4;
  store<u32>(FPU_TRAP, trap);
}

/** The descriptor read by the last readDescriptor(), as one word, and its address. */
export let descriptor: u64 = 0;
export let descriptorAddress: u64 = 0;

/** Reads the descriptor of a selector. False when an exception was raised: `vector` with the selector when it is beyond the table. */
export function readDescriptor(selector: u32, vector: u32): bool {
  const local = (selector & 4) != 0;
  const base = local ? load<u64>(GPR + SLOT_SEGBASE + SEG_LDT * 8) : load<u64>(GDT_BASE);
  const limit = local ? load<u32>(segment(SEG_LDT), SEG_LIMIT) : load<u32>(GDT_LIMIT);
  if ((local && (selectorOf(SEG_LDT) & 0xfffc) == 0) || (selector | 7) > limit) {
    raiseError(vector, selector & 0xfffc);
    return false;
  }
  descriptorAddress = base + (selector & 0xfff8);
  descriptor = readSystem(descriptorAddress, 3);
  return !failed();
}

export function attributes(word: u64): u32 {
  return <u32>(word >> 40) & 0xf0ff;
}

export function baseOf(word: u64): u64 {
  return ((word >> 16) & 0xffffff) | ((word >> 32) & 0xff000000);
}

export function limitOf(word: u64): u32 {
  const limit = <u32>(word & 0xffff) | (<u32>(word >> 32) & 0xf0000);
  return (attributes(word) & ATTR_G) != 0 ? (limit << 12) | 0xfff : limit;
}

export function dpl(attr: u32): u32 {
  return (attr >> 5) & 3;
}

export function setAccessed(): void {
  if ((descriptor & 0x10000000000) != 0) return;
  descriptor |= 0x10000000000;
  writeAs(descriptorAddress + 5, 0, descriptor >> 40, TLB_KERNEL);
}

/** MOV or POP to ES, SS, DS, FS, GS. False when an exception was raised and nothing changed. */
export function loadDataSegment(index: u32, selector: u32): bool {
  if (!protectedMode()) {
    const at = segment(index);
    setSegment(index, selector, <u64>(selector << 4), load<u32>(at, SEG_LIMIT), load<u32>(at, SEG_ATTRIBUTES));
    return true;
  }
  const cpl = load<u32>(CPL);
  const rpl = selector & 3;
  if ((selector & 0xfffc) == 0) {
    if (index == SEG_SS && (load<u32>(MODE) != 0 || cpl == 3 || rpl != cpl)) {
      raiseError(GP, 0);
      return false;
    }
    // A null selector keeps base 0 of FS and GS on Intel's CPUs.
    setSegment(index, selector, 0, 0, index == SEG_SS ? 0x93 | (cpl << 5) : 0);
    return true;
  }
  if (!readDescriptor(selector, GP)) return false;
  const attr = attributes(descriptor);
  const isCode = (attr & ATTR_CODE) != 0;
  let allowed = (attr & ATTR_S) != 0;
  if (index == SEG_SS) allowed = allowed && !isCode && (attr & ATTR_WRITABLE) != 0 && rpl == cpl && dpl(attr) == cpl;
  else {
    allowed = allowed && (!isCode || (attr & ATTR_WRITABLE) != 0);
    if (!isCode || (attr & ATTR_CONFORMING) == 0) allowed = allowed && dpl(attr) >= max(cpl, rpl);
  }
  if (!allowed) {
    raiseError(GP, selector & 0xfffc);
    return false;
  }
  if ((attr & ATTR_P) == 0) {
    raiseError(index == SEG_SS ? SS : NP, selector & 0xfffc);
    return false;
  }
  setAccessed();
  if (failed()) return false;
  setSegment(index, selector, baseOf(descriptor), limitOf(descriptor), attributes(descriptor));
  return true;
}

/** Sets CS from the descriptor just read, with a privilege level. */
export function setCodeSegment(selector: u32, cpl: u32): void {
  store<u32>(CPL, cpl);
  setSegment(SEG_CS, (selector & 0xfffc) | cpl, baseOf(descriptor), limitOf(descriptor), attributes(descriptor));
  updateMode();
}

/** Size of stack pointers: log2 of bytes. */
export function stackSize(): u32 {
  if (load<u32>(MODE) == 0) return 3;
  return (attributesOf(SEG_SS) & ATTR_DB) != 0 ? 2 : 1;
}

export function stackBase(): u64 {
  return load<u32>(MODE) == 0 ? 0 : load<u64>(GPR + SLOT_SEGBASE + SEG_SS * 8);
}
