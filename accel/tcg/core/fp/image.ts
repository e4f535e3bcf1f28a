// FXSAVE's image of the x87, MMX and SSE, 512 bytes (SDM volume 1, section 10.5), which is also the legacy region of
// XSAVE's. Images are built and read in linear memory.
import { FCW, FDP, FIP, FOP, FPR, FSW, FTW, MXCSR, XMM } from '../state';
import { fninit, setControlWord } from './x87-control';
import { slot } from './x87-stack';

/** Bits of MXCSR that may be set; any other is #GP. */
export const MXCSR_MASK: u32 = 0xffff;
export const MXCSR_INIT: u32 = 0x1f80;

const IMAGE_MXCSR: usize = 24;
const IMAGE_ST: usize = 32;
const IMAGE_XMM: usize = 160;

/** Components of XCR0 and XSTATE_BV. */
export const X87: u32 = 1;
export const SSE: u32 = 2;

/** Writes the x87's part: 24 bytes, and ST(0) to ST(7). `wide` has 64-bit pointers (REX.W). */
export function storeX87Image(d: usize, wide: bool): void {
  store<u16>(d, load<u16>(FCW));
  store<u16>(d, load<u16>(FSW), 2);
  store<u16>(d, load<u8>(FTW), 4);
  store<u16>(d, load<u16>(FOP), 6);
  store<u64>(d, wide ? load<u64>(FIP) : <u64>load<u32>(FIP), 8);
  store<u64>(d, wide ? load<u64>(FDP) : <u64>load<u32>(FDP), 16);
  for (let i = 0; i < 8; i++) {
    const at = d + IMAGE_ST + 16 * i;
    store<u64>(at, load<u64>(slot(i)));
    store<u64>(at, load<u16>(slot(i), 8), 8);
  }
}

/** Where it is not 64-bit mode only XMM0 to XMM7 are there. */
export function storeSseImage(d: usize, registers: i32): void {
  memory.copy(d + IMAGE_XMM, XMM, 16 * registers);
}

export function storeMxcsrImage(d: usize): void {
  store<u32>(d, load<u32>(MXCSR), IMAGE_MXCSR);
  store<u32>(d, MXCSR_MASK, IMAGE_MXCSR + 4);
}

export function loadX87Image(s: usize, wide: bool): void {
  store<u16>(FSW, load<u16>(s, 2));
  store<u8>(FTW, load<u8>(s, 4));
  store<u16>(FOP, load<u16>(s, 6) & 0x7ff);
  store<u64>(FIP, wide ? load<u64>(s, 8) : <u64>load<u32>(s, 8));
  store<u64>(FDP, wide ? load<u64>(s, 16) : <u64>load<u32>(s, 16));
  for (let i = 0; i < 8; i++) {
    const at = s + IMAGE_ST + 16 * i;
    store<u64>(slot(i), load<u64>(at));
    store<u16>(slot(i), load<u16>(at, 8), 8);
  }
  setControlWord(load<u16>(s));
}

export function loadSseImage(s: usize, registers: i32): void {
  memory.copy(XMM, s + IMAGE_XMM, 16 * registers);
}

/** Whether the image's MXCSR may be loaded. */
export function validMxcsrImage(s: usize): bool {
  return !(load<u32>(s, IMAGE_MXCSR) & ~MXCSR_MASK);
}

export function loadMxcsrImage(s: usize): void {
  store<u32>(MXCSR, load<u32>(s, IMAGE_MXCSR));
}

/** The x87 as XRSTOR initialises it. */
export function initX87(): void {
  fninit();
  memory.fill(FPR, 0, 128);
}

export function initSse(registers: i32): void {
  memory.fill(XMM, 0, 16 * registers);
}

/** Components that are not in their initial state (XINUSE). */
export function inUse(): u32 {
  let used: u32 = 0;
  if (load<u16>(FCW) !== 0x37f || load<u16>(FSW) !== 0 || load<u8>(FTW) !== 0) used |= X87;
  if (!isZero(FPR, 128)) used |= X87;
  if (!isZero(XMM, 256)) used |= SSE;
  return used;
}

function isZero(from: usize, bytes: usize): bool {
  for (let at = from; at < from + bytes; at += 16) if (v128.any_true(v128.load(at))) return false;
  return true;
}
