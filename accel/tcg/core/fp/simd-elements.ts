// Integer SIMD: blends, single elements, masks of signs, PTEST. General registers are 8-byte slots that a result fills.
import { setFlags } from '../flags';
import { XMM } from '../state';

/** Doublewords of `s` where bits of `imm` are set. */
export function blendps(d: usize, s: usize, imm: i32): void {
  for (let i: usize = 0; i < 4; i++) if (imm & (1 << (<i32>i))) store<u32>(d + 4 * i, load<u32>(s + 4 * i));
}

export function blendpd(d: usize, s: usize, imm: i32): void {
  if (imm & 1) store<u64>(d, load<u64>(s));
  if (imm & 2) store<u64>(d, load<u64>(s, 8), 8);
}

export function pblendw(d: usize, s: usize, imm: i32): void {
  for (let i: usize = 0; i < 8; i++) if (imm & (1 << (<i32>i))) store<u16>(d + 2 * i, load<u16>(s + 2 * i));
}

/** The sign bits of XMM0's lanes select. */
export function pblendvb(d: usize, s: usize): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i8x16.shr_s(v128.load(XMM), 7)));
}

export function blendvps(d: usize, s: usize): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i32x4.shr_s(v128.load(XMM), 31)));
}

export function blendvpd(d: usize, s: usize): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i64x2.shr_s(v128.load(XMM), 63)));
}

export function pinsrb(d: usize, s: usize, imm: i32): void {
  store<u8>(d + (imm & 15), load<u8>(s));
}

export function pinsrw(d: usize, s: usize, imm: i32): void {
  store<u16>(d + ((imm & 7) << 1), load<u16>(s));
}

export function pinsrd(d: usize, s: usize, imm: i32): void {
  store<u32>(d + ((imm & 3) << 2), load<u32>(s));
}

export function pinsrq(d: usize, s: usize, imm: i32): void {
  store<u64>(d + ((imm & 1) << 3), load<u64>(s));
}

export function pextrb(d: usize, s: usize, imm: i32): void {
  store<u64>(d, load<u8>(s + (imm & 15)));
}

export function pextrw(d: usize, s: usize, imm: i32): void {
  store<u64>(d, load<u16>(s + ((imm & 7) << 1)));
}

/** Also EXTRACTPS. */
export function pextrd(d: usize, s: usize, imm: i32): void {
  store<u64>(d, load<u32>(s + ((imm & 3) << 2)));
}

export function pextrq(d: usize, s: usize, imm: i32): void {
  store<u64>(d, load<u64>(s + ((imm & 1) << 3)));
}

/** INSERTPS from a register: bits 6 and 7 of `imm` choose the source's lane. */
export function insertps(d: usize, s: usize, imm: i32): void {
  insertpsMemory(d, s + (((imm >> 6) & 3) << 2), imm);
}

/** INSERTPS of the doubleword at `s` into the lane of bits 4 and 5; lanes of bits 0 to 3 become zero. */
export function insertpsMemory(d: usize, s: usize, imm: i32): void {
  store<u32>(d + (((imm >> 4) & 3) << 2), load<u32>(s));
  for (let i: usize = 0; i < 4; i++) if (imm & (1 << (<i32>i))) store<u32>(d + 4 * i, 0);
}

export function pmovmskb(d: usize, s: usize): void {
  store<u64>(d, i8x16.bitmask(v128.load(s)));
}

export function movmskps(d: usize, s: usize): void {
  store<u64>(d, i32x4.bitmask(v128.load(s)));
}

export function movmskpd(d: usize, s: usize): void {
  store<u64>(d, i64x2.bitmask(v128.load(s)));
}

/** ZF: no common bits; CF: no bits of `s` outside `d`. */
export function ptest(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  setFlags((v128.any_true(v128.and(a, b)) ? 0 : 64) | (v128.any_true(v128.andnot(b, a)) ? 0 : 1));
}
