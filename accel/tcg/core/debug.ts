// Breakpoints and watchpoints of the debugger, by virtual address. Where there are none this costs nothing: code is decoded with breakpoints
// in it, and watched pages never get into a TLB.

import { PAGE_MASK } from './paging';
import {
  BREAKPOINT_COUNT,
  BREAKPOINTS,
  PEND_WATCH,
  PENDING,
  WATCHPOINT_ADDRESS,
  WATCHPOINT_COUNT,
  WATCHPOINT_HIT,
  WATCHPOINT_SIZE,
  WATCHPOINTS,
} from './state';

export const TOUCH_READ: u32 = 1;
export const TOUCH_WRITE: u32 = 2;

/** Accesses are noted; otherwise they end the instruction, which is done again with this set. */
let noting: bool = false;
export function setNoting(on: bool): void {
  noting = on;
}

/** Whether a breakpoint may be at that offset of some page. */
export function mayBreak(offset: u32): bool {
  const count = load<u32>(BREAKPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) if ((load<u32>(BREAKPOINTS + (i << 3)) & 0xfff) == offset) return true;
  return false;
}

export function atBreakpoint(va: u64): bool {
  const count = load<u32>(BREAKPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) if (load<u64>(BREAKPOINTS + (i << 3)) == va) return true;
  return false;
}

/** Whether something in the page of `va` is watched. */
export function watchedPage(va: u64): bool {
  const count = load<u32>(WATCHPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const at = WATCHPOINTS + i * WATCHPOINT_SIZE;
    const from = load<u64>(at);
    if ((va & PAGE_MASK) >= (from & PAGE_MASK) && (va & PAGE_MASK) <= from + load<u32>(at, 8) - 1) return true;
  }
  return false;
}

/** An access that may be made is about to be. True when the instruction ends here instead, with PENDING set. */
export function touch(va: u64, length: u64, kind: u32): bool {
  const count = load<u32>(WATCHPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const at = WATCHPOINTS + i * WATCHPOINT_SIZE;
    const from = load<u64>(at);
    if ((load<u32>(at, 12) & kind) == 0 || va >= from + load<u32>(at, 8) || from >= va + length) continue;
    if (!noting) {
      store<u32>(PENDING, PEND_WATCH);
      return true;
    }
    store<u32>(WATCHPOINT_HIT, i + 1);
    store<u64>(WATCHPOINT_ADDRESS, max(va, from));
    return false;
  }
  return false;
}

export function watchpointHit(): bool {
  return load<u32>(WATCHPOINT_HIT) != 0;
}
