// Integer SIMD: operations on equal lanes, and bitwise logic. `d` is the address of the destination, which is also the first source, `s` that of
// the second one. Functions whose lanes do not mix serve MMX too: the low 64 bits of both slots give those of the result.

export function paddb(d: usize, s: usize): void {
  v128.store(d, i8x16.add(v128.load(d), v128.load(s)));
}

export function psubb(d: usize, s: usize): void {
  v128.store(d, i8x16.sub(v128.load(d), v128.load(s)));
}

export function paddw(d: usize, s: usize): void {
  v128.store(d, i16x8.add(v128.load(d), v128.load(s)));
}

export function psubw(d: usize, s: usize): void {
  v128.store(d, i16x8.sub(v128.load(d), v128.load(s)));
}

export function paddd(d: usize, s: usize): void {
  v128.store(d, i32x4.add(v128.load(d), v128.load(s)));
}

export function psubd(d: usize, s: usize): void {
  v128.store(d, i32x4.sub(v128.load(d), v128.load(s)));
}

export function paddq(d: usize, s: usize): void {
  v128.store(d, i64x2.add(v128.load(d), v128.load(s)));
}

export function psubq(d: usize, s: usize): void {
  v128.store(d, i64x2.sub(v128.load(d), v128.load(s)));
}

export function paddsb(d: usize, s: usize): void {
  v128.store(d, i8x16.add_sat_s(v128.load(d), v128.load(s)));
}

export function psubsb(d: usize, s: usize): void {
  v128.store(d, i8x16.sub_sat_s(v128.load(d), v128.load(s)));
}

export function paddusb(d: usize, s: usize): void {
  v128.store(d, i8x16.add_sat_u(v128.load(d), v128.load(s)));
}

export function psubusb(d: usize, s: usize): void {
  v128.store(d, i8x16.sub_sat_u(v128.load(d), v128.load(s)));
}

export function paddsw(d: usize, s: usize): void {
  v128.store(d, i16x8.add_sat_s(v128.load(d), v128.load(s)));
}

export function psubsw(d: usize, s: usize): void {
  v128.store(d, i16x8.sub_sat_s(v128.load(d), v128.load(s)));
}

export function paddusw(d: usize, s: usize): void {
  v128.store(d, i16x8.add_sat_u(v128.load(d), v128.load(s)));
}

export function psubusw(d: usize, s: usize): void {
  v128.store(d, i16x8.sub_sat_u(v128.load(d), v128.load(s)));
}

export function pavgb(d: usize, s: usize): void {
  v128.store(d, i8x16.avgr_u(v128.load(d), v128.load(s)));
}

export function pavgw(d: usize, s: usize): void {
  v128.store(d, i16x8.avgr_u(v128.load(d), v128.load(s)));
}

export function pminsb(d: usize, s: usize): void {
  v128.store(d, i8x16.min_s(v128.load(d), v128.load(s)));
}

export function pminub(d: usize, s: usize): void {
  v128.store(d, i8x16.min_u(v128.load(d), v128.load(s)));
}

export function pmaxsb(d: usize, s: usize): void {
  v128.store(d, i8x16.max_s(v128.load(d), v128.load(s)));
}

export function pmaxub(d: usize, s: usize): void {
  v128.store(d, i8x16.max_u(v128.load(d), v128.load(s)));
}

export function pabsb(d: usize, s: usize): void {
  v128.store(d, i8x16.abs(v128.load(s)));
}

export function pminsw(d: usize, s: usize): void {
  v128.store(d, i16x8.min_s(v128.load(d), v128.load(s)));
}

export function pminuw(d: usize, s: usize): void {
  v128.store(d, i16x8.min_u(v128.load(d), v128.load(s)));
}

export function pmaxsw(d: usize, s: usize): void {
  v128.store(d, i16x8.max_s(v128.load(d), v128.load(s)));
}

export function pmaxuw(d: usize, s: usize): void {
  v128.store(d, i16x8.max_u(v128.load(d), v128.load(s)));
}

export function pabsw(d: usize, s: usize): void {
  v128.store(d, i16x8.abs(v128.load(s)));
}

export function pminsd(d: usize, s: usize): void {
  v128.store(d, i32x4.min_s(v128.load(d), v128.load(s)));
}

export function pminud(d: usize, s: usize): void {
  v128.store(d, i32x4.min_u(v128.load(d), v128.load(s)));
}

export function pmaxsd(d: usize, s: usize): void {
  v128.store(d, i32x4.max_s(v128.load(d), v128.load(s)));
}

export function pmaxud(d: usize, s: usize): void {
  v128.store(d, i32x4.max_u(v128.load(d), v128.load(s)));
}

export function pabsd(d: usize, s: usize): void {
  v128.store(d, i32x4.abs(v128.load(s)));
}

export function pcmpeqb(d: usize, s: usize): void {
  v128.store(d, i8x16.eq(v128.load(d), v128.load(s)));
}

export function pcmpgtb(d: usize, s: usize): void {
  v128.store(d, i8x16.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpeqw(d: usize, s: usize): void {
  v128.store(d, i16x8.eq(v128.load(d), v128.load(s)));
}

export function pcmpgtw(d: usize, s: usize): void {
  v128.store(d, i16x8.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpeqd(d: usize, s: usize): void {
  v128.store(d, i32x4.eq(v128.load(d), v128.load(s)));
}

export function pcmpgtd(d: usize, s: usize): void {
  v128.store(d, i32x4.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpeqq(d: usize, s: usize): void {
  v128.store(d, i64x2.eq(v128.load(d), v128.load(s)));
}

export function pcmpgtq(d: usize, s: usize): void {
  v128.store(d, i64x2.gt_s(v128.load(d), v128.load(s)));
}

export function psignb(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const zero = i8x16.splat(0);
  const negative = i8x16.lt_s(b, zero);
  v128.store(d, v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, zero)));
}

export function psignw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const zero = i16x8.splat(0);
  const negative = i16x8.lt_s(b, zero);
  v128.store(d, v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, zero)));
}

export function psignd(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const zero = i32x4.splat(0);
  const negative = i32x4.lt_s(b, zero);
  v128.store(d, v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, zero)));
}

export function pand(d: usize, s: usize): void {
  v128.store(d, v128.and(v128.load(d), v128.load(s)));
}

export function por(d: usize, s: usize): void {
  v128.store(d, v128.or(v128.load(d), v128.load(s)));
}

export function pxor(d: usize, s: usize): void {
  v128.store(d, v128.xor(v128.load(d), v128.load(s)));
}

export function pandn(d: usize, s: usize): void {
  v128.store(d, v128.andnot(v128.load(s), v128.load(d)));
}
