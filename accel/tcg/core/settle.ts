import { DB, FLAG_IF, FLAG_TF, GP, UD } from './bits';
import { chunkLeft, codePage, dropAll, generation, newChunk, newRecord, PAGE_CROSSED, PAGE_MAP } from './code';
import { atBreakpoint, mayBreak, setNoting, watchpointHit } from './debug';
import { decode, ends, setStepping } from './decode';
import { notEmulated, raise, raiseError } from './exceptions';
import { poll as hostPoll, takeInterrupt } from './host';
import { deliverException, deliverInterrupt } from './interrupts';
import { EXECUTE, fillTlb, NO_ADDRESS, PAGE_MASK, ramAddress, translate } from './paging';
import { codeBase, here, next, pointerAt } from './position';
import { FORM, IMM, LENGTH, LINK, NEXT, OFFSET, OP, RECORD_SIZE, SCALE } from './record';
import {
  BUDGET,
  CPL,
  CROSSING,
  DR,
  EFLAGS,
  EXEC_KEY,
  EXIT,
  EXIT_BREAKPOINT,
  EXIT_EXCEPTION,
  EXIT_POLL,
  EXIT_STEP,
  FETCH,
  GPR,
  HALTED,
  INTR,
  MODE,
  NMI,
  NMI_BLOCKED,
  PEND_EXCEPTION,
  PEND_EXIT,
  PEND_NONE,
  PEND_RECORD,
  PEND_RIP,
  PEND_WATCH,
  PENDING,
  POLL_RECORD,
  RIP,
  SLICE,
  SLOT_PAGE,
  TLB_EXEC,
  TRAP_EXCEPTIONS,
  TRAP_STEP,
  TRAPS,
} from './state';
import {
  FLAG_USE,
  FLAGS_JUMP,
  FLAGS_READS,
  FLAGS_SAFE,
  FLAGS_SETS,
  FORM_EI,
  FUSE_ROW,
  FUSED,
  HOT_COUNT,
  OP_BREAKPOINT,
  OP_CROSS,
  OP_LINK,
  OP_NEXT_PAGE,
  OP_POLL,
  OP_STALE,
  OP_TOO_LONG,
  OP_UNIMPLEMENTED,
  QUIET,
} from './tables';

const PAGE_SIZE: u32 = 4096;
/** Decoding ahead of execution stops after so many instructions. */
const RUN_MAX: u32 = 48;

/** Translates code at `va`. Linear address of the byte, or 0 with PENDING set. */
function codeAddress(va: u64): usize {
  const physical = translate(va, EXECUTE, load<u32>(CPL) == 3);
  if (physical == NO_ADDRESS) return 0;
  const at = ramAddress(physical);
  if (at == 0) notEmulated();
  return at;
}

/** The record of the instruction at `va`, whose page becomes the current one. 0 with PENDING set when there is an exception. */
export function enter(va: u64): usize {
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + TLB_EXEC;
  const key = <u64>load<u32>(EXEC_KEY);
  const offset = <u32>va & 0xfff;
  while (true) {
    if (load<u64>(e) != ((va & PAGE_MASK) | key)) {
      const at = codeAddress(va);
      if (at == 0) return 0;
      const code = codePage(at & ~0xfff, load<u32>(MODE));
      fillTlb(TLB_EXEC, va, key, load<u32>(code, PAGE_MAP));
      store<usize>(e, code, 12);
    }
    let rec = load<usize>(load<usize>(e, 8) + (offset << 2));
    if (rec == 0) rec = decodeRun(load<usize>(e, 12), offset);
    if (rec != 0) {
      store<u64>(GPR + SLOT_PAGE, va & PAGE_MASK);
      return rec;
    }
  }
}

function special(rec: usize, op: u32, offset: u32, link: usize): void {
  memory.fill(rec, 0, RECORD_SIZE);
  store<u16>(rec, <u16>op, OP);
  store<u16>(rec, <u16>offset, OFFSET);
  store<u16>(rec, <u16>offset, NEXT);
  store<usize>(rec, link, LINK);
}

/** Room for a record with another behind it. 0 when all is used up and forgotten. */
function room(code: usize, offset: u32): usize {
  const rec = newRecord(code, 2);
  if (rec != 0) return rec;
  if (!chunkLeft()) {
    dropAll();
    return 0;
  }
  const last = newRecord(code, 1);
  newChunk(code);
  const first = newRecord(code, 2);
  if (last != 0) special(last, OP_LINK, offset, first);
  return first;
}

/**
 * Makes the instruction `earlier` silent when `rec` replaces all of its flags before anything can see them.
 * Returns the one to watch from now on, or 0.
 */
function watchFlags(earlier: usize, rec: usize): usize {
  const op = <u32>load<u16>(rec, OP);
  if (op >= HOT_COUNT) return 0;
  let use = <u32>load<u8>(FLAG_USE + op);
  // A shift by 0 changes no flags.
  if (load<u8>(rec, FORM) == FORM_EI && (load<u8>(rec, IMM) & 31) == 0) use &= ~FLAGS_SETS;
  const unseen = (use & FLAGS_SAFE) != 0 && (use & FLAGS_READS) == 0;
  if (earlier != 0 && unseen && (use & FLAGS_SETS) != 0) {
    store<u16>(earlier, load<u16>(QUIET + ((<usize>load<u16>(earlier, OP)) << 1)), OP);
  }
  if (load<u16>(QUIET + (op << 1)) != 0) return rec;
  return unseen && (use & FLAGS_SETS) == 0 ? earlier : 0;
}

/** Joins a conditional jump with the instruction before it, whose handler does both; the jump's record stays. */
function join(earlier: usize, rec: usize): void {
  const op = <u32>load<u16>(earlier, OP);
  const jump = <u32>load<u16>(rec, OP);
  if (op >= HOT_COUNT || jump >= HOT_COUNT || (load<u8>(FLAG_USE + jump) & FLAGS_JUMP) == 0) return;
  const row = <usize>load<u8>(FUSE_ROW + op);
  const both = load<u16>(FUSED + (((row << 4) + <usize>load<u8>(rec, SCALE)) << 1));
  if (both != 0) store<u16>(earlier, both, OP);
}

/** Decodes from an offset of a page to where execution can't go on. The first record, or 0 when all code was forgotten. */
function decodeRun(code: usize, offset: u32): usize {
  const map = load<usize>(code, PAGE_MAP);
  const page = load<usize>(code);
  let first: usize = 0;
  let at = offset;
  let count: u32 = 0;
  // The last instruction whose flags nothing has read so far, and the last one.
  let silent: usize = 0;
  let last: usize = 0;
  while (true) {
    const rec = room(code, at);
    if (rec == 0) return 0;
    if (first == 0) first = rec;
    if (at >= PAGE_SIZE) {
      special(rec, OP_NEXT_PAGE, at, 0);
      return first;
    }
    const known = load<usize>(map + (at << 2));
    if (known != 0 || count == RUN_MAX) {
      special(rec, OP_LINK, at, known);
      return first;
    }
    const length = decode(page + at, at, rec);
    if (mayBreak(at)) {
      special(rec, OP_BREAKPOINT, at, 0);
      store<u8>(rec, <u8>min<u32>(length, PAGE_SIZE - at), LENGTH);
      store<usize>(map + (at << 2), rec);
      return first;
    }
    if (at + length > PAGE_SIZE || (at > PAGE_SIZE - 16 && ends && length < PAGE_SIZE - at && isSpecial(rec))) {
      special(rec, OP_CROSS, at, 0);
      store<u8>(rec, <u8>(PAGE_SIZE - at), LENGTH);
      store<usize>(map + (at << 2), rec);
      return first;
    }
    store<usize>(map + (at << 2), rec);
    silent = watchFlags(silent, rec);
    if (rec == last + RECORD_SIZE) join(last, rec);
    last = rec;
    at += length;
    count += 1;
    if (ends) return first;
  }
}

function isSpecial(rec: usize): bool {
  return load<u16>(rec, OP) >= OP_UNIMPLEMENTED && load<u16>(rec, OP) <= OP_TOO_LONG;
}

/** An instruction that ends in the next page: decoded anew each time, as that page may be another one now. */
export function op_cross(rec: usize): void {
  const offset = <u32>load<u16>(rec, OFFSET);
  const inPage = PAGE_SIZE - offset;
  const va = load<u64>(GPR + SLOT_PAGE);
  const first = codeAddress(va);
  if (first == 0) return;
  const second = codeAddress(va + PAGE_SIZE);
  if (second == 0) return;
  const code = codePage(second, load<u32>(MODE));
  store<u32>(code, 1, PAGE_CROSSED);
  memory.copy(FETCH, first + offset, inPage);
  memory.copy(FETCH + inPage, second, 16);
  const length = decode(FETCH, offset, CROSSING);
  special(CROSSING + RECORD_SIZE, OP_NEXT_PAGE, offset + length, 0);
  store<u32>(PENDING, PEND_RECORD);
}

/** Goes on at an offset of the current page, and remembers the record there in LINK. */
export function linkTo(rec: usize, offset: u64): void {
  store<u64>(RIP, pointerAt(offset));
  if (offset < PAGE_SIZE) {
    const before = generation;
    const found = enter(load<u64>(GPR + SLOT_PAGE) + offset);
    if (found != 0 && before == generation) store<usize>(rec, found, LINK);
  }
  store<u32>(PENDING, PEND_RIP);
}

export function op_link(rec: usize): void {
  linkTo(rec, <u64>load<u16>(rec, OFFSET));
}

export function op_next_page(rec: usize): void {
  goTo(next(rec));
}

export function op_stale(rec: usize): void {
  goTo(here(rec));
}

/** At the place of an instruction where the debugger has a breakpoint, or has one at the same offset of another page. */
export function op_breakpoint(rec: usize): void {
  store<u64>(RIP, here(rec));
  if (atBreakpoint(load<u64>(GPR + SLOT_PAGE) + load<u16>(rec, OFFSET))) stop(EXIT_BREAKPOINT);
  else if (step() != 0) store<u32>(PENDING, PEND_RECORD);
}

/** Makes run() return; execution goes on at RIP. */
function stop(exit: u32): void {
  store<u32>(EXIT, exit);
  store<u32>(PENDING, PEND_EXIT);
}

export function op_unimplemented(rec: usize): void {
  store<u64>(RIP, here(rec));
  notEmulated();
}

export function op_invalid(rec: usize): void {
  raise(UD);
}

export function op_too_long(rec: usize): void {
  raiseError(GP, 0);
}

/** Ends the instruction with execution going on at an instruction pointer. */
export function goTo(pointer: u64): void {
  store<u64>(RIP, pointer);
  store<u32>(PENDING, PEND_RIP);
}

/** Ends the instruction and makes run() return; execution goes on behind it. */
export function leave(rec: usize, exit: u32): void {
  store<u64>(RIP, next(rec));
  stop(exit);
}

/** The budget is used up at a taken branch to `rec`: a record that ends in settle(). */
export function poll(rec: usize): usize {
  store<u64>(RIP, here(rec));
  store<u16>(POLL_RECORD, <u16>OP_POLL, OP);
  return POLL_RECORD;
}

export function op_poll(rec: usize): void {
  store<u32>(PENDING, PEND_RIP);
}

/** What waits and may be taken now. */
function takeInterrupts(): void {
  if (load<u32>(NMI) != 0 && load<u32>(NMI_BLOCKED) == 0) {
    store<u32>(NMI, 0);
    store<u32>(NMI_BLOCKED, 1);
    store<u32>(HALTED, 0);
    deliverInterrupt(2);
  } else if (load<u32>(INTR) != 0 && (load<u32>(EFLAGS) & FLAG_IF) != 0) {
    const vector = takeInterrupt();
    if (vector < 0) return;
    store<u32>(HALTED, 0);
    deliverInterrupt(<u32>vector);
  }
}

function linearMask(): u64 {
  return load<u32>(MODE) == 0 ? ~0 : 0xffffffff;
}

/** Executes one instruction apart from all others. The record to go on with, or 0 with PENDING set. */
function step(): usize {
  // A repeated instruction is left after one element, or a page of them.
  store<u32>(BUDGET, 1);
  setStepping(true);
  const rip = (load<u64>(RIP) + codeBase()) & linearMask();
  const first = codeAddress(rip);
  if (first == 0) {
    setStepping(false);
    return 0;
  }
  const offset = <u32>rip & 0xfff;
  const inPage = PAGE_SIZE - offset;
  memory.copy(FETCH, first, min<u32>(inPage, 16));
  let length = decode(FETCH, offset, CROSSING);
  if (length > inPage) {
    const second = codeAddress(rip - offset + PAGE_SIZE);
    if (second == 0) {
      setStepping(false);
      return 0;
    }
    memory.copy(FETCH + inPage, second, 16);
    length = decode(FETCH, offset, CROSSING);
  }
  setStepping(false);
  store<u64>(GPR + SLOT_PAGE, rip & PAGE_MASK);
  special(CROSSING + RECORD_SIZE, OP_NEXT_PAGE, offset + length, 0);
  store<u16>(CROSSING + RECORD_SIZE, <u16>OP_STALE, OP);
  return CROSSING;
}

/** Set while an instruction is executed that a single-step trap follows. */
let stepTrap: bool = false;
/** Set while an instruction is executed that run() returns after. */
let stepExit: bool = false;

/**
 * After an instruction that did not simply go on behind it (or, with 0, at the start of run()): delivers exceptions and interrupts until
 * there is a record to execute. 0 when run() shall return.
 */
export function settle(rec: usize): usize {
  let pending = rec == 0 ? PEND_RIP : load<u32>(PENDING);
  if (pending == PEND_RECORD) {
    store<u32>(PENDING, PEND_NONE);
    return CROSSING;
  }
  if (pending == PEND_EXCEPTION || pending == PEND_WATCH) store<u64>(RIP, here(rec));
  const again = pending == PEND_WATCH;
  setNoting(true);
  while (true) {
    store<u32>(PENDING, PEND_NONE);
    if (pending == PEND_EXIT) {
      stepExit = false;
      return 0;
    }
    if (pending == PEND_WATCH) {
      stepTrap = false;
      stepExit = false;
    } else if (pending == PEND_EXCEPTION) {
      stepTrap = false;
      if ((load<u32>(TRAPS) & TRAP_EXCEPTIONS) != 0) {
        store<u32>(EXIT, EXIT_EXCEPTION);
        return 0;
      }
      deliverException();
      pending = load<u32>(PENDING);
      if (pending != PEND_NONE) continue;
    } else if (stepTrap) {
      stepTrap = false;
      store<u64>(DR + 48, load<u64>(DR + 48) | 0x4000);
      raise(DB);
      pending = PEND_EXCEPTION;
      continue;
    }
    const steps = (load<u32>(TRAPS) & TRAP_STEP) != 0;
    if (watchpointHit() || (stepExit && steps)) {
      stepExit = false;
      store<u32>(EXIT, watchpointHit() ? EXIT_BREAKPOINT : EXIT_STEP);
      return 0;
    }
    stepExit = false;
    if (load<i32>(BUDGET) <= 0 && !again) {
      if (hostPoll() != 0) {
        store<u32>(EXIT, EXIT_POLL);
        return 0;
      }
      store<u32>(BUDGET, load<u32>(SLICE));
      if (!steps || load<u32>(HALTED) != 0) {
        stepExit = steps;
        takeInterrupts();
        pending = load<u32>(PENDING);
        if (pending != PEND_NONE || stepExit || watchpointHit()) continue;
      }
    }
    let found: usize = 0;
    const rip = (load<u64>(RIP) + codeBase()) & linearMask();
    const traps = (load<u32>(EFLAGS) & FLAG_TF) != 0;
    if (traps || steps || again) {
      if (traps && !steps && !again && atBreakpoint(rip)) {
        store<u32>(EXIT, EXIT_BREAKPOINT);
        return 0;
      }
      stepTrap = traps;
      stepExit = steps || again;
      found = step();
    } else {
      found = enter(rip);
    }
    if (found != 0) {
      setNoting(again);
      return found;
    }
    pending = load<u32>(PENDING);
  }
}
