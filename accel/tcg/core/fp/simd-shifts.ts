// Integer SIMD: shifts of lanes (by the low 64 bits of `s`, or by an immediate) and of bytes. Lane shifts serve MMX too, as
// in simd-lanes.ts.

function psllwBy(d: usize, count: u64): void {
  v128.store(d, count < 16 ? i16x8.shl(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function psllw(d: usize, s: usize): void {
  psllwBy(d, load<u64>(s));
}

export function psllwImm(d: usize, imm: i32): void {
  psllwBy(d, imm & 0xff);
}

function psrlwBy(d: usize, count: u64): void {
  v128.store(d, count < 16 ? i16x8.shr_u(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function psrlw(d: usize, s: usize): void {
  psrlwBy(d, load<u64>(s));
}

export function psrlwImm(d: usize, imm: i32): void {
  psrlwBy(d, imm & 0xff);
}

function pslldBy(d: usize, count: u64): void {
  v128.store(d, count < 32 ? i32x4.shl(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function pslld(d: usize, s: usize): void {
  pslldBy(d, load<u64>(s));
}

export function pslldImm(d: usize, imm: i32): void {
  pslldBy(d, imm & 0xff);
}

function psrldBy(d: usize, count: u64): void {
  v128.store(d, count < 32 ? i32x4.shr_u(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function psrld(d: usize, s: usize): void {
  psrldBy(d, load<u64>(s));
}

export function psrldImm(d: usize, imm: i32): void {
  psrldBy(d, imm & 0xff);
}

function psllqBy(d: usize, count: u64): void {
  v128.store(d, count < 64 ? i64x2.shl(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function psllq(d: usize, s: usize): void {
  psllqBy(d, load<u64>(s));
}

export function psllqImm(d: usize, imm: i32): void {
  psllqBy(d, imm & 0xff);
}

function psrlqBy(d: usize, count: u64): void {
  v128.store(d, count < 64 ? i64x2.shr_u(v128.load(d), <i32>count) : i64x2.splat(0));
}

export function psrlq(d: usize, s: usize): void {
  psrlqBy(d, load<u64>(s));
}

export function psrlqImm(d: usize, imm: i32): void {
  psrlqBy(d, imm & 0xff);
}

function psrawBy(d: usize, count: u64): void {
  v128.store(d, i16x8.shr_s(v128.load(d), <i32>min<u64>(count, 15)));
}

export function psraw(d: usize, s: usize): void {
  psrawBy(d, load<u64>(s));
}

export function psrawImm(d: usize, imm: i32): void {
  psrawBy(d, imm & 0xff);
}

function psradBy(d: usize, count: u64): void {
  v128.store(d, i32x4.shr_s(v128.load(d), <i32>min<u64>(count, 31)));
}

export function psrad(d: usize, s: usize): void {
  psradBy(d, load<u64>(s));
}

export function psradImm(d: usize, imm: i32): void {
  psradBy(d, imm & 0xff);
}

/** Indices 0 to 15 plus `offset`: those that leave this range select zero. */
function bytesFrom(offset: i32): v128 {
  return i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>offset));
}

export function pslldq(d: usize, imm: i32): void {
  v128.store(d, i8x16.swizzle(v128.load(d), bytesFrom(-min(imm & 0xff, 16))));
}

export function psrldq(d: usize, imm: i32): void {
  v128.store(d, i8x16.swizzle(v128.load(d), bytesFrom(min(imm & 0xff, 16))));
}

/** 16 bytes of `d`:`s` from byte `imm` on. */
export function palignr(d: usize, s: usize, imm: i32): void {
  const offset = min(imm & 0xff, 32);
  const low = i8x16.swizzle(v128.load(s), bytesFrom(offset));
  v128.store(d, v128.or(low, i8x16.swizzle(v128.load(d), bytesFrom(offset - 16))));
}
