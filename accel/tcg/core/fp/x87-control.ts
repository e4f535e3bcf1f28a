// The x87's environment and the images of its state. FNSTENV's has 28 bytes, or 14 with 16-bit operands; FNSAVE's goes on
// with ST(0) to ST(7), 10 bytes each (SDM volume 1, section 8.1.10). Images are built and read in linear memory.
import { FCW, FDP, FIP, FOP, FPR, FSW, FTW } from '../state';
import { A, FINITE, unpack80, ZERO } from './number';
import { slot, summarize } from './x87-stack';

/** Bits of the control word that can be written; bit 6 is always 1. */
const CONTROL_BITS: u32 = 0x1f3f;
const CONTROL_ONE: u32 = 0x40;
const EXCEPTIONS: u32 = 0x80ff;

export function fninit(): void {
  store<u16>(FCW, 0x37f);
  store<u16>(FSW, 0);
  store<u8>(FTW, 0);
  store<u16>(FOP, 0);
  store<u64>(FIP, 0);
  store<u64>(FDP, 0);
}

export function fnclex(): void {
  store<u16>(FSW, <u16>(<u32>load<u16>(FSW) & ~EXCEPTIONS));
}

export function setControlWord(control: u32): void {
  store<u16>(FCW, <u16>((control & CONTROL_BITS) | CONTROL_ONE));
  summarize();
}

export function fldcw(s: usize): void {
  setControlWord(load<u16>(s));
}

export function fnstcw(d: usize): void {
  store<u16>(d, load<u16>(FCW));
}

/** To 16 bits of memory or to AX. */
export function fnstsw(d: usize): void {
  store<u16>(d, load<u16>(FSW));
}

/** Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty. */
function fullTags(): u32 {
  let tags: u32 = 0;
  for (let i = 0; i < 8; i++) {
    let tag: u32 = 3;
    if ((load<u8>(FTW) >> <u8>i) & 1) {
      const at: usize = FPR + (i << 4);
      unpack80(load<u64>(at), load<u16>(at, 8));
      tag = A.kind === ZERO ? 1 : A.kind === FINITE && !A.denormal ? 0 : 2;
    }
    tags |= tag << (2 * <u32>i);
  }
  return tags;
}

function setFullTags(tags: u32): void {
  let valid: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) !== 3) valid |= 1 << i;
  store<u8>(FTW, <u8>valid);
}

/** The environment in protected mode's form at `d`; masks all exceptions afterwards. Answers its size. */
export function storeEnvironment(d: usize, wide: bool): u32 {
  const tags = fullTags();
  const words = wide ? 4 : 2;
  memory.fill(d, wide ? 0xff : 0, wide ? 28 : 14);
  store<u16>(d, load<u16>(FCW));
  store<u16>(d + words, load<u16>(FSW));
  store<u16>(d + 2 * words, <u16>tags);
  if (wide) {
    store<u32>(d, load<u32>(FIP), 12);
    store<u32>(d, (<u32>load<u16>(FOP)) << 16, 16);
    store<u32>(d, load<u32>(FDP), 20);
    store<u32>(d, 0xffff0000, 24);
  } else {
    store<u16>(d, load<u16>(FIP), 6);
    store<u16>(d, load<u16>(FDP), 10);
  }
  store<u16>(FCW, load<u16>(FCW) | 0x3f);
  summarize();
  return wide ? 28 : 14;
}

export function loadEnvironment(s: usize, wide: bool): u32 {
  const words = wide ? 4 : 2;
  store<u16>(FSW, load<u16>(s + words));
  setFullTags(load<u16>(s + 2 * words));
  if (wide) {
    store<u64>(FIP, load<u32>(s, 12));
    store<u16>(FOP, load<u16>(s, 18) & 0x7ff);
    store<u64>(FDP, load<u32>(s, 20));
  } else {
    store<u64>(FIP, load<u16>(s, 6));
    store<u64>(FDP, load<u16>(s, 10));
  }
  setControlWord(load<u16>(s));
  return wide ? 28 : 14;
}

/** FNSAVE's image; the x87 is initialised afterwards. Answers its size. */
export function storeState(d: usize, wide: bool): u32 {
  const control = load<u16>(FCW);
  const size = storeEnvironment(d, wide);
  store<u16>(d, control);
  for (let i = 0; i < 8; i++) memory.copy(d + size + 10 * i, slot(i), 10);
  fninit();
  return size + 80;
}

export function loadState(s: usize, wide: bool): u32 {
  const size = loadEnvironment(s, wide);
  for (let i = 0; i < 8; i++) memory.copy(slot(i), s + size + 10 * i, 10);
  return size + 80;
}
