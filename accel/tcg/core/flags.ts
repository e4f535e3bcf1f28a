import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from './bits';
import { EFLAGS, FLAG_AUX, FLAG_RES } from './state';

const SIGN: u64 = 0x8000000000000000;
export const AUX_AF: u64 = 8;
const AUX_SIGN: u64 = 1;
const AUX_PARITY: u64 = 2;

/** CF, PF, AF, ZF, SF and OF as RFLAGS has them. */
export function getFlags(): u64 {
  const res = load<u64>(FLAG_RES);
  const aux = load<u64>(FLAG_AUX);
  let flags: u64 =
    (aux >> 63) | (((aux ^ (aux << 1)) >> 63) << 11) | (((res ^ (aux << 63)) >> 63) << 7) | ((aux & AUX_AF) << 1);
  if (res == 0) flags |= FLAG_ZF;
  if (((popcnt<u64>(res & 0xff) ^ (aux >> 1)) & 1) == 0) flags |= FLAG_PF;
  return flags;
}

/** Sets the six arithmetic flags from a value of RFLAGS; its other bits do not matter. */
export function setFlags(flags: u64): void {
  const cf = flags & FLAG_CF;
  const over = (flags & FLAG_OF) >> 11;
  let aux = (cf << 63) | ((cf ^ over) << 62) | ((flags & FLAG_AF) >> 1);
  let res: u64 = 0;
  if ((flags & FLAG_ZF) != 0) {
    if ((flags & FLAG_SF) != 0) aux |= AUX_SIGN;
    if ((flags & FLAG_PF) == 0) aux |= AUX_PARITY;
  } else {
    res = (flags & FLAG_SF) != 0 ? SIGN : 0;
    res |= (flags & FLAG_PF) != 0 ? 0x100 : 0x101;
  }
  store<u64>(FLAG_RES, res);
  store<u64>(FLAG_AUX, aux);
}

export function carry(): u64 {
  return load<u64>(FLAG_AUX) >> 63;
}

/** Sets CF and leaves the others. */
export function setCarry(cf: u64): void {
  const aux = load<u64>(FLAG_AUX);
  const change = (aux ^ (cf << 63)) & SIGN;
  store<u64>(FLAG_AUX, aux ^ (change | (change >> 1)));
}

/** Sets CF and OF and leaves the others. */
export function setCarryOverflow(cf: u64, over: u64): void {
  store<u64>(FLAG_AUX, (load<u64>(FLAG_AUX) & 0x3fffffffffffffff) | (cf << 63) | ((cf ^ over) << 62));
}

export function getRflags(): u64 {
  return getFlags() | <u64>load<u32>(EFLAGS);
}

/** The flags by a result of `bits` bits (the value of a size: 8 << size) and its vector of carries. */
export function setResult(size: u32, r: u64, carries: u64): void {
  const bits: u64 = 8 << size;
  store<u64>(FLAG_RES, signExtend(size, r));
  store<u64>(FLAG_AUX, ((carries << (64 - bits)) & ~15) | (carries & 8));
}

export function signExtend(size: u32, value: u64): u64 {
  const shift: u64 = 64 - (8 << size);
  return <u64>(<i64>(value << shift) >> shift);
}

/** A condition code, 0 to 15. */
export function condition(code: u32): bool {
  const flags = getFlags();
  let holds: bool = false;
  switch (code >> 1) {
    case 0:
      holds = (flags & FLAG_OF) != 0;
      break;
    case 1:
      holds = (flags & FLAG_CF) != 0;
      break;
    case 2:
      holds = (flags & FLAG_ZF) != 0;
      break;
    case 3:
      holds = (flags & (FLAG_ZF | FLAG_CF)) != 0;
      break;
    case 4:
      holds = (flags & FLAG_SF) != 0;
      break;
    case 5:
      holds = (flags & FLAG_PF) != 0;
      break;
    case 6:
      holds = ((flags >> 7) & 1) != ((flags >> 11) & 1);
      break;
    default:
      holds = (flags & FLAG_ZF) != 0 || ((flags >> 7) & 1) != ((flags >> 11) & 1);
  }
  return (code & 1) != 0 ? !holds : holds;
}
