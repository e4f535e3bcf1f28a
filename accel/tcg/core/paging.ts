import {
  CR0_PG,
  CR0_WP,
  CR4_PGE,
  CR4_SMEP,
  EFER_NXE,
  GP,
  PTE_A,
  PTE_ADDRESS,
  PTE_D,
  PTE_G,
  PTE_NX,
  PTE_P,
  PTE_PS,
  PTE_RESERVED,
  PTE_U,
  PTE_W,
  SS,
} from './bits';
import { pageFault, raiseError } from './exceptions';
import {
  CR0,
  CR3,
  CR4,
  EFER,
  RAM_BASE,
  RAM_HIGH,
  RAM_LOW,
  TLB_EXEC,
  TLB_KERNEL,
  TLB_USER,
  TLB_WRITE,
  TOUCHED,
  TOUCHED_MAX,
} from './state';

export const PAGE_MASK: u64 = 0xfffffffffffff000;
/** Of a physical address: there is none, an exception was raised. */
export const NO_ADDRESS: u64 = 0xffffffffffffffff;
const INVALID: u64 = 0xffffffffffffffff;

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const EXECUTE: u32 = 2;

/** Linear address of a byte of guest RAM, or 0 when the guest-physical address is not RAM. */
export function ramAddress(physical: u64): usize {
  if (physical < load<u64>(RAM_LOW)) return RAM_BASE + <usize>physical;
  const high = physical - 0x100000000;
  if (high < load<u64>(RAM_HIGH)) return RAM_BASE + <usize>load<u64>(RAM_LOW) + <usize>high;
  return 0;
}

/** Of the last walk: writes need no further walk; the page is global. */
export let mayWrite: bool = false;
let isGlobal: bool = false;

/** Virtual addresses that large pages have been seen at: INVLPG among them drops all. */
let largeFrom: u64 = ~0;
let largeTo: u64 = 0;
let touched: u32 = 0;

function fault(address: u64, access: u32, user: bool, bits: u32): u64 {
  let error = bits;
  if (access == WRITE) error |= 2;
  if (user) error |= 4;
  if (access == EXECUTE && ((load<u64>(EFER) & EFER_NXE) != 0 || (load<u64>(CR4) & CR4_SMEP) != 0)) error |= 16;
  pageFault(address, error);
  return NO_ADDRESS;
}

/** The access that goes on is to the stack: an address that is not canonical is #SS. */
export let onStackSegment: bool = false;
export function setOnStackSegment(on: bool): void {
  onStackSegment = on;
}

/** Whether all bits above the 47th are copies of it. */
export function canonical(va: u64): bool {
  return <u64>(<i64>(va << 16) >> 16) == va;
}

/** Guest-physical address of a virtual one; sets accessed and dirty bits. NO_ADDRESS when an exception was raised. */
export function translate(va: u64, access: u32, user: bool): u64 {
  const cr0 = load<u64>(CR0);
  if ((cr0 & CR0_PG) == 0) {
    mayWrite = true;
    isGlobal = false;
    return va & 0xffffffff;
  }
  if (!canonical(va)) {
    raiseError(onStackSegment && access != EXECUTE ? SS : GP, 0);
    return NO_ADDRESS;
  }
  const nxe = (load<u64>(EFER) & EFER_NXE) != 0;
  let rights: u64 = PTE_W | PTE_U;
  let nx: u64 = 0;
  let table = load<u64>(CR3) & PTE_ADDRESS;
  let shift: u64 = 39;
  let at: usize = 0;
  let entry: u64 = 0;
  while (true) {
    at = ramAddress(table + ((va >> shift) & 511) * 8);
    entry = at == 0 ? 0 : load<u64>(at);
    if ((entry & PTE_P) == 0) return fault(va, access, user, 0);
    let reserved = PTE_RESERVED;
    if (!nxe) reserved |= PTE_NX;
    const large = (entry & PTE_PS) != 0;
    if (shift == 39) reserved |= PTE_PS;
    else if (large && shift == 30) reserved |= 0x3fffe000;
    else if (large && shift == 21) reserved |= 0x1fe000;
    if ((entry & reserved) != 0) return fault(va, access, user, 9);
    rights &= entry;
    nx |= entry & PTE_NX;
    if (shift == 12 || (large && shift < 39)) break;
    if ((entry & PTE_A) == 0) store<u64>(at, entry | PTE_A);
    table = entry & PTE_ADDRESS;
    shift -= 9;
  }
  const writable = (rights & PTE_W) != 0 || (!user && (cr0 & CR0_WP) == 0);
  if (user && (rights & PTE_U) == 0) return fault(va, access, user, 1);
  if (access == WRITE && !writable) return fault(va, access, user, 1);
  if (access == EXECUTE) {
    if (nx != 0) return fault(va, access, user, 1);
    if (!user && (rights & PTE_U) != 0 && (load<u64>(CR4) & CR4_SMEP) != 0) return fault(va, access, user, 1);
  }
  const used = entry | PTE_A | (access == WRITE ? PTE_D : 0);
  if (used != entry) store<u64>(at, used);
  mayWrite = writable && (used & PTE_D) != 0;
  isGlobal = (entry & PTE_G) != 0 && (load<u64>(CR4) & CR4_PGE) != 0;
  const offset = (((<u64>1) << shift) - 1) & va;
  if (shift > 12) {
    largeFrom = min(largeFrom, va - offset);
    largeTo = max(largeTo, va - offset + (((<u64>1) << shift) - 1));
  }
  return (entry & PTE_ADDRESS & ~(((<u64>1) << shift) - 1)) | offset;
}

/** Puts the page of the last walk into a TLB: `tlb` is TLB_KERNEL, TLB_USER, one of these plus TLB_WRITE, or TLB_EXEC. */
export function fillTlb(tlb: usize, va: u64, key: u64, addend: u32): void {
  const at = ((<usize>va >>> 8) & 0xfff0) + tlb;
  store<u64>(at, (va & PAGE_MASK) | key);
  store<u32>(at, addend, 8);
  if (isGlobal) return;
  if (touched < TOUCHED_MAX) store<u32>(TOUCHED + (touched << 2), at);
  touched += 1;
}

export function flushAll(): void {
  memory.fill(TLB_KERNEL, 0xff, TLB_EXEC + 0x10000 - TLB_KERNEL);
  touched = 0;
  largeFrom = ~0;
  largeTo = 0;
}

/** Drops the pages that are not global. */
export function flushLocal(): void {
  if (touched > TOUCHED_MAX) return flushAll();
  for (let i: u32 = 0; i < touched; i++) store<u64>(load<u32>(TOUCHED + (i << 2)), INVALID);
  touched = 0;
}

export function flushPage(va: u64): void {
  if (va >= largeFrom && va <= largeTo) return flushAll();
  const index = (<usize>va >>> 8) & 0xfff0;
  for (let tlb: usize = TLB_KERNEL; tlb <= TLB_EXEC; tlb += TLB_WRITE) store<u64>(index + tlb, INVALID);
}

/** Takes a page of RAM out of the write TLBs, as it has code now. */
export function protectPage(page: usize): void {
  for (let at: usize = TLB_KERNEL + TLB_WRITE; at < TLB_EXEC; at += 16) {
    if (at == TLB_USER) at = TLB_USER + TLB_WRITE;
    const tag = load<u64>(at);
    if (tag != INVALID && <u32>tag + load<u32>(at, 8) == page) store<u64>(at, INVALID);
  }
}

/** Takes the code pages with that map out of the execute TLB. */
export function forgetMap(map: usize): void {
  for (let at: usize = TLB_EXEC; at < TLB_EXEC + 0x10000; at += 16) {
    if (load<u64>(at) != INVALID && load<u32>(at, 8) == map) store<u64>(at, INVALID);
  }
}
