import { DE, FLAG_DF, GP } from './bits';
import { raise, raiseError } from './exceptions';
import { carry, condition, getFlags, setCarry, setCarryOverflow, setFlags, setResult, signExtend } from './flags';
import { address, failed, read, readForWrite, write } from './memory';
import {
  changeE,
  getE,
  getG,
  getRegister,
  getSource,
  isMemory,
  maskOf,
  setE,
  setG,
  setRegister,
  sizeOf,
} from './operands';
import { setOnStackSegment } from './paging';
import { FLAGS, FORM, IMM, LINK, PREFIX, PREFIX_LOCK, RM, SEGMENT } from './record';
import { EFLAGS, FLAG_RES, GPR } from './state';
import { FORM_EC, FORM_EGC, FORM_EI, FORM_GE, FORM_GEI } from './tables';
import { divideWide, multiplyHigh, multiplyHighUnsigned, quotient, remainder } from './wide';

const ADD: u32 = 0;
const OR: u32 = 1;
const ADC: u32 = 2;
const SBB: u32 = 3;
const AND: u32 = 4;
const SUB: u32 = 5;
const XOR: u32 = 6;

const RAX: usize = 0;
const RCX: usize = 8;
const RDX: usize = 16;
const RBX: usize = 24;

/** Memory is the same for all threads behind a locked instruction. */
function fenceIfLocked(rec: usize): void {
  if ((load<u8>(rec, PREFIX) & PREFIX_LOCK) != 0) atomic.fence();
}

/** The result of an operation of a size, and its flags. */
function calculate(operation: u32, size: u32, a: u64, b: u64): u64 {
  let r: u64 = 0;
  let c: u64 = 0;
  if (operation == ADD || operation == ADC) {
    r = a + b + (operation == ADC ? carry() : 0);
    c = (a & b) | ((a | b) & ~r);
  } else if (operation == SUB || operation == SBB) {
    r = a - b - (operation == SBB ? carry() : 0);
    c = (~a & b) | ((~a | b) & r);
  } else {
    r = operation == AND ? a & b : operation == OR ? a | b : a ^ b;
  }
  setResult(size, r, c);
  return r & maskOf(size);
}

function binary(rec: usize, operation: u32): void {
  const size = sizeOf(rec);
  const source = getSource(rec, size);
  if (failed()) return;
  if (load<u8>(rec, FORM) == FORM_GE) return setG(rec, size, calculate(operation, size, getG(rec, size), source));
  const value = changeE(rec, size);
  if (failed()) return;
  setE(rec, size, calculate(operation, size, value, source));
  fenceIfLocked(rec);
}

function compare(rec: usize, operation: u32): void {
  const size = sizeOf(rec);
  const source = getSource(rec, size);
  if (failed()) return;
  if (load<u8>(rec, FORM) == FORM_GE) {
    calculate(operation, size, getG(rec, size), source);
    return;
  }
  const value = getE(rec, size);
  if (!failed()) calculate(operation, size, value, source);
}

export function op_add(rec: usize): void {
  binary(rec, ADD);
}
export function op_or(rec: usize): void {
  binary(rec, OR);
}
export function op_adc(rec: usize): void {
  binary(rec, ADC);
}
export function op_sbb(rec: usize): void {
  binary(rec, SBB);
}
export function op_and(rec: usize): void {
  binary(rec, AND);
}
export function op_sub(rec: usize): void {
  binary(rec, SUB);
}
export function op_xor(rec: usize): void {
  binary(rec, XOR);
}
export function op_cmp(rec: usize): void {
  compare(rec, SUB);
}
export function op_test(rec: usize): void {
  compare(rec, AND);
}

/** INC and DEC leave CF. */
function step(rec: usize, operation: u32): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  const cf = carry();
  const r = calculate(operation, size, value, 1);
  setCarry(cf);
  setE(rec, size, r);
  fenceIfLocked(rec);
}

export function op_inc(rec: usize): void {
  step(rec, ADD);
}
export function op_dec(rec: usize): void {
  step(rec, SUB);
}

export function op_neg(rec: usize): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  setE(rec, size, calculate(SUB, size, 0, value));
  fenceIfLocked(rec);
}

export function op_not(rec: usize): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  setE(rec, size, ~value);
  fenceIfLocked(rec);
}

// --- Moves ---

export function op_mov(rec: usize): void {
  const size = sizeOf(rec);
  const value = getSource(rec, size);
  if (failed()) return;
  if (load<u8>(rec, FORM) == FORM_GE) setG(rec, size, value);
  else setE(rec, size, value);
}

function absoluteAddress(rec: usize): u64 {
  setOnStackSegment(false);
  return load<u64>(rec, IMM) + load<u64>(<usize>load<u8>(rec, SEGMENT), GPR);
}

export function op_movabs_load(rec: usize): void {
  const size = sizeOf(rec);
  const value = read(absoluteAddress(rec), size);
  if (!failed()) setRegister(RAX, size, value);
}

export function op_movabs_store(rec: usize): void {
  const size = sizeOf(rec);
  write(absoluteAddress(rec), size, getRegister(RAX, size));
}

/** Size of the E operand of MOVZX and MOVSX: the opcode's last bit, which the decoder leaves in LINK. */
function narrow(rec: usize): u32 {
  return <u32>load<u8>(rec, LINK) & 1;
}

export function op_movzx(rec: usize): void {
  const value = getE(rec, narrow(rec));
  if (!failed()) setG(rec, sizeOf(rec), value);
}

export function op_movsx(rec: usize): void {
  const value = getE(rec, narrow(rec));
  if (!failed()) setG(rec, sizeOf(rec), signExtend(narrow(rec), value));
}

export function op_movslq(rec: usize): void {
  const size = sizeOf(rec);
  const value = getE(rec, min<u32>(size, 2));
  if (!failed()) setG(rec, size, size == 3 ? signExtend(2, value) : value);
}

export function op_lea(rec: usize): void {
  setG(rec, sizeOf(rec), address(rec));
}

export function op_xchg(rec: usize): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  setE(rec, size, getG(rec, size));
  setG(rec, size, value);
  if (isMemory(rec)) atomic.fence();
}

export function op_xadd(rec: usize): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  const sum = calculate(ADD, size, value, getG(rec, size));
  // With two registers the sum wins; in memory the address may depend on G.
  const memory = isMemory(rec);
  if (memory) setE(rec, size, sum);
  setG(rec, size, value);
  if (!memory) setE(rec, size, sum);
  fenceIfLocked(rec);
}

export function op_cmpxchg(rec: usize): void {
  const size = sizeOf(rec);
  const value = changeE(rec, size);
  if (failed()) return;
  calculate(SUB, size, getRegister(RAX, size), value);
  if (load<u64>(FLAG_RES) == 0) setE(rec, size, getG(rec, size));
  else {
    if (isMemory(rec)) setE(rec, size, value);
    setRegister(RAX, size, value);
  }
  fenceIfLocked(rec);
}

/** CMPXCHG8B; CMPXCHG16B with REX.W. */
export function op_cmpxchg8b(rec: usize): void {
  const size = sizeOf(rec);
  const at = address(rec);
  if (size == 3 && (at & 15) != 0) return raiseError(GP, 0);
  const low = readForWrite(at, size);
  if (failed()) return;
  const high = readForWrite(at + (1 << size), size);
  if (failed()) return;
  const equal = low == getRegister(RAX, size) && high == getRegister(RDX, size);
  if (equal) {
    write(at, size, getRegister(RBX, size));
    write(at + (1 << size), size, getRegister(RCX, size));
  } else {
    setRegister(RAX, size, low);
    setRegister(RDX, size, high);
  }
  setFlags((getFlags() & ~(<u64>0x40)) | (equal ? 0x40 : 0));
  fenceIfLocked(rec);
}

export function op_bswap(rec: usize): void {
  const size = sizeOf(rec);
  const value = getRegister(<usize>load<u8>(rec, RM), size);
  // Undefined for 16 bits; CPUs give 0.
  setRegister(
    <usize>load<u8>(rec, RM),
    size,
    size == 3 ? bswap<u64>(value) : size == 2 ? <u64>bswap<u32>(<u32>value) : 0,
  );
}

function swapBytes(size: u32, value: u64): u64 {
  return bswap<u64>(value) >> (64 - (8 << size));
}

export function op_movbe_load(rec: usize): void {
  const size = sizeOf(rec);
  const value = getE(rec, size);
  if (!failed()) setG(rec, size, swapBytes(size, value));
}

export function op_movbe_store(rec: usize): void {
  const size = sizeOf(rec);
  setE(rec, size, swapBytes(size, getG(rec, size)));
}

export function op_cbw(rec: usize): void {
  const size = sizeOf(rec);
  setRegister(RAX, size, signExtend(size - 1, getRegister(RAX, size - 1)));
}

export function op_cwd(rec: usize): void {
  const size = sizeOf(rec);
  setRegister(RDX, size, <u64>(<i64>signExtend(size, getRegister(RAX, size)) >> 63));
}

export function op_xlat(rec: usize): void {
  const mask = maskOf(3 - ((<u32>load<u8>(rec, FLAGS) >> 3) & 3));
  const value = read(
    ((load<u64>(GPR + 24) + <u64>load<u8>(GPR)) & mask) + load<u64>(<usize>load<u8>(rec, SEGMENT), GPR),
    0,
  );
  if (!failed()) setRegister(RAX, 0, value);
}

export function op_setcc(rec: usize): void {
  setE(rec, 0, condition(<u32>load<u8>(rec, LINK)) ? 1 : 0);
}

export function op_cmovcc(rec: usize): void {
  const size = sizeOf(rec);
  const value = getE(rec, size);
  if (failed()) return;
  setG(rec, size, condition(<u32>load<u8>(rec, LINK)) ? value : getG(rec, size));
}

export function op_nop(rec: usize): void {}

// --- Flags ---

export function op_cmc(rec: usize): void {
  setCarry(carry() ^ 1);
}
export function op_clc(rec: usize): void {
  setCarry(0);
}
export function op_stc(rec: usize): void {
  setCarry(1);
}

export function op_cld(rec: usize): void {
  store<u32>(EFLAGS, load<u32>(EFLAGS) & ~FLAG_DF);
}
export function op_std(rec: usize): void {
  store<u32>(EFLAGS, load<u32>(EFLAGS) | FLAG_DF);
}

export function op_lahf(rec: usize): void {
  store<u8>(GPR + 1, <u8>(getFlags() | 2));
}

export function op_sahf(rec: usize): void {
  setFlags((getFlags() & 0x800) | (<u64>load<u8>(GPR + 1) & 0xd5));
}

// --- Shifts ---

function shiftCount(rec: usize): u64 {
  return load<u8>(rec, FORM) == FORM_EC ? <u64>load<u8>(GPR + 8) : <u64>load<u8>(rec, IMM);
}

/** FLAG_RES and CF, OF of a shift; AF is undefined and cleared. */
function shifted(size: u32, r: u64, cf: u64, over: u64): void {
  setResult(size, r, 0);
  setCarryOverflow(cf & 1, over & 1);
}

export function op_shl(rec: usize): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const n = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  if (n == 0) return setE(rec, size, x);
  const r = (x << n) & maskOf(size);
  const cf = n > bits ? 0 : (x >> (bits - n)) & 1;
  shifted(size, r, cf, (r >> (bits - 1)) ^ cf);
  setE(rec, size, r);
}

export function op_shr(rec: usize): void {
  const size = sizeOf(rec);
  const n = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  if (n == 0) return setE(rec, size, x);
  const r = x >> n;
  shifted(size, r, x >> (n - 1), x >> ((8 << size) - 1));
  setE(rec, size, r);
}

export function op_sar(rec: usize): void {
  const size = sizeOf(rec);
  const n = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  if (n == 0) return setE(rec, size, x);
  const wide = <i64>signExtend(size, x);
  const r = <u64>(wide >> n);
  shifted(size, r, <u64>(wide >> (n - 1)), 0);
  setE(rec, size, r);
}

export function op_rol(rec: usize): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const count = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  const n = count & (bits - 1);
  const r = n == 0 ? x : ((x << n) | (x >> (bits - n))) & maskOf(size);
  if (count != 0) setCarryOverflow(r & 1, ((r >> (bits - 1)) ^ r) & 1);
  setE(rec, size, r);
}

export function op_ror(rec: usize): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const count = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  const n = count & (bits - 1);
  const r = n == 0 ? x : ((x >> n) | (x << (bits - n))) & maskOf(size);
  if (count != 0) setCarryOverflow(r >> (bits - 1), ((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1);
  setE(rec, size, r);
}

/** Rotates through CF: one bit more than the operand has. */
function rotateCarry(rec: usize, left: bool): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const count = shiftCount(rec) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  let r = x;
  let cf = carry();
  const n = count % (bits + 1);
  for (let i: u64 = 0; i < n; i++) {
    if (left) {
      const top = (r >> (bits - 1)) & 1;
      r = ((r << 1) | cf) & maskOf(size);
      cf = top;
    } else {
      const low = r & 1;
      r = (r >> 1) | (cf << (bits - 1));
      cf = low;
    }
  }
  if (count != 0)
    setCarryOverflow(cf, left ? ((r >> (bits - 1)) ^ cf) & 1 : ((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1);
  setE(rec, size, r);
}

export function op_rcl(rec: usize): void {
  rotateCarry(rec, true);
}
export function op_rcr(rec: usize): void {
  rotateCarry(rec, false);
}

function doubleShift(rec: usize, left: bool): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const n =
    (load<u8>(rec, FORM) == FORM_EGC ? <u64>load<u8>(GPR + 8) : <u64>load<u8>(rec, IMM)) & (size == 3 ? 63 : 31);
  const x = changeE(rec, size);
  if (failed()) return;
  if (n == 0) return setE(rec, size, x);
  const y = getG(rec, size);
  let r: u64 = 0;
  let cf: u64 = 0;
  // For 16 bits and counts above 16 the result is undefined: what comes out repeats the operands, as CPUs do.
  if (left) {
    if (n <= bits) {
      r = n == 64 ? y : (x << n) | (n == bits ? y : y >> (bits - n));
      cf = x >> (bits - n);
    } else {
      r = (y << (n - bits)) | (x >> (2 * bits - n));
      cf = y >> (2 * bits - n);
    }
  } else if (n <= bits) {
    r = (n == bits ? 0 : x >> n) | (n == bits ? y : y << (bits - n));
    cf = x >> (n - 1);
  } else {
    r = (y >> (n - bits)) | (x << (2 * bits - n));
    cf = y >> (n - bits - 1);
  }
  r &= maskOf(size);
  shifted(size, r, cf, (x ^ r) >> (bits - 1));
  setE(rec, size, r);
}

export function op_shld(rec: usize): void {
  doubleShift(rec, true);
}
export function op_shrd(rec: usize): void {
  doubleShift(rec, false);
}

// --- Bits ---

const BIT_TEST: u32 = 0;
const BIT_SET: u32 = 1;
const BIT_RESET: u32 = 2;
const BIT_COMPLEMENT: u32 = 3;

function bit(rec: usize, operation: u32): void {
  const size = sizeOf(rec);
  const bits: u64 = 8 << size;
  const index = getSource(rec, size);
  const n = index & (bits - 1);
  let at: u64 = 0;
  let x: u64 = 0;
  if (isMemory(rec)) {
    at = address(rec);
    // A register names a bit anywhere around the address.
    if (load<u8>(rec, FORM) != FORM_EI) at += <u64>((<i64>signExtend(size, index) >> (3 + size)) << size);
    x = operation == BIT_TEST ? read(at, size) : readForWrite(at, size);
    if (failed()) return;
  } else {
    x = getRegister(<usize>load<u8>(rec, RM), size);
  }
  setCarry((x >> n) & 1);
  if (operation == BIT_TEST) return;
  const mask = (<u64>1) << n;
  const r = operation == BIT_SET ? x | mask : operation == BIT_RESET ? x & ~mask : x ^ mask;
  if (isMemory(rec)) write(at, size, r);
  else setRegister(<usize>load<u8>(rec, RM), size, r);
  fenceIfLocked(rec);
}

export function op_bt(rec: usize): void {
  bit(rec, BIT_TEST);
}
export function op_bts(rec: usize): void {
  bit(rec, BIT_SET);
}
export function op_btr(rec: usize): void {
  bit(rec, BIT_RESET);
}
export function op_btc(rec: usize): void {
  bit(rec, BIT_COMPLEMENT);
}

export function op_bsf(rec: usize): void {
  const size = sizeOf(rec);
  const x = getE(rec, size);
  if (failed()) return;
  // Without a bit the destination stays; so it is on all CPUs that have the long mode.
  if (x != 0) setG(rec, size, ctz<u64>(x));
  scanned(x);
}

export function op_bsr(rec: usize): void {
  const size = sizeOf(rec);
  const x = getE(rec, size);
  if (failed()) return;
  if (x != 0) setG(rec, size, 63 - clz<u64>(x));
  scanned(x);
}

/** ZF tells that there was no bit; the others are undefined. */
function scanned(x: u64): void {
  setFlags((getFlags() & ~(<u64>0x40)) | (x == 0 ? 0x40 : 0));
}

export function op_popcnt(rec: usize): void {
  const size = sizeOf(rec);
  const x = getE(rec, size);
  if (failed()) return;
  setG(rec, size, popcnt<u64>(x));
  setFlags(x == 0 ? 0x40 : 0);
}

// --- Products and quotients ---

export function op_imul(rec: usize): void {
  const size = sizeOf(rec);
  const e = getE(rec, size);
  if (failed()) return;
  const other = load<u8>(rec, FORM) == FORM_GEI ? load<u64>(rec, IMM) & maskOf(size) : getG(rec, size);
  const a = <i64>signExtend(size, e);
  const b = <i64>signExtend(size, other);
  const r = <u64>(a * b);
  const fits = size == 3 ? multiplyHigh(a, b) == <i64>r >> 63 : signExtend(size, r) == r;
  setG(rec, size, r);
  setResult(size, r, 0);
  setCarryOverflow(fits ? 0 : 1, fits ? 0 : 1);
}

/** Stores a product of twice the size: AX for bytes, else rDX:rAX. */
function storeProduct(size: u32, low: u64, high: u64): void {
  if (size == 0) return setRegister(RAX, 1, low);
  setRegister(RAX, size, low);
  setRegister(RDX, size, high);
}

export function op_mul(rec: usize): void {
  const size = sizeOf(rec);
  const e = getE(rec, size);
  if (failed()) return;
  const a = getRegister(RAX, size);
  const low = a * e;
  const high = size == 3 ? multiplyHighUnsigned(a, e) : low >> (8 << size);
  storeProduct(size, low, high);
  setResult(size, low, 0);
  const over: u64 = high != 0 ? 1 : 0;
  setCarryOverflow(over, over);
}

export function op_imul1(rec: usize): void {
  const size = sizeOf(rec);
  const e = getE(rec, size);
  if (failed()) return;
  const a = <i64>signExtend(size, getRegister(RAX, size));
  const b = <i64>signExtend(size, e);
  const low = <u64>(a * b);
  const high = size == 3 ? <u64>multiplyHigh(a, b) : <u64>(<i64>low >> (8 << size));
  storeProduct(size, low, high);
  setResult(size, low, 0);
  const over: u64 = size == 3 ? (<i64>high == <i64>low >> 63 ? 0 : 1) : signExtend(size, low) == low ? 0 : 1;
  setCarryOverflow(over, over);
}

export function op_div(rec: usize): void {
  const size = sizeOf(rec);
  const d = getE(rec, size);
  if (failed()) return;
  if (d == 0) return raise(DE);
  if (size == 3) {
    const high = getRegister(RDX, 3);
    if (high >= d) return raise(DE);
    divideWide(high, getRegister(RAX, 3), d);
    setRegister(RAX, 3, quotient);
    setRegister(RDX, 3, remainder);
    return;
  }
  const bits: u64 = 8 << size;
  const n = size == 0 ? getRegister(RAX, 1) : getRegister(RAX, size) | (getRegister(RDX, size) << bits);
  const q = n / d;
  if (q > maskOf(size)) return raise(DE);
  setQuotient(size, q, n % d);
}

function setQuotient(size: u32, q: u64, r: u64): void {
  if (size == 0) return setRegister(RAX, 1, (q & 0xff) | ((r & 0xff) << 8));
  setRegister(RAX, size, q);
  setRegister(RDX, size, r);
}

export function op_idiv(rec: usize): void {
  const size = sizeOf(rec);
  const e = getE(rec, size);
  if (failed()) return;
  if (e == 0) return raise(DE);
  const d = <i64>signExtend(size, e);
  if (size == 3) {
    let high = getRegister(RDX, 3);
    let low = getRegister(RAX, 3);
    const negative = <i64>high < 0;
    if (negative) {
      high = ~high + (low == 0 ? 1 : 0);
      low = 0 - low;
    }
    const magnitude = <u64>(d < 0 ? 0 - d : d);
    if (high >= magnitude) return raise(DE);
    divideWide(high, low, magnitude);
    const opposite = negative != d < 0;
    if (quotient > 0x7fffffffffffffff + (opposite ? 1 : 0)) return raise(DE);
    setRegister(RAX, 3, opposite ? 0 - quotient : quotient);
    setRegister(RDX, 3, negative ? 0 - remainder : remainder);
    return;
  }
  const bits: u64 = 8 << size;
  const n =
    size == 0
      ? <i64>signExtend(1, getRegister(RAX, 1))
      : size == 1
        ? <i64>signExtend(2, getRegister(RAX, 1) | (getRegister(RDX, 1) << bits))
        : <i64>(getRegister(RAX, 2) | (getRegister(RDX, 2) << bits));
  // The one quotient that 64 bits do not hold; it does not fit into 32 either.
  if (d == -1 && n == i64.MIN_VALUE) return raise(DE);
  const q = <u64>(n / d);
  if (signExtend(size, q) != q) return raise(DE);
  setQuotient(size, q, <u64>(n % d));
}
