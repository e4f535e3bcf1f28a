import { DE, DF, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM, GP, NP, PF, TS } from './bits';
import { NO_ERROR, notEmulated, raiseError } from './exceptions';
import { getRflags } from './flags';
import { failed, readSystem, writeAs } from './memory';
import {
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_DB,
  ATTR_L,
  ATTR_P,
  ATTR_S,
  attributes,
  attributesOf,
  descriptor,
  dpl,
  longMode,
  protectedMode,
  readDescriptor,
  SEG_CS,
  SEG_SS,
  SEG_TR,
  segment,
  selectorOf,
  setCodeSegment,
  setSegment,
} from './segments';
import {
  CPL,
  DELIVERING,
  EFLAGS,
  EXC_ERROR,
  EXC_VECTOR,
  EXIT,
  EXIT_SHUTDOWN,
  GPR,
  IDT_BASE,
  IDT_LIMIT,
  PEND_EXIT,
  PEND_NONE,
  PENDING,
  RIP,
  SEG_LIMIT,
  SLOT_SEGBASE,
  TLB_KERNEL,
  TLB_USER,
} from './state';

const NONE: u32 = 0;
/** INT n, INT3, INTO: the gate's privilege is checked. */
const SOFTWARE: u32 = 1;
/** Interrupts: the EXT bit of error codes. */
const EXTERNAL: u32 = 2;

function stackPointerOfTask(offset: u32): u64 {
  if (offset + 7 > load<u32>(segment(SEG_TR), SEG_LIMIT)) {
    raiseError(TS, selectorOf(SEG_TR) & 0xfffc);
    return 0;
  }
  return readSystem(load<u64>(GPR + SLOT_SEGBASE + SEG_TR * 8) + offset, 3);
}

/** Through a gate of the IDT in long mode. PENDING tells of an exception in it, with nothing changed. */
function deliverLong(vector: u32, error: u32, cause: u32, rip: u64): void {
  const ext: u32 = cause == SOFTWARE ? 0 : 1;
  if (vector * 16 + 15 > load<u32>(IDT_LIMIT)) return raiseError(GP, vector * 8 + 2 + ext);
  const gate = load<u64>(IDT_BASE) + vector * 16;
  const low = readSystem(gate, 3);
  if (failed()) return;
  const high = readSystem(gate + 8, 3);
  if (failed()) return;
  const attr = <u32>(low >> 40) & 0xff;
  if ((attr & 0x1e) != 0x0e) return raiseError(GP, vector * 8 + 2 + ext);
  const cpl = load<u32>(CPL);
  if (cause == SOFTWARE && dpl(attr) < cpl) return raiseError(GP, vector * 8 + 2);
  if ((attr & ATTR_P) == 0) return raiseError(NP, vector * 8 + 2 + ext);
  const selector = <u32>(low >> 16) & 0xffff;
  const target = (low & 0xffff) | ((low >> 32) & 0xffff0000) | (high << 32);
  if ((selector & 0xfffc) == 0) return raiseError(GP, ext);
  if (!readDescriptor(selector, GP)) return;
  const code = attributes(descriptor);
  if (
    (code & (ATTR_S | ATTR_CODE)) != (ATTR_S | ATTR_CODE) ||
    (code & ATTR_L) == 0 ||
    (code & ATTR_DB) != 0 ||
    dpl(code) > cpl
  )
    return raiseError(GP, (selector & 0xfffc) | ext);
  if ((code & ATTR_P) == 0) return raiseError(NP, (selector & 0xfffc) | ext);
  const newCpl = (code & ATTR_CONFORMING) != 0 ? cpl : dpl(code);
  const ist = <u32>(low >> 32) & 7;
  let rsp = load<u64>(GPR + 32);
  if (ist != 0) rsp = stackPointerOfTask(28 + ist * 8);
  else if (newCpl != cpl) rsp = stackPointerOfTask(4 + newCpl * 8);
  if (failed()) return;
  const tlb: usize = newCpl == 3 ? TLB_USER : TLB_KERNEL;
  rsp &= ~15;
  const flags = getRflags();
  writeAs(rsp - 8, 3, <u64>selectorOf(SEG_SS), tlb);
  if (failed()) return;
  writeAs(rsp - 16, 3, load<u64>(GPR + 32), tlb);
  if (failed()) return;
  // A fault shows RF in the image that IRET restores; nothing here depends on it.
  writeAs(rsp - 24, 3, flags, tlb);
  if (failed()) return;
  writeAs(rsp - 32, 3, <u64>selectorOf(SEG_CS), tlb);
  if (failed()) return;
  writeAs(rsp - 40, 3, rip, tlb);
  if (failed()) return;
  rsp -= 40;
  if (error != NO_ERROR) {
    rsp -= 8;
    writeAs(rsp, 3, <u64>error, tlb);
    if (failed()) return;
  }
  store<u64>(GPR + 32, rsp);
  setCodeSegment(selector, newCpl);
  if (newCpl != cpl) setSegment(SEG_SS, newCpl, 0, 0, 0x93 | (newCpl << 5));
  let eflags = load<u32>(EFLAGS) & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if ((attr & 1) == 0) eflags &= ~FLAG_IF;
  store<u32>(EFLAGS, eflags);
  store<u64>(RIP, target);
}

function deliverReal(vector: u32, rip: u64): void {
  const gate = load<u64>(IDT_BASE) + vector * 4;
  const target = readSystem(gate, 2);
  if (failed()) return;
  const ss = load<u64>(GPR + SLOT_SEGBASE + SEG_SS * 8);
  const sp = <u32>load<u16>(GPR + 32);
  writeAs(ss + ((sp - 2) & 0xffff), 1, getRflags(), TLB_KERNEL);
  if (!failed()) writeAs(ss + ((sp - 4) & 0xffff), 1, <u64>selectorOf(SEG_CS), TLB_KERNEL);
  if (!failed()) writeAs(ss + ((sp - 6) & 0xffff), 1, rip, TLB_KERNEL);
  if (failed()) return;
  store<u16>(GPR + 32, <u16>(sp - 6));
  store<u32>(EFLAGS, load<u32>(EFLAGS) & ~(FLAG_IF | FLAG_TF));
  const selector = <u32>(target >> 16);
  setSegment(SEG_CS, selector, <u64>(selector << 4), 0xffff, attributesOf(SEG_CS));
  store<u64>(RIP, target & 0xffff);
}

function deliverAt(vector: u32, error: u32, cause: u32, rip: u64): void {
  if (longMode()) deliverLong(vector, error, cause, rip);
  else if (!protectedMode()) deliverReal(vector, rip);
  else notEmulated();
}

function contributory(vector: u32): bool {
  return vector == DE || (vector >= TS && vector <= GP);
}

/** Delivers the exception in EXC_VECTOR at RIP; those that come up on the way as the architecture says (SDM volume 3, table 6-5). */
export function deliverException(): void {
  const vector = load<u32>(EXC_VECTOR);
  const error = load<u32>(EXC_ERROR);
  store<u32>(DELIVERING, 0);
  deliver(vector, error, NONE, load<u64>(RIP));
}

function deliver(vector: u32, error: u32, cause: u32, rip: u64): void {
  while (true) {
    deliverAt(vector, error, cause, rip);
    const pending = load<u32>(PENDING);
    if (pending == PEND_NONE || pending == PEND_EXIT) return;
    const second = load<u32>(EXC_VECTOR);
    store<u32>(PENDING, PEND_NONE);
    if (vector == DF) {
      store<u32>(EXIT, EXIT_SHUTDOWN);
      store<u32>(PENDING, PEND_EXIT);
      return;
    }
    const first = vector;
    const benign = cause != NONE || !(contributory(first) || first == PF);
    if (!benign && (contributory(second) || (first == PF && second == PF))) {
      vector = DF;
      error = 0;
    } else {
      vector = second;
      error = load<u32>(EXC_ERROR);
    }
    cause = NONE;
  }
}

/** An interrupt from outside, at RIP. */
export function deliverInterrupt(vector: u32): void {
  deliver(vector, NO_ERROR, EXTERNAL, load<u64>(RIP));
}

/** INT n and the like: RIP is the instruction's own, for the exceptions of it; `after` is what the handler returns to. */
export function softwareInterrupt(vector: u32, after: u64): void {
  deliverAt(vector, NO_ERROR, SOFTWARE, after);
}
