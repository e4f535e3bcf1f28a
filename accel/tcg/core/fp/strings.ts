// SSE4.2: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM volume 1, section 12.2.3 and volume 2, section 4.1) and CRC32.
import { setFlags } from '../flags';
import { GPR, XMM } from '../state';

const RAX: usize = GPR;
const RCX: usize = GPR + 8;
const RDX: usize = GPR + 16;

const CF: u32 = 1;
const ZF: u32 = 64;
const SF: u32 = 128;
const OF: u32 = 2048;

/** Bits of the immediate: words instead of bytes, signed, aggregation in bits 2 and 3, polarity in bits 4 and 5. */
const WORDS: i32 = 1;
const SIGNED: i32 = 2;
const EQUAL_ANY: i32 = 0;
const RANGES: i32 = 1;
const EQUAL_EACH: i32 = 2;
const NEGATE: i32 = 16;
const MASKED: i32 = 32;
/** Index of the last set bit, or a mask of whole elements. */
const LAST_OR_MASK: i32 = 64;

function element(p: usize, index: i32, imm: i32): i32 {
  if (imm & WORDS) return imm & SIGNED ? <i32>load<i16>(p + 2 * index) : <i32>load<u16>(p + 2 * index);
  return imm & SIGNED ? <i32>load<i8>(p + index) : <i32>load<u8>(p + index);
}

function count(imm: i32): i32 {
  return imm & WORDS ? 8 : 16;
}

/** Elements before the first zero. */
function implicitLength(p: usize, imm: i32): i32 {
  const n = count(imm);
  let length = 0;
  while (length < n && element(p, length, imm) !== 0) length++;
  return length;
}

function explicitLength(slot: usize, wide: bool, imm: i32): i32 {
  const value = wide ? load<i64>(slot) : <i64>load<i32>(slot);
  const n = count(imm);
  // The magnitude of the smallest integer does not fit; it saturates as well.
  if (value > n || value < -n) return n;
  return <i32>abs<i64>(value);
}

/** Whether element `j` of `s` matches, for the strings' lengths. */
function matches(d: usize, s: usize, lengthD: i32, lengthS: i32, imm: i32, j: i32): bool {
  const aggregation = (imm >> 2) & 3;
  if (aggregation === EQUAL_EACH) {
    if (j >= lengthD || j >= lengthS) return j >= lengthD && j >= lengthS;
    return element(d, j, imm) === element(s, j, imm);
  }
  if (aggregation === EQUAL_ANY) {
    if (j >= lengthS) return false;
    const x = element(s, j, imm);
    for (let i = 0; i < lengthD; i++) if (element(d, i, imm) === x) return true;
    return false;
  }
  if (aggregation === RANGES) {
    if (j >= lengthS) return false;
    const x = element(s, j, imm);
    for (let i = 0; i + 1 < lengthD; i += 2) if (element(d, i, imm) <= x && x <= element(d, i + 1, imm)) return true;
    return false;
  }
  // Ordered: `d` begins at element j of `s`; what would be beyond the vector is taken for equal.
  const n = count(imm);
  for (let i = 0; i < lengthD && i + j < n; i++) {
    if (i + j >= lengthS || element(d, i, imm) !== element(s, i + j, imm)) return false;
  }
  return true;
}

/** The bits of the matching elements, after the polarity; sets the flags. */
function compareStrings(d: usize, s: usize, lengthD: i32, lengthS: i32, imm: i32): u32 {
  const n = count(imm);
  let bits: u32 = 0;
  for (let j = 0; j < n; j++) if (matches(d, s, lengthD, lengthS, imm, j)) bits |= 1 << j;
  if (imm & NEGATE) bits ^= imm & MASKED ? (1 << lengthS) - 1 : (1 << n) - 1;
  setFlags((bits ? CF : 0) | (lengthS < n ? ZF : 0) | (lengthD < n ? SF : 0) | (bits & 1 ? OF : 0));
  return bits;
}

function storeIndex(bits: u32, imm: i32): void {
  let index = count(imm);
  if (bits) index = imm & LAST_OR_MASK ? 31 - clz(bits) : ctz(bits);
  store<u64>(RCX, index);
}

function storeMask(bits: u32, imm: i32): void {
  let mask = i64x2(bits, 0);
  if (imm & LAST_OR_MASK) {
    const lanes =
      imm & WORDS
        ? i16x8.splat(<i16>bits)
        : i8x16.shuffle(i64x2.splat(bits), i64x2.splat(0), 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const select =
      imm & WORDS
        ? i16x8(1, 2, 4, 8, 16, 32, 64, 128)
        : i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
    mask = imm & WORDS ? i16x8.eq(v128.and(lanes, select), select) : i8x16.eq(v128.and(lanes, select), select);
  }
  v128.store(XMM, mask);
}

function explicit(d: usize, s: usize, imm: i32, wide: bool): u32 {
  return compareStrings(d, s, explicitLength(RAX, wide, imm), explicitLength(RDX, wide, imm), imm);
}

function implicit(d: usize, s: usize, imm: i32): u32 {
  return compareStrings(d, s, implicitLength(d, imm), implicitLength(s, imm), imm);
}

export function pcmpestri(d: usize, s: usize, imm: i32): void {
  storeIndex(explicit(d, s, imm, false), imm);
}

export function pcmpestrm(d: usize, s: usize, imm: i32): void {
  storeMask(explicit(d, s, imm, false), imm);
}

/** With REX.W: lengths are 64-bit. */
export function pcmpestri64(d: usize, s: usize, imm: i32): void {
  storeIndex(explicit(d, s, imm, true), imm);
}

export function pcmpestrm64(d: usize, s: usize, imm: i32): void {
  storeMask(explicit(d, s, imm, true), imm);
}

export function pcmpistri(d: usize, s: usize, imm: i32): void {
  storeIndex(implicit(d, s, imm), imm);
}

export function pcmpistrm(d: usize, s: usize, imm: i32): void {
  storeMask(implicit(d, s, imm), imm);
}

/** Remainders of the bytes by the polynomial of CRC32 (Castagnoli, reflected). */
const REMAINDERS: usize = memory.data(1024);
for (let i: u32 = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  store<u32>(REMAINDERS + 4 * i, crc);
}

/** CRC32 of `bytes` bytes. */
export function crc32(d: usize, s: usize, bytes: usize): void {
  let crc = load<u32>(d);
  for (let i: usize = 0; i < bytes; i++) {
    crc = (crc >> 8) ^ load<u32>(REMAINDERS + (((crc ^ load<u8>(s + i)) & 0xff) << 2));
  }
  store<u64>(d, crc);
}
