// RCPPS and RSQRTPS: approximations whose error the SDM bounds by 1.5 * 2^-12. Ours are the rounded quotients, so they are
// closer than any hardware's; the special cases are exact. No exceptions, and MXCSR has no part in them.

const EXPONENT: u32 = 0x7f800000;
const SIGN: u32 = 0x80000000;

/** A denormal counts as zero; a NaN becomes quiet. */
function reciprocal(bits: u32): u32 {
  const exponent = bits & EXPONENT;
  if (exponent === 0) return (bits & SIGN) | EXPONENT;
  if (exponent === EXPONENT && bits << 9) return bits | 0x400000;
  const r = reinterpret<u32>(<f32>1 / reinterpret<f32>(bits));
  return r & EXPONENT ? r : bits & SIGN;
}

function reciprocalRoot(bits: u32): u32 {
  const exponent = bits & EXPONENT;
  if (exponent === 0) return (bits & SIGN) | EXPONENT;
  if (exponent === EXPONENT && bits << 9) return bits | 0x400000;
  if (bits & SIGN) return 0xffc00000;
  return reinterpret<u32>(<f32>(1 / sqrt<f64>(<f64>reinterpret<f32>(bits))));
}

export function rcpss(d: usize, s: usize): void {
  store<u32>(d, reciprocal(load<u32>(s)));
}

export function rsqrtss(d: usize, s: usize): void {
  store<u32>(d, reciprocalRoot(load<u32>(s)));
}

export function rcpps(d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) rcpss(d + i, s + i);
}

export function rsqrtps(d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) rsqrtss(d + i, s + i);
}
