// MXCSR around an SSE instruction, and when the host's own arithmetic gives the very result and flags.
import { raise } from '../exceptions';
import { CR4, MXCSR } from '../state';
import { DE, IE, PE, ZE } from './control';
import { Env } from './number';

const DAZ: u32 = 1 << 6;
const FTZ: u32 = 1 << 15;
const RC: u32 = 3 << 13;
const MASK_SHIFT: u32 = 7;
const MASKS: u32 = 0x3f << MASK_SHIFT;
const UD: u32 = 6;
const XM: u32 = 19;
const OSXMMEXCPT: u64 = 1 << 10;

/** Takes rounding, masks, DAZ and FTZ from MXCSR and clears the raised exceptions. */
export function begin(): void {
  const mxcsr = load<u32>(MXCSR);
  Env.rounding = (mxcsr & RC) >> 13;
  Env.masks = (mxcsr & MASKS) >> MASK_SHIFT;
  Env.denormalsAreZero = (mxcsr & DAZ) !== 0;
  Env.flushToZero = (mxcsr & FTZ) !== 0;
  Env.flags = 0;
  Env.x87 = false;
}

/**
 * Notes the raised exceptions in MXCSR. True when one is not masked: #XM is raised and the instruction must not write its
 * result. An unmasked exception of the operands hides those of the results (SDM volume 1, section 11.5.3).
 */
export function faults(): bool {
  let raised = Env.flags;
  if (raised & (IE | DE | ZE) & ~Env.masks) raised &= IE | DE | ZE;
  if (raised === 0) return false;
  store<u32>(MXCSR, load<u32>(MXCSR) | raised);
  if (!(raised & ~Env.masks)) return false;
  raise(load<u64>(CR4) & OSXMMEXCPT ? XM : UD);
  return true;
}

/** When a native result is exact in value and flags; inlined. */
export class Native {
  /**
   * Rounding to nearest, everything masked and PE already set: a native operation whose operands are `plain` and whose
   * result is `settled` changes no flag. Most floating-point code runs in this state after its first inexact result.
   */
  @inline
  static nativeRounding(): bool {
    return (load<u32>(MXCSR) & (RC | MASKS | PE)) === (MASKS | PE);
  }

  /** PE is masked and already set: an inexact result is nothing new. */
  @inline
  static precisionNoted(): bool {
    return (load<u32>(MXCSR) & ((PE << MASK_SHIFT) | PE)) === ((PE << MASK_SHIFT) | PE);
  }

  @inline
  static mxcsrRounding(): u32 {
    return (load<u32>(MXCSR) & RC) >> 13;
  }

  /** Zero or normal: neither denormal, infinity nor NaN. */
  @inline
  static plain64(x: f64): bool {
    const bits = reinterpret<u64>(x) << 1;
    return bits - ((<u64>1) << 53) < 0xffc0000000000000 || bits === 0;
  }

  @inline
  static plain32(x: f32): bool {
    const bits = reinterpret<u32>(x) << 1;
    return bits - (1 << 24) < 0xfe000000 || bits === 0;
  }

  /** Finite and above the smallest normal number, so that neither overflow nor underflow happened. */
  @inline
  static settled64(x: f64): bool {
    return (reinterpret<u64>(x) << 1) - ((<u64>2) << 53) < 0xffa0000000000000;
  }

  @inline
  static settled32(x: f32): bool {
    return (reinterpret<u32>(x) << 1) - (2 << 24) < 0xfd000000;
  }

  @inline
  static allPlain32(x: v128): bool {
    const bits = i32x4.shl(x, 1);
    const normal = i32x4.lt_u(i32x4.sub(bits, i32x4.splat(1 << 24)), i32x4.splat(0xfe000000));
    return i32x4.all_true(v128.or(normal, i32x4.eq(bits, i32x4.splat(0))));
  }

  /** Zero counts as settled where `zeroToo` (constant) says so. */
  @inline
  static allSettled32(x: v128, zeroToo: bool): bool {
    const bits = i32x4.shl(x, 1);
    const settled = i32x4.lt_u(i32x4.sub(bits, i32x4.splat(2 << 24)), i32x4.splat(0xfd000000));
    return i32x4.all_true(zeroToo ? v128.or(settled, i32x4.eq(bits, i32x4.splat(0))) : settled);
  }
}
