// SSE arithmetic. `d` is the address of the destination, which is also the first source, `s` that of the second source. An
// unmasked exception raises #XM and leaves the destination alone.
import { IE } from './control';
import { begin, faults, Native } from './mxcsr';
import { A, B, Env, moveToB, noteDenormals, pack32, pack64, QNAN, unpack32, unpack64, ZERO } from './number';
import { add, compare, divide, GREATER, LESS, multiply, squareRoot, subtract } from './soft';

export const ADD: u32 = 0;
const SUB: u32 = 1;
export const MUL: u32 = 2;
const DIV: u32 = 3;
const SQRT: u32 = 4;
const MIN: u32 = 5;
const MAX: u32 = 6;
/** Subtracts in even lanes, adds in odd ones. */
const ADDSUB: u32 = 7;

function arithmetic(op: u32): void {
  if (op === ADD) add();
  else if (op === SUB) subtract();
  else if (op === MUL) multiply();
  else if (op === DIV) divide();
  else squareRoot();
}

/** Whether MIN or MAX answers the first operand; the second one is the answer for NaNs and equal values. */
function firstOfMinMax(op: u32): bool {
  if (A.kind >= QNAN || B.kind >= QNAN) {
    Env.flags |= IE;
    return false;
  }
  noteDenormals();
  return compare() === (op === MIN ? LESS : GREATER);
}

/** One lane, exactly; bits in and out. A denormal that DAZ took for zero is zero as the answer of MIN and MAX too. */
export function lane32(op: u32, a: u32, b: u32): u32 {
  unpack32(b);
  moveToB();
  unpack32(op === SQRT ? b : a);
  if (op < MIN) {
    arithmetic(op);
    return pack32();
  }
  const first = firstOfMinMax(op);
  return (first ? a : b) & ((first ? A.kind : B.kind) === ZERO ? 0x80000000 : 0xffffffff);
}

export function lane64(op: u32, a: u64, b: u64): u64 {
  unpack64(b);
  moveToB();
  unpack64(op === SQRT ? b : a);
  if (op < MIN) {
    arithmetic(op);
    return pack64();
  }
  const first = firstOfMinMax(op);
  return (first ? a : b) & ((first ? A.kind : B.kind) === ZERO ? 0x8000000000000000 : 0xffffffffffffffff);
}

/** Two lanes of single precision, from the 64 bits at `a` and `b`. */
function pair32(op: u32, a: usize, b: usize): u64 {
  const even = lane32(op === ADDSUB ? SUB : op, load<u32>(a), load<u32>(b));
  const odd = lane32(op === ADDSUB ? ADD : op, load<u32>(a, 4), load<u32>(b, 4));
  return <u64>even | ((<u64>odd) << 32);
}

/** Ends an instruction with a 128-bit result. */
export function finish(d: usize, low: u64, high: u64): void {
  if (faults()) return;
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

function softScalar32(op: u32, d: usize, s: usize): void {
  begin();
  const result = lane32(op, load<u32>(d), load<u32>(s));
  if (!faults()) store<u32>(d, result);
}

function softScalar64(op: u32, d: usize, s: usize): void {
  begin();
  const result = lane64(op, load<u64>(d), load<u64>(s));
  if (!faults()) store<u64>(d, result);
}

function softPacked32(op: u32, d: usize, s: usize): void {
  begin();
  const low = pair32(op, d, s);
  finish(d, low, pair32(op, d + 8, s + 8));
}

function softPacked64(op: u32, d: usize, s: usize): void {
  begin();
  const low = lane64(op === ADDSUB ? SUB : op, load<u64>(d), load<u64>(s));
  finish(d, low, lane64(op === ADDSUB ? ADD : op, load<u64>(d, 8), load<u64>(s, 8)));
}

/** Operations with the native result where it stands; inlined with a constant `op`. */
class Fast {
  /** The native result of an operation; `op` is constant wherever this is inlined. */
  @inline
  static native<T>(op: u32, a: T, b: T): T {
    if (op === ADD) return a + b;
    if (op === SUB) return a - b;
    if (op === MUL) return a * b;
    if (op === DIV) return a / b;
    if (op === SQRT) return sqrt<T>(b);
    if (op === MIN) return a < b ? a : b;
    return a > b ? a : b;
  }

  /** Whether the native result stands. The sum of plain operands is 0 only exactly, so is the root; MIN and MAX never round. */
  @inline
  static stands(op: u32, settled: bool, zero: bool): bool {
    if (op >= MIN) return true;
    return Native.nativeRounding() && (settled || (zero && (op === ADD || op === SUB || op === SQRT)));
  }

  @inline
  static scalar32(op: u32, d: usize, s: usize): void {
    const a = load<f32>(d);
    const b = load<f32>(s);
    const r = Fast.native<f32>(op, a, b);
    if ((op === SQRT || Native.plain32(a)) && Native.plain32(b) && Fast.stands(op, Native.settled32(r), r === 0))
      store<f32>(d, r);
    else softScalar32(op, d, s);
  }

  @inline
  static scalar64(op: u32, d: usize, s: usize): void {
    const a = load<f64>(d);
    const b = load<f64>(s);
    const r = Fast.native<f64>(op, a, b);
    if ((op === SQRT || Native.plain64(a)) && Native.plain64(b) && Fast.stands(op, Native.settled64(r), r === 0))
      store<f64>(d, r);
    else softScalar64(op, d, s);
  }

  @inline
  static packed32(op: u32, d: usize, s: usize): void {
    const a = v128.load(d);
    const b = v128.load(s);
    let r: v128;
    if (op === ADD) r = f32x4.add(a, b);
    else if (op === SUB) r = f32x4.sub(a, b);
    else if (op === MUL) r = f32x4.mul(a, b);
    else if (op === DIV) r = f32x4.div(a, b);
    else if (op === MIN) r = f32x4.pmin(b, a);
    else r = f32x4.pmax(b, a);
    const sum = op === ADD || op === SUB;
    if (
      Native.allPlain32(a) &&
      Native.allPlain32(b) &&
      (op >= MIN || (Native.nativeRounding() && Native.allSettled32(r, sum)))
    )
      v128.store(d, r);
    else softPacked32(op, d, s);
  }

  @inline
  static packed64(op: u32, d: usize, s: usize): void {
    const a = load<f64>(d);
    const b = load<f64>(s);
    const c = load<f64>(d, 8);
    const e = load<f64>(s, 8);
    const low = Fast.native<f64>(op, a, b);
    const high = Fast.native<f64>(op, c, e);
    const plain = (op === SQRT || (Native.plain64(a) && Native.plain64(c))) && Native.plain64(b) && Native.plain64(e);
    if (
      plain &&
      Fast.stands(op, Native.settled64(low), low === 0) &&
      Fast.stands(op, Native.settled64(high), high === 0)
    ) {
      store<f64>(d, low);
      store<f64>(d, high, 8);
    } else {
      softPacked64(op, d, s);
    }
  }
}

export function addss(d: usize, s: usize): void {
  Fast.scalar32(ADD, d, s);
}

export function addsd(d: usize, s: usize): void {
  Fast.scalar64(ADD, d, s);
}

export function addps(d: usize, s: usize): void {
  Fast.packed32(ADD, d, s);
}

export function addpd(d: usize, s: usize): void {
  Fast.packed64(ADD, d, s);
}

export function subss(d: usize, s: usize): void {
  Fast.scalar32(SUB, d, s);
}

export function subsd(d: usize, s: usize): void {
  Fast.scalar64(SUB, d, s);
}

export function subps(d: usize, s: usize): void {
  Fast.packed32(SUB, d, s);
}

export function subpd(d: usize, s: usize): void {
  Fast.packed64(SUB, d, s);
}

export function mulss(d: usize, s: usize): void {
  Fast.scalar32(MUL, d, s);
}

export function mulsd(d: usize, s: usize): void {
  Fast.scalar64(MUL, d, s);
}

export function mulps(d: usize, s: usize): void {
  Fast.packed32(MUL, d, s);
}

export function mulpd(d: usize, s: usize): void {
  Fast.packed64(MUL, d, s);
}

export function divss(d: usize, s: usize): void {
  Fast.scalar32(DIV, d, s);
}

export function divsd(d: usize, s: usize): void {
  Fast.scalar64(DIV, d, s);
}

export function divps(d: usize, s: usize): void {
  Fast.packed32(DIV, d, s);
}

export function divpd(d: usize, s: usize): void {
  Fast.packed64(DIV, d, s);
}

export function sqrtss(d: usize, s: usize): void {
  Fast.scalar32(SQRT, d, s);
}

export function sqrtsd(d: usize, s: usize): void {
  Fast.scalar64(SQRT, d, s);
}

export function sqrtps(d: usize, s: usize): void {
  softPacked32(SQRT, d, s);
}

export function sqrtpd(d: usize, s: usize): void {
  Fast.packed64(SQRT, d, s);
}

export function minss(d: usize, s: usize): void {
  Fast.scalar32(MIN, d, s);
}

export function minsd(d: usize, s: usize): void {
  Fast.scalar64(MIN, d, s);
}

export function minps(d: usize, s: usize): void {
  Fast.packed32(MIN, d, s);
}

export function minpd(d: usize, s: usize): void {
  Fast.packed64(MIN, d, s);
}

export function maxss(d: usize, s: usize): void {
  Fast.scalar32(MAX, d, s);
}

export function maxsd(d: usize, s: usize): void {
  Fast.scalar64(MAX, d, s);
}

export function maxps(d: usize, s: usize): void {
  Fast.packed32(MAX, d, s);
}

export function maxpd(d: usize, s: usize): void {
  Fast.packed64(MAX, d, s);
}

export function addsubps(d: usize, s: usize): void {
  softPacked32(ADDSUB, d, s);
}

export function addsubpd(d: usize, s: usize): void {
  softPacked64(ADDSUB, d, s);
}

/** Sums (ADD) or differences (SUB) of neighbours: those of `d` below those of `s`. */
function horizontal32(op: u32, d: usize, s: usize): void {
  begin();
  const low = neighbours32(op, d);
  finish(d, low, neighbours32(op, s));
}

function neighbours32(op: u32, p: usize): u64 {
  const low = lane32(op, load<u32>(p), load<u32>(p, 4));
  return <u64>low | ((<u64>lane32(op, load<u32>(p, 8), load<u32>(p, 12))) << 32);
}

function horizontal64(op: u32, d: usize, s: usize): void {
  begin();
  const low = lane64(op, load<u64>(d), load<u64>(d, 8));
  finish(d, low, lane64(op, load<u64>(s), load<u64>(s, 8)));
}

export function haddps(d: usize, s: usize): void {
  horizontal32(ADD, d, s);
}

export function haddpd(d: usize, s: usize): void {
  horizontal64(ADD, d, s);
}

export function hsubps(d: usize, s: usize): void {
  horizontal32(SUB, d, s);
}

export function hsubpd(d: usize, s: usize): void {
  horizontal64(SUB, d, s);
}
