// MMX: what the 128-bit functions do not give as they are. An MMX register is the low 64 bits of an x87 register's slot.
import { FSW, FTW, OPERAND } from '../state';

const TOP: u16 = 7 << 11;

/** What every MMX instruction does to the x87: TOP is 0 and all registers are valid. */
export function enterMmx(): void {
  store<u16>(FSW, load<u16>(FSW) & ~TOP);
  store<u8>(FTW, 0xff);
}

/** After the MMX register at `written` was: its sign and exponent are ones. 0 and OPERAND are no registers. */
export function sealMmx(written: usize): void {
  if (written !== 0 && written !== OPERAND) store<u64>(written, 0xffff, 8);
}

export function emms(): void {
  enterMmx();
  store<u8>(FTW, 0);
}

/** Both operands as one vector: `d` below `s`. */
function both(d: usize, s: usize): v128 {
  return i64x2.replace_lane(v128.load_zero<u64>(d), 1, load<i64>(s));
}

function storeLow(d: usize, x: v128): void {
  store<i64>(d, i64x2.extract_lane(x, 0));
}

export function packsswbMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i8x16.narrow_i16x8_s(x, x));
}

export function packuswbMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i8x16.narrow_i16x8_u(x, x));
}

export function packssdwMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i16x8.narrow_i32x4_s(x, x));
}

export function punpckhbwMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, v128.shuffle<i8>(x, x, 4, 12, 5, 13, 6, 14, 7, 15, 4, 12, 5, 13, 6, 14, 7, 15));
}

export function punpckhwdMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, v128.shuffle<i16>(x, x, 2, 6, 3, 7, 2, 6, 3, 7));
}

export function punpckhdqMmx(d: usize, s: usize): void {
  store<u64>(d, (load<u64>(d) >> 32) | ((load<u64>(s) >> 32) << 32));
}

export function pshufbMmx(d: usize, s: usize): void {
  const select = v128.and(v128.load_zero<u64>(s), i8x16.splat(-121));
  storeLow(d, i8x16.swizzle(v128.load_zero<u64>(d), select));
}

export function palignrMmx(d: usize, s: usize, imm: i32): void {
  const shift = (imm & 0xff) << 3;
  const low = load<u64>(s);
  const high = load<u64>(d);
  if (shift === 0) store<u64>(d, low);
  else if (shift < 64) store<u64>(d, (low >> shift) | (high << (64 - shift)));
  else store<u64>(d, shift < 128 ? high >> (shift - 64) : 0);
}

/** Even and odd words of both operands, for sums of neighbours. */
export function phaddwMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i16x8.add(evenWords(x), oddWords(x)));
}

export function phsubwMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i16x8.sub(evenWords(x), oddWords(x)));
}

export function phaddswMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i16x8.add_sat_s(evenWords(x), oddWords(x)));
}

export function phsubswMmx(d: usize, s: usize): void {
  const x = both(d, s);
  storeLow(d, i16x8.sub_sat_s(evenWords(x), oddWords(x)));
}

export function phadddMmx(d: usize, s: usize): void {
  const sum = load<u32>(d) + load<u32>(d, 4);
  store<u64>(d, <u64>sum | ((<u64>(load<u32>(s) + load<u32>(s, 4))) << 32));
}

export function phsubdMmx(d: usize, s: usize): void {
  const difference = load<u32>(d) - load<u32>(d, 4);
  store<u64>(d, <u64>difference | ((<u64>(load<u32>(s) - load<u32>(s, 4))) << 32));
}

function evenWords(x: v128): v128 {
  return v128.shuffle<i16>(x, x, 0, 2, 4, 6, 0, 2, 4, 6);
}

function oddWords(x: v128): v128 {
  return v128.shuffle<i16>(x, x, 1, 3, 5, 7, 1, 3, 5, 7);
}

export function pinsrwMmx(d: usize, s: usize, imm: i32): void {
  store<u16>(d + ((imm & 3) << 1), load<u16>(s));
}

export function pextrwMmx(d: usize, s: usize, imm: i32): void {
  store<u64>(d, load<u16>(s + ((imm & 3) << 1)));
}

export function pmovmskbMmx(d: usize, s: usize): void {
  store<u64>(d, i8x16.bitmask(v128.load_zero<u64>(s)));
}
