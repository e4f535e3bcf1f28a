import { codeWritten, hasCode } from './code';
import { TOUCH_READ, TOUCH_WRITE, touch, watchedPage } from './debug';
import { mmioRead, mmioWrite } from './host';
import {
  fillTlb,
  mayWrite,
  NO_ADDRESS,
  PAGE_MASK,
  READ,
  ramAddress,
  setOnStackSegment,
  translate,
  WRITE,
} from './paging';
import { BASE, DISP, FLAG_ADDRESS_SHIFT, FLAGS, INDEX, PREFIX, PREFIX_STACK, SCALE, SEGMENT } from './record';
import { ADDRESS_MASKS, GPR, MODE, PENDING, TLB, TLB_KERNEL, TLB_USER, TLB_WRITE } from './state';

export { PAGE_MASK } from './paging';

/** Virtual address of the memory operand. */
export function address(rec: usize): u64 {
  setOnStackSegment((load<u8>(rec, PREFIX) & PREFIX_STACK) != 0);
  let at = load<u64>(<usize>load<u8>(rec, BASE), GPR) + <u64>(<i64>load<i32>(rec, DISP));
  at += load<u64>(<usize>load<u8>(rec, INDEX), GPR) << (<u64>load<u8>(rec, SCALE));
  const size = (<usize>load<u8>(rec, FLAGS) >> FLAG_ADDRESS_SHIFT) & 3;
  if (size != 0) at &= load<u64>(ADDRESS_MASKS + (size << 3));
  at += load<u64>(<usize>load<u8>(rec, SEGMENT), GPR);
  return load<u32>(MODE) != 0 ? at & 0xffffffff : at;
}

function loadSize(at: usize, size: u32): u64 {
  switch (size) {
    case 0:
      return <u64>load<u8>(at);
    case 1:
      return <u64>load<u16>(at);
    case 2:
      return <u64>load<u32>(at);
    default:
      return load<u64>(at);
  }
}

function storeSize(at: usize, size: u32, value: u64): void {
  switch (size) {
    case 0:
      store<u8>(at, <u8>value);
      break;
    case 1:
      store<u16>(at, <u16>value);
      break;
    case 2:
      store<u32>(at, <u32>value);
      break;
    default:
      store<u64>(at, value);
  }
}

/** Reads 1 << size bytes of guest-physical memory that do not cross a page. */
function readPhysical(physical: u64, size: u32): u64 {
  const at = ramAddress(physical);
  if (at != 0) return loadSize(at, size);
  if (size < 3) return <u64>mmioRead(<f64>physical, 1 << size);
  return <u64>mmioRead(<f64>physical, 4) | ((<u64>mmioRead(<f64>(physical + 4), 4)) << 32);
}

function writePhysical(physical: u64, size: u32, value: u64): void {
  const at = ramAddress(physical);
  if (at != 0) {
    codeWritten(at, 1 << size);
    storeSize(at, size, value);
    return;
  }
  if (size < 3) return mmioWrite(<f64>physical, 1 << size, <u32>value);
  mmioWrite(<f64>physical, 4, <u32>value);
  mmioWrite(<f64>(physical + 4), 4, <u32>(value >> 32));
}

function translateRead(va: u64, tlb: usize): u64 {
  const physical = translate(va, READ, tlb == TLB_USER);
  if (physical == NO_ADDRESS) return physical;
  const page = ramAddress(physical & PAGE_MASK);
  if (page != 0 && !watchedPage(va)) {
    const addend = page - <u32>(va & PAGE_MASK);
    const writable = mayWrite && !hasCode(page);
    fillTlb(tlb, va, 0, addend);
    if (writable) fillTlb(tlb + TLB_WRITE, va, 0, addend);
  }
  return physical;
}

function translateWrite(va: u64, tlb: usize): u64 {
  const physical = translate(va, WRITE, tlb == TLB_USER);
  if (physical == NO_ADDRESS) return physical;
  const page = ramAddress(physical & PAGE_MASK);
  if (page != 0 && !hasCode(page) && !watchedPage(va)) fillTlb(tlb + TLB_WRITE, va, 0, page - <u32>(va & PAGE_MASK));
  return physical;
}

/** Reads 1 << size bytes by the privilege of `tlb`. 0 with PENDING set when there is an exception. */
export function readAs(va: u64, size: u32, tlb: usize): u64 {
  const last: u64 = (1 << size) - 1;
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + tlb;
  if (load<u64>(e) == ((va + last) & PAGE_MASK)) return loadSize(<usize>va + load<usize>(e, 8), size);
  const first = translateRead(va, tlb);
  if (first == NO_ADDRESS) return 0;
  if ((va & 0xfff) + last < 4096) return touch(va, last + 1, TOUCH_READ) ? 0 : readPhysical(first, size);
  const boundary = (va + last) & PAGE_MASK;
  const second = translateRead(boundary, tlb);
  if (second == NO_ADDRESS || touch(va, last + 1, TOUCH_READ)) return 0;
  let value: u64 = 0;
  for (let i: u64 = 0; i <= last; i++) {
    const at = va + i;
    value |= readPhysical(at < boundary ? first + i : second + (at - boundary), 0) << (8 * i);
  }
  return value;
}

/** Writes 1 << size bytes by the privilege of `tlb`; nothing is written when there is an exception. */
export function writeAs(va: u64, size: u32, value: u64, tlb: usize): void {
  const last: u64 = (1 << size) - 1;
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + tlb;
  if (load<u64>(e, TLB_WRITE) == ((va + last) & PAGE_MASK))
    return storeSize(<usize>va + load<usize>(e, TLB_WRITE + 8), size, value);
  const first = translateWrite(va, tlb);
  if (first == NO_ADDRESS) return;
  if ((va & 0xfff) + last < 4096) {
    if (!touch(va, last + 1, TOUCH_WRITE)) writePhysical(first, size, value);
    return;
  }
  const boundary = (va + last) & PAGE_MASK;
  const second = translateWrite(boundary, tlb);
  if (second == NO_ADDRESS || touch(va, last + 1, TOUCH_WRITE)) return;
  for (let i: u64 = 0; i <= last; i++) {
    const at = va + i;
    writePhysical(at < boundary ? first + i : second + (at - boundary), 0, value >> (8 * i));
  }
}

export function read(va: u64, size: u32): u64 {
  return readAs(va, size, load<usize>(TLB));
}

export function write(va: u64, size: u32, value: u64): void {
  writeAs(va, size, value, load<usize>(TLB));
}

/** Whether `length` bytes, at most a page, may be written; raises the exception when not. */
export function probeWrite(va: u64, length: u64): bool {
  const tlb = load<usize>(TLB);
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + tlb;
  if (load<u64>(e, TLB_WRITE) == ((va + length - 1) & PAGE_MASK)) return true;
  if (translateWrite(va, tlb) == NO_ADDRESS) return false;
  if ((va & 0xfff) + length > 4096 && translateWrite((va + length - 1) & PAGE_MASK, tlb) == NO_ADDRESS) return false;
  return !touch(va, length, TOUCH_WRITE);
}

export function probeRead(va: u64, length: u64): bool {
  const tlb = load<usize>(TLB);
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + tlb;
  if (load<u64>(e) == ((va + length - 1) & PAGE_MASK)) return true;
  if (translateRead(va, tlb) == NO_ADDRESS) return false;
  if ((va & 0xfff) + length > 4096 && translateRead((va + length - 1) & PAGE_MASK, tlb) == NO_ADDRESS) return false;
  return !touch(va, length, TOUCH_READ);
}

/** Reads a value that will be written back: no write to it can fail then. */
export function readForWrite(va: u64, size: u32): u64 {
  return probeWrite(va, 1 << size) ? read(va, size) : 0;
}

/** Copies guest memory to linear memory, at most a page; all or nothing. PENDING tells. */
export function readBytes(va: u64, to: usize, length: u32): void {
  if (!probeRead(va, length)) return;
  for (let i: u32 = 0; i < length; ) {
    const size: u32 = length - i >= 8 ? 3 : length - i >= 4 ? 2 : length - i >= 2 ? 1 : 0;
    storeSize(to + i, size, read(va + i, size));
    i += 1 << size;
  }
}

/** Copies linear memory to guest memory, at most a page; all or nothing. PENDING tells. */
export function writeBytes(va: u64, from: usize, length: u32): void {
  if (!probeWrite(va, length)) return;
  for (let i: u32 = 0; i < length; ) {
    const size: u32 = length - i >= 8 ? 3 : length - i >= 4 ? 2 : length - i >= 2 ? 1 : 0;
    write(va + i, size, loadSize(from + i, size));
    i += 1 << size;
  }
}

/** Reads by the kernel's privilege whatever the current one: descriptor tables and task state. */
export function readSystem(va: u64, size: u32): u64 {
  setOnStackSegment(false);
  return readAs(va, size, TLB_KERNEL);
}

/** Linear address where `length` bytes, within a page, can be read (written) directly, or 0. */
export function directRead(va: u64): usize {
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + load<usize>(TLB);
  return load<u64>(e) == (va & PAGE_MASK) ? <usize>va + load<usize>(e, 8) : 0;
}

export function directWrite(va: u64): usize {
  const e: usize = ((<usize>va >>> 8) & 0xfff0) + load<usize>(TLB);
  return load<u64>(e, TLB_WRITE) == (va & PAGE_MASK) ? <usize>va + load<usize>(e, TLB_WRITE + 8) : 0;
}

/** Whether the last memory access raised an exception. */
export function failed(): bool {
  return load<u32>(PENDING) != 0;
}
