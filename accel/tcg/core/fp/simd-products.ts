// Integer SIMD: products and operations on neighbouring lanes. `d` is the address of the destination, which is also the
// first source, `s` that of the second one. Products, PMADD and PSADBW serve MMX too, as in simd-lanes.ts.

/** The words at even positions of `a`, then of `b`. */
function evenWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}

function oddWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

function evenDoublewords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 2, 4, 6);
}

function oddDoublewords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 3, 5, 7);
}

export function pmullw(d: usize, s: usize): void {
  v128.store(d, i16x8.mul(v128.load(d), v128.load(s)));
}

export function pmulhw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, oddWords(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b)));
}

export function pmulhuw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, oddWords(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b)));
}

/** Unlike wasm's instruction, -32768 * -32768 does not saturate. */
export function pmulhrsw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const least = i16x8.splat(-32768);
  const both = v128.and(i16x8.eq(a, least), i16x8.eq(b, least));
  v128.store(d, v128.xor(i16x8.q15mulr_sat_s(a, b), both));
}

export function pmulld(d: usize, s: usize): void {
  v128.store(d, i32x4.mul(v128.load(d), v128.load(s)));
}

export function pmuludq(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i64x2.extmul_low_i32x4_u(evenDoublewords(a, a), evenDoublewords(b, b)));
}

export function pmuldq(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i64x2.extmul_low_i32x4_s(evenDoublewords(a, a), evenDoublewords(b, b)));
}

export function pmaddwd(d: usize, s: usize): void {
  v128.store(d, i32x4.dot_i16x8_s(v128.load(d), v128.load(s)));
}

export function pmaddubsw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const low = i16x8.mul(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_s(b));
  const high = i16x8.mul(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_s(b));
  v128.store(d, i16x8.add_sat_s(evenWords(low, high), oddWords(low, high)));
}

/** Sum of absolute differences of 8 bytes, in each half. */
export function psadbw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const differences = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(differences));
  v128.store(d, i64x2.add(i64x2.shr_u(sums, 32), v128.and(sums, i64x2.splat(0xffffffff))));
}

/** Eight sums of absolute differences of four bytes; `imm` chooses where in `d` they begin and which four of `s`. */
export function mpsadbw(d: usize, s: usize, imm: i32): void {
  const from = d + (imm & 4);
  const block = s + ((imm & 3) << 2);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: usize = 0; i < 4; i++) {
    low |= differences(from + i, block) << (16 * i);
    high |= differences(from + 4 + i, block) << (16 * i);
  }
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

function differences(a: usize, b: usize): u64 {
  let sum: i32 = 0;
  for (let i: usize = 0; i < 4; i++) sum += abs<i32>(<i32>load<u8>(a + i) - <i32>load<u8>(b + i));
  return sum;
}

/** The smallest word and its position. */
export function phminposuw(d: usize, s: usize): void {
  let smallest: u64 = 0x10000;
  let position: u64 = 0;
  for (let i: u64 = 0; i < 8; i++) {
    const word = load<u16>(s + 2 * <usize>i);
    if (word < smallest) {
      smallest = word;
      position = i;
    }
  }
  store<u64>(d, smallest | (position << 16));
  store<u64>(d, 0, 8);
}

export function phaddw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.add(evenWords(a, b), oddWords(a, b)));
}

export function phsubw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.sub(evenWords(a, b), oddWords(a, b)));
}

export function phaddd(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i32x4.add(evenDoublewords(a, b), oddDoublewords(a, b)));
}

export function phsubd(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i32x4.sub(evenDoublewords(a, b), oddDoublewords(a, b)));
}

export function phaddsw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.add_sat_s(evenWords(a, b), oddWords(a, b)));
}

export function phsubsw(d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b)));
}
