import {
  CR0_ET,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_VALID,
  CR0_WP,
  CR4_FSGSBASE,
  CR4_PAE,
  CR4_TSD,
  CR4_VALID,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  FLAG_IF,
  FLAG_IOPL,
  GP,
  NP,
  UD,
} from './bits';
import { raise, raiseError } from './exceptions';
import { getFlags, setFlags } from './flags';
import { cpuid, getTaskPriority, random, readMsr, setTaskPriority, tsc, writeMsr } from './host';
import { address, failed, read, readSystem, write, writeAs } from './memory';
import { getE, getRegister, isMemory, setE, setG, setRegister, sizeOf, unsupported } from './operands';
import { flushAll, flushLocal, flushPage } from './paging';
import { next } from './position';
import { REG, RM } from './record';
import {
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_P,
  ATTR_S,
  ATTR_WRITABLE,
  attributes,
  baseOf,
  descriptor,
  descriptorAddress,
  dpl,
  limitOf,
  loadDataSegment,
  longMode,
  protectedMode,
  readDescriptor,
  SEG_CS,
  SEG_FS,
  SEG_GS,
  SEG_LDT,
  SEG_TR,
  segment,
  selectorOf,
  setSegment,
  updateMode,
} from './segments';
import { goTo, leave } from './settle';
import {
  BUDGET,
  CPL,
  CR0,
  CR2,
  CR3,
  CR4,
  CSTAR,
  DR,
  EFER,
  EFLAGS,
  EXIT_HALT,
  EXIT_YIELD,
  FMASK,
  GDT_BASE,
  GDT_LIMIT,
  GPR,
  HALTED,
  IDT_BASE,
  IDT_LIMIT,
  KERNEL_GS_BASE,
  LSTAR,
  MODE,
  PAT,
  RESULT,
  SEG_LIMIT,
  SLOT_SEGBASE,
  STAR,
  SYSENTER_CS,
  SYSENTER_EIP,
  SYSENTER_ESP,
  TLB_KERNEL,
  TSC_AUX,
  YIELDS,
} from './state';

const _RAX: usize = 0;
const _RCX: usize = 8;
const _RDX: usize = 16;
const _RBX: usize = 24;

/** Whether the privilege is 0; raises #GP(0) when not. */
function privileged(): bool {
  if (load<u32>(CPL) == 0) return true;
  raiseError(GP, 0);
  return false;
}

// --- Segments ---

export function op_mov_from_segment(rec: usize): void {
  const value = <u64>selectorOf(<u32>load<u8>(rec, REG));
  if (isMemory(rec)) setE(rec, 1, value);
  else setE(rec, sizeOf(rec), value);
}

export function op_mov_to_segment(rec: usize): void {
  const index = <u32>load<u8>(rec, REG) & 7;
  if (index == SEG_CS || index > SEG_GS) return raise(UD);
  const value = getE(rec, 1);
  if (!failed()) loadDataSegment(index, <u32>value);
}

export function op_swapgs(rec: usize): void {
  if (!privileged()) return;
  const base = load<u64>(GPR + SLOT_SEGBASE + SEG_GS * 8);
  store<u64>(GPR + SLOT_SEGBASE + SEG_GS * 8, load<u64>(KERNEL_GS_BASE));
  store<u64>(KERNEL_GS_BASE, base);
}

function baseAllowed(): bool {
  if ((load<u64>(CR4) & CR4_FSGSBASE) != 0) return true;
  raise(UD);
  return false;
}

function readBase(rec: usize, index: u32): void {
  if (baseAllowed()) setE(rec, sizeOf(rec), load<u64>(GPR + SLOT_SEGBASE + index * 8));
}

function writeBase(rec: usize, index: u32): void {
  if (!baseAllowed()) return;
  const value = getE(rec, sizeOf(rec));
  if (!canonical(value)) return raiseError(GP, 0);
  store<u64>(GPR + SLOT_SEGBASE + index * 8, value);
}

export function op_rdfsbase(rec: usize): void {
  readBase(rec, SEG_FS);
}
export function op_rdgsbase(rec: usize): void {
  readBase(rec, SEG_GS);
}
export function op_wrfsbase(rec: usize): void {
  writeBase(rec, SEG_FS);
}
export function op_wrgsbase(rec: usize): void {
  writeBase(rec, SEG_GS);
}

function canonical(value: u64): bool {
  return <u64>(<i64>(value << 16) >> 16) == value;
}

// --- Descriptor tables ---

function storeTable(rec: usize, base: u64, limit: u32): void {
  const at = address(rec);
  write(at, 1, limit);
  if (!failed()) write(at + 2, load<u32>(MODE) == 0 ? 3 : 2, base);
}

export function op_sgdt(rec: usize): void {
  storeTable(rec, load<u64>(GDT_BASE), load<u32>(GDT_LIMIT));
}
export function op_sidt(rec: usize): void {
  storeTable(rec, load<u64>(IDT_BASE), load<u32>(IDT_LIMIT));
}

function loadTable(rec: usize, to: usize): void {
  if (!privileged()) return;
  const at = address(rec);
  const limit = read(at, 1);
  if (failed()) return;
  let base = read(at + 2, load<u32>(MODE) == 0 ? 3 : 2);
  if (failed()) return;
  if (load<u32>(MODE) != 0 && sizeOf(rec) == 1) base &= 0xffffff;
  if (!canonical(base)) return raiseError(GP, 0);
  store<u64>(to, base);
  store<u32>(to + 8, <u32>limit);
}

export function op_lgdt(rec: usize): void {
  loadTable(rec, GDT_BASE);
}
export function op_lidt(rec: usize): void {
  loadTable(rec, IDT_BASE);
}

export function op_sldt(rec: usize): void {
  storeSelector(rec, SEG_LDT);
}
export function op_str(rec: usize): void {
  storeSelector(rec, SEG_TR);
}

function storeSelector(rec: usize, index: u32): void {
  if (!protectedMode()) return raise(UD);
  setE(rec, isMemory(rec) ? 1 : sizeOf(rec), <u64>selectorOf(index));
}

/** Reads a system descriptor, 16 bytes in long mode, into LDTR or TR. */
function loadSystemSegment(rec: usize, index: u32): void {
  if (!protectedMode()) return raise(UD);
  if (!privileged()) return;
  const selector = <u32>getE(rec, 1);
  if (failed()) return;
  if ((selector & 0xfffc) == 0) {
    if (index == SEG_TR) return raiseError(GP, 0);
    setSegment(index, selector, 0, 0, 0);
    return;
  }
  if ((selector & 4) != 0) return raiseError(GP, selector & 0xfffc);
  if (!readDescriptor(selector, GP)) return;
  const attr = attributes(descriptor);
  const type = attr & 0x1f;
  if (index == SEG_LDT ? type != 2 : type != 9 && (type != 1 || longMode())) return raiseError(GP, selector & 0xfffc);
  if ((attr & ATTR_P) == 0) return raiseError(NP, selector & 0xfffc);
  let base = baseOf(descriptor);
  if (longMode()) {
    const high = readSystem(descriptorAddress + 8, 3);
    if (failed()) return;
    base |= high << 32;
  }
  // A loaded task is busy.
  if (index == SEG_TR) {
    writeAs(descriptorAddress + 5, 0, (descriptor >> 40) | 2, TLB_KERNEL);
    if (failed()) return;
  }
  setSegment(index, selector, base, limitOf(descriptor), attr | (index == SEG_TR ? 2 : 0));
}

export function op_lldt(rec: usize): void {
  loadSystemSegment(rec, SEG_LDT);
}
export function op_ltr(rec: usize): void {
  loadSystemSegment(rec, SEG_TR);
}

function setZero(on: bool): void {
  setFlags((getFlags() & ~(<u64>0x40)) | (on ? 0x40 : 0));
}

/** Reads a descriptor for an instruction that only asks: no exception but of the operand. */
function inspect(selector: u32): bool {
  if ((selector & 0xfffc) == 0) return false;
  const limit = (selector & 4) != 0 ? load<u32>(segment(SEG_LDT), SEG_LIMIT) : load<u32>(GDT_LIMIT);
  if ((selector | 7) > limit || ((selector & 4) != 0 && (selectorOf(SEG_LDT) & 0xfffc) == 0)) return false;
  return readDescriptor(selector, GP);
}

/** Whether the segment can be seen at the current privilege. */
function visible(selector: u32): bool {
  const attr = attributes(descriptor);
  if ((attr & (ATTR_S | ATTR_CODE | ATTR_CONFORMING)) == (ATTR_S | ATTR_CODE | ATTR_CONFORMING)) return true;
  return dpl(attr) >= load<u32>(CPL) && dpl(attr) >= (selector & 3);
}

function verify(rec: usize, forWrite: bool): void {
  if (!protectedMode()) return raise(UD);
  const selector = <u32>getE(rec, 1);
  if (failed()) return;
  const known = inspect(selector);
  if (failed()) return;
  const attr = attributes(descriptor);
  let ok = known && (attr & ATTR_S) != 0 && visible(selector);
  if (ok)
    ok = forWrite
      ? (attr & (ATTR_CODE | ATTR_WRITABLE)) == ATTR_WRITABLE
      : (attr & ATTR_CODE) == 0 || (attr & ATTR_WRITABLE) != 0;
  setZero(ok);
}

export function op_verr(rec: usize): void {
  verify(rec, false);
}
export function op_verw(rec: usize): void {
  verify(rec, true);
}

function loadPart(rec: usize, limitWanted: bool): void {
  if (!protectedMode()) return raise(UD);
  const selector = <u32>getE(rec, 1);
  if (failed()) return;
  const known = inspect(selector);
  if (failed()) return;
  const attr = attributes(descriptor);
  let ok = known && visible(selector);
  if (ok && (attr & ATTR_S) == 0) {
    // In long mode: LDT and TSS; LAR also call gates.
    const type = attr & 15;
    ok =
      type == 2 || type == 9 || type == 11 || (!longMode() && (type == 1 || type == 3)) || (!limitWanted && type == 12);
  }
  setZero(ok);
  if (!ok) return;
  setG(rec, sizeOf(rec), limitWanted ? <u64>limitOf(descriptor) : (descriptor >> 32) & 0xffff00);
}

export function op_lar(rec: usize): void {
  loadPart(rec, false);
}
export function op_lsl(rec: usize): void {
  loadPart(rec, true);
}

// --- Control and debug registers ---

function setCr0(value: u64): bool {
  const old = load<u64>(CR0);
  const enabling = (value & CR0_PG) != 0 && (old & CR0_PG) == 0;
  if (value >> 32 != 0 || ((value & CR0_PG) != 0 && (value & CR0_PE) == 0)) {
    raiseError(GP, 0);
    return false;
  }
  if (enabling && (load<u64>(EFER) & EFER_LME) != 0) {
    if ((load<u64>(CR4) & CR4_PAE) == 0) {
      raiseError(GP, 0);
      return false;
    }
    store<u64>(EFER, load<u64>(EFER) | EFER_LMA);
  }
  if ((value & CR0_PG) == 0) store<u64>(EFER, load<u64>(EFER) & ~EFER_LMA);
  store<u64>(CR0, (value & CR0_VALID) | CR0_ET);
  if (((old ^ value) & (CR0_PG | CR0_WP | CR0_PE)) != 0) flushAll();
  updateMode();
  return true;
}

function isControlRegister(register: u32): bool {
  return register <= 4 ? register != 1 : register == 8;
}

export function op_mov_from_cr(rec: usize): void {
  const register: u32 = load<u8>(rec, REG);
  if (!isControlRegister(register)) return raise(UD);
  if (!privileged()) return;
  const size: u32 = load<u32>(MODE) == 0 ? 3 : 2;
  let value: u64 = 0;
  if (register == 0) value = load<u64>(CR0);
  else if (register == 2) value = load<u64>(CR2);
  else if (register == 3) value = load<u64>(CR3);
  else if (register == 4) value = load<u64>(CR4);
  else value = <u64>getTaskPriority();
  setRegister(<usize>load<u8>(rec, RM), size, value);
}

export function op_mov_to_cr(rec: usize): void {
  const register: u32 = load<u8>(rec, REG);
  if (!isControlRegister(register)) return raise(UD);
  if (!privileged()) return;
  const value = getRegister(<usize>load<u8>(rec, RM), load<u32>(MODE) == 0 ? 3 : 2);
  if (register == 0) {
    // Paging without the long mode has tables of its own.
    if ((value & CR0_PG) != 0 && (load<u64>(EFER) & EFER_LME) == 0) return unsupported(rec);
    if (!setCr0(value)) return;
  } else if (register == 2) {
    store<u64>(CR2, value);
  } else if (register == 3) {
    if ((value & 0xffffff0000000000) != 0) return raiseError(GP, 0);
    store<u64>(CR3, value);
    flushLocal();
  } else if (register == 4) {
    if ((value & ~CR4_VALID) != 0 || (longMode() && (value & CR4_PAE) == 0)) return raiseError(GP, 0);
    store<u64>(CR4, value);
    flushAll();
    updateMode();
  } else {
    if (value > 15) return raiseError(GP, 0);
    setTaskPriority(<u32>value);
    store<u32>(BUDGET, 0);
  }
  goTo(next(rec));
}

export function op_clts(rec: usize): void {
  if (privileged()) setCr0(load<u64>(CR0) & ~CR0_TS);
}

export function op_smsw(rec: usize): void {
  setE(rec, isMemory(rec) ? 1 : sizeOf(rec), load<u64>(CR0));
}

export function op_lmsw(rec: usize): void {
  if (!privileged()) return;
  const value = getE(rec, 1);
  if (failed()) return;
  // PE can be set, not cleared.
  const old = load<u64>(CR0);
  setCr0((old & ~(<u64>14)) | (value & 15) | (old & CR0_PE));
}

export function op_mov_from_dr(rec: usize): void {
  const register = <u32>load<u8>(rec, REG);
  if (register > 7) return raise(UD);
  if (!privileged()) return;
  const index = register == 4 || register == 5 ? register + 2 : register;
  setRegister(<usize>load<u8>(rec, RM), load<u32>(MODE) == 0 ? 3 : 2, load<u64>(DR + index * 8));
}

export function op_mov_to_dr(rec: usize): void {
  const register = <u32>load<u8>(rec, REG);
  if (register > 7) return raise(UD);
  if (!privileged()) return;
  const index = register == 4 || register == 5 ? register + 2 : register;
  const value = getRegister(<usize>load<u8>(rec, RM), load<u32>(MODE) == 0 ? 3 : 2);
  if (index >= 6 && value >> 32 != 0) return raiseError(GP, 0);
  // Breakpoints of the guest's own debugger are not emulated: arming one must not pass for it.
  if (index == 7 && (value & 0xff) != 0) return unsupported(rec);
  store<u64>(DR + index * 8, index == 6 ? (value & 0xe00f) | 0xffff0ff0 : index == 7 ? value | 0x400 : value);
  goTo(next(rec));
}

export function op_invlpg(rec: usize): void {
  if (!privileged()) return;
  flushPage(address(rec));
  goTo(next(rec));
}

export function op_privileged_nop(rec: usize): void {
  privileged();
}

export function op_clflush(rec: usize): void {
  getE(rec, 0);
}

export function op_fence(rec: usize): void {
  atomic.fence();
}

// --- Interrupts ---

function interruptsAllowed(): bool {
  if (!protectedMode() || load<u32>(CPL) <= (load<u32>(EFLAGS) & FLAG_IOPL) >> 12) return true;
  raiseError(GP, 0);
  return false;
}

export function op_cli(rec: usize): void {
  if (interruptsAllowed()) store<u32>(EFLAGS, load<u32>(EFLAGS) & ~FLAG_IF);
}

export function op_sti(rec: usize): void {
  if (!interruptsAllowed()) return;
  if ((load<u32>(EFLAGS) & FLAG_IF) != 0) return;
  store<u32>(EFLAGS, load<u32>(EFLAGS) | FLAG_IF);
  // What waits is looked at after the next branch: never before the instruction that follows.
  store<u32>(BUDGET, 0);
}

export function op_hlt(rec: usize): void {
  if (!privileged()) return;
  store<u32>(HALTED, 1);
  leave(rec, EXIT_HALT);
}

/** A vCPU that waits for another one, which can't go on before it has its turn. */
export function op_pause(rec: usize): void {
  if (load<u32>(YIELDS) != 0) leave(rec, EXIT_YIELD);
}

// --- CPUID, time, MSRs, random numbers ---

export function op_cpuid(rec: usize): void {
  cpuid(load<u32>(GPR), load<u32>(GPR + 8));
  store<u64>(GPR, <u64>load<u32>(RESULT));
  store<u64>(GPR + 24, <u64>load<u32>(RESULT + 4));
  store<u64>(GPR + 8, <u64>load<u32>(RESULT + 8));
  store<u64>(GPR + 16, <u64>load<u32>(RESULT + 12));
}

function setPair(value: u64): void {
  store<u64>(GPR, value & 0xffffffff);
  store<u64>(GPR + 16, value >> 32);
}

function tscAllowed(): bool {
  if ((load<u64>(CR4) & CR4_TSD) == 0 || load<u32>(CPL) == 0) return true;
  raiseError(GP, 0);
  return false;
}

export function op_rdtsc(rec: usize): void {
  if (tscAllowed()) setPair(<u64>tsc());
}

export function op_rdtscp(rec: usize): void {
  if (!tscAllowed()) return;
  setPair(<u64>tsc());
  store<u64>(GPR + 8, load<u64>(TSC_AUX) & 0xffffffff);
}

export function op_rdpmc(rec: usize): void {
  raiseError(GP, 0);
}

export function op_rdrand(rec: usize): void {
  random();
  setE(rec, sizeOf(rec), load<u64>(RESULT));
  setFlags(1);
}

const MSR_SYSENTER_CS: u32 = 0x174;
const MSR_PAT: u32 = 0x277;
const MSR_EFER: u32 = 0xc0000080;
const MSR_STAR: u32 = 0xc0000081;
const MSR_LSTAR: u32 = 0xc0000082;
const MSR_CSTAR: u32 = 0xc0000083;
const MSR_FMASK: u32 = 0xc0000084;
const MSR_FS_BASE: u32 = 0xc0000100;
const MSR_GS_BASE: u32 = 0xc0000101;
const MSR_KERNEL_GS_BASE: u32 = 0xc0000102;
const MSR_TSC_AUX: u32 = 0xc0000103;

/** Where the core itself keeps an MSR; 0 for those of the host. */
function registerOfMsr(index: u32): usize {
  switch (index) {
    case MSR_SYSENTER_CS:
      return SYSENTER_CS;
    case MSR_SYSENTER_CS + 1:
      return SYSENTER_ESP;
    case MSR_SYSENTER_CS + 2:
      return SYSENTER_EIP;
    case MSR_PAT:
      return PAT;
    case MSR_EFER:
      return EFER;
    case MSR_STAR:
      return STAR;
    case MSR_LSTAR:
      return LSTAR;
    case MSR_CSTAR:
      return CSTAR;
    case MSR_FMASK:
      return FMASK;
    case MSR_FS_BASE:
      return GPR + SLOT_SEGBASE + SEG_FS * 8;
    case MSR_GS_BASE:
      return GPR + SLOT_SEGBASE + SEG_GS * 8;
    case MSR_KERNEL_GS_BASE:
      return KERNEL_GS_BASE;
    case MSR_TSC_AUX:
      return TSC_AUX;
    default:
      return 0;
  }
}

export function op_rdmsr(rec: usize): void {
  if (!privileged()) return;
  const index = load<u32>(GPR + 8);
  const at = registerOfMsr(index);
  if (at != 0) return setPair(load<u64>(at));
  if (readMsr(index) == 0) return raiseError(GP, 0);
  setPair(load<u64>(RESULT));
}

export function op_wrmsr(rec: usize): void {
  if (!privileged()) return;
  const index = load<u32>(GPR + 8);
  const value = <u64>load<u32>(GPR) | ((<u64>load<u32>(GPR + 16)) << 32);
  const at = registerOfMsr(index);
  if (at == EFER) {
    const old = load<u64>(EFER);
    if ((value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) != 0) return raiseError(GP, 0);
    if (((old ^ value) & EFER_LME) != 0 && (load<u64>(CR0) & CR0_PG) != 0) return raiseError(GP, 0);
    store<u64>(EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
    if (((old ^ value) & EFER_NXE) != 0) flushAll();
  } else if (at == PAT) {
    for (let i: u64 = 0; i < 64; i += 8) {
      const type = (value >> i) & 0xff;
      if (type > 7 || type == 2 || type == 3) return raiseError(GP, 0);
    }
    store<u64>(PAT, value);
  } else if (at != 0) {
    const isAddress =
      index == MSR_LSTAR ||
      index == MSR_CSTAR ||
      (index >= MSR_FS_BASE && index <= MSR_KERNEL_GS_BASE) ||
      index == MSR_SYSENTER_CS + 1 ||
      index == MSR_SYSENTER_CS + 2;
    if (isAddress && !canonical(value)) return raiseError(GP, 0);
    store<u64>(at, value);
  } else {
    store<u64>(RESULT, value);
    if (writeMsr(index) == 0) return raiseError(GP, 0);
    store<u32>(BUDGET, 0);
  }
  goTo(next(rec));
}
