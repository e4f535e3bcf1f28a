// Integer SIMD: packing, unpacking, widening, shuffling. `d` is the address of the destination, which is also the first
// source, `s` that of the second one.

export function packsswb(d: usize, s: usize): void {
  v128.store(d, i8x16.narrow_i16x8_s(v128.load(d), v128.load(s)));
}

export function packuswb(d: usize, s: usize): void {
  v128.store(d, i8x16.narrow_i16x8_u(v128.load(d), v128.load(s)));
}

export function packssdw(d: usize, s: usize): void {
  v128.store(d, i16x8.narrow_i32x4_s(v128.load(d), v128.load(s)));
}

export function packusdw(d: usize, s: usize): void {
  v128.store(d, i16x8.narrow_i32x4_u(v128.load(d), v128.load(s)));
}

export function punpcklbw(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i8>(v128.load(d), v128.load(s), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
}

export function punpckhbw(d: usize, s: usize): void {
  v128.store(
    d,
    v128.shuffle<i8>(v128.load(d), v128.load(s), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
  );
}

export function punpcklwd(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i16>(v128.load(d), v128.load(s), 0, 8, 1, 9, 2, 10, 3, 11));
}

export function punpckhwd(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i16>(v128.load(d), v128.load(s), 4, 12, 5, 13, 6, 14, 7, 15));
}

/** Also UNPCKLPS. */
export function punpckldq(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(d), v128.load(s), 0, 4, 1, 5));
}

/** Also UNPCKHPS. */
export function punpckhdq(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(d), v128.load(s), 2, 6, 3, 7));
}

/** Also UNPCKLPD and MOVLHPS. */
export function punpcklqdq(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i64>(v128.load(d), v128.load(s), 0, 2));
}

/** Also UNPCKHPD. */
export function punpckhqdq(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i64>(v128.load(d), v128.load(s), 1, 3));
}

/** -113 is 0x8f: bit 7 selects zero, bits 4 to 6 mean nothing. */
export function pshufb(d: usize, s: usize): void {
  v128.store(d, i8x16.swizzle(v128.load(d), v128.and(v128.load(s), i8x16.splat(-113))));
}

export function pmovsxbw(d: usize, s: usize): void {
  v128.store(d, i16x8.extend_low_i8x16_s(v128.load(s)));
}

export function pmovsxwd(d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_s(v128.load(s)));
}

export function pmovsxdq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_s(v128.load(s)));
}

export function pmovsxbd(d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load(s))));
}

export function pmovsxwq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v128.load(s))));
}

export function pmovsxbq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load(s)))));
}

export function pmovzxbw(d: usize, s: usize): void {
  v128.store(d, i16x8.extend_low_i8x16_u(v128.load(s)));
}

export function pmovzxwd(d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_u(v128.load(s)));
}

export function pmovzxdq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_u(v128.load(s)));
}

export function pmovzxbd(d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load(s))));
}

export function pmovzxwq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v128.load(s))));
}

export function pmovzxbq(d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load(s)))));
}

export function movddup(d: usize, s: usize): void {
  v128.store(d, i64x2.splat(load<i64>(s)));
}

export function movshdup(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(s), v128.load(s), 1, 1, 3, 3));
}

export function movsldup(d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(s), v128.load(s), 0, 0, 2, 2));
}

/** The doubleword of `p` that two bits of `imm` select. */
function pick(p: usize, imm: i32, shift: i32): u64 {
  return load<u32>(p + (((imm >> shift) & 3) << 2));
}

export function pshufd(d: usize, s: usize, imm: i32): void {
  const low = pick(s, imm, 0) | (pick(s, imm, 2) << 32);
  const high = pick(s, imm, 4) | (pick(s, imm, 6) << 32);
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

export function shufps(d: usize, s: usize, imm: i32): void {
  const low = pick(d, imm, 0) | (pick(d, imm, 2) << 32);
  const high = pick(s, imm, 4) | (pick(s, imm, 6) << 32);
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

export function shufpd(d: usize, s: usize, imm: i32): void {
  const low = load<u64>(d + ((imm & 1) << 3));
  const high = load<u64>(s + ((imm & 2) << 2));
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

/** The word of `p` that two bits of `imm` select. */
function pickWord(p: usize, imm: i32, shift: i32): u64 {
  return load<u16>(p + (((imm >> shift) & 3) << 1));
}

function pickWords(p: usize, imm: i32): u64 {
  return pickWord(p, imm, 0) | (pickWord(p, imm, 2) << 16) | (pickWord(p, imm, 4) << 32) | (pickWord(p, imm, 6) << 48);
}

/** PSHUFW: MMX. */
export function pshufw(d: usize, s: usize, imm: i32): void {
  store<u64>(d, pickWords(s, imm));
}

export function pshuflw(d: usize, s: usize, imm: i32): void {
  const high = load<u64>(s, 8);
  store<u64>(d, pickWords(s, imm));
  store<u64>(d, high, 8);
}

export function pshufhw(d: usize, s: usize, imm: i32): void {
  const low = load<u64>(s);
  store<u64>(d, pickWords(s + 8, imm), 8);
  store<u64>(d, low);
}
