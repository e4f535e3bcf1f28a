import { STATE_SIZE, state } from './native-cpu.js';

/** What a form's operands are filled with. */
export type Filling =
  | 'f32'
  | 'f64'
  | 'bits'
  | 'text'
  | 'mmx'
  /** x87 registers, and memory of the format behind it. */
  | 'f80'
  | 'f80,f32'
  | 'f80,f64'
  | 'f80,f80'
  | 'f80,bcd';

/** A small generator of 32-bit numbers whose sequence depends on `seed` only (sfc32). */
export function random(seed: string): () => number {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  for (const char of seed) a = Math.imul(a ^ char.charCodeAt(0), 0x01000193);
  const next = (): number => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

interface Format {
  /** Bits of the exponent field and of the fraction. */
  readonly exponent: number;
  readonly fraction: number;
}
const f32: Format = { exponent: 8, fraction: 23 };
const f64: Format = { exponent: 11, fraction: 52 };
/** The fraction holds the integer bit too. */
const f80: Format = { exponent: 15, fraction: 64 };

/** Makes states from a seed. */
export class StateMaker {
  readonly #next: () => number;

  constructor(seed: string) {
    this.#next = random(seed);
  }

  below(n: number): number {
    return this.#next() % n;
  }

  bits(n: number): bigint {
    let value = 0n;
    for (let i = 0; i < n; i += 32) value = (value << 32n) | BigInt(this.#next());
    return BigInt.asUintN(n, value);
  }

  /** A number of format `f`: zeros, denormals, limits, NaNs, halfway cases, neighbours of `other`, or anything. */
  float(f: Format, other?: bigint): bigint {
    const extended = f === f80;
    const maxExponent = 2 ** f.exponent - 1;
    const bias = maxExponent >> 1;
    const one = 1n << BigInt(f.fraction);
    const make = (sign: number, exponent: number, fraction: bigint): bigint => {
      const field = BigInt(Math.max(0, Math.min(maxExponent, exponent)));
      return (((BigInt(sign) << BigInt(f.exponent)) | field) << BigInt(f.fraction)) | fraction;
    };
    const sign = this.below(2);
    // The integer bit of the 80-bit format.
    const top = extended ? one >> 1n : 0n;
    const quiet = extended ? one >> 2n : one >> 1n;
    const sparse = (): bigint => {
      const run = this.bits(f.fraction) >> BigInt(this.below(f.fraction));
      const low = this.below(2) ? run : one - 1n - run;
      return (this.below(2) ? low : (run << BigInt(this.below(f.fraction))) % one) | top;
    };
    switch (this.below(16)) {
      case 0:
        return make(sign, 0, 0n);
      case 1:
        return make(sign, 0, this.bits(f.fraction) >> BigInt(1 + this.below(f.fraction)));
      case 2:
        return make(sign, this.below(2), sparse() & (one - 1n));
      case 3:
        return make(sign, maxExponent - this.below(3), sparse());
      case 4:
        return make(
          sign,
          maxExponent,
          top | (this.below(2) ? quiet | this.bits(4) : this.below(2) ? 0n : this.bits(8)),
        );
      case 5:
        return make(sign, bias + this.below(70), sparse());
      case 6:
        return make(sign, bias, top | BigInt(this.below(3)));
      case 7:
        return other ?? make(sign, bias + 1, top);
      case 8:
        return other === undefined
          ? make(sign, bias - 1, top)
          : BigInt.asUintN(1 + f.exponent + f.fraction, other + BigInt(this.below(3) - 1));
      case 9:
        return other === undefined ? make(sign, bias + 3, sparse()) : other ^ make(1, 0, 0n);
      case 10:
        return make(sign, Math.round(bias / 2) + this.below(3), sparse());
      case 11:
        return make(sign, Math.round(1.5 * bias) + this.below(3), sparse());
      case 12:
        return make(sign, bias + this.below(8) - 4, this.bits(f.fraction) | top);
      case 13:
        return make(sign, bias + 28 + this.below(40), this.bits(f.fraction) | top);
      case 14:
        return extended && this.below(4) !== 0
          ? make(sign, bias - this.below(80), sparse())
          : this.bits(1 + f.exponent + f.fraction);
      default:
        return make(sign, bias - this.below(40), this.bits(f.fraction) | top);
    }
  }

  integer(bits: number): bigint {
    const kind = this.below(6);
    const max = 1n << BigInt(bits - 1);
    if (kind === 0) return this.bits(bits) >> BigInt(this.below(bits));
    if (kind === 1) return BigInt.asUintN(bits, -(this.bits(bits) >> BigInt(this.below(bits))));
    if (kind === 2) return BigInt.asUintN(bits, max - BigInt(this.below(3)) + 1n);
    return this.bits(bits);
  }

  /** MXCSR: any rounding; mostly everything masked, half of the time with PE set. */
  mxcsr(): number {
    const masks = this.below(5) === 0 ? this.below(64) : 63;
    const flags = this.below(2) ? 0x20 : this.below(64);
    const rounding = this.below(2) ? this.below(4) : 0;
    const modes = (this.below(4) === 0 ? 0x40 : 0) | (this.below(4) === 0 ? 0x8000 : 0);
    return flags | (masks << 7) | (rounding << 13) | modes;
  }

  /** Fills 16 bytes; `other` is the offset of the operand they may resemble. */
  #vector(view: DataView, at: number, filling: Filling, other?: number): void {
    for (let i = 0; i < 16; ) {
      const like = other === undefined ? undefined : other + i;
      if (filling === 'f32') {
        view.setUint32(
          at + i,
          Number(this.float(f32, like === undefined ? undefined : BigInt(view.getUint32(like, true)))),
          true,
        );
        i += 4;
      } else if (filling === 'f64') {
        view.setBigUint64(
          at + i,
          this.float(f64, like === undefined ? undefined : view.getBigUint64(like, true)),
          true,
        );
        i += 8;
      } else if (filling === 'text') {
        view.setUint8(
          at + i,
          [0, 0x41, 0x42, 0x43, 0x80, 0xff, 0x41, 0x42][this.below(this.below(3) === 0 ? 8 : 4)] ?? 0,
        );
        i += 1;
        if (this.below(12) === 0 && i < 16) view.setUint8(at + i++, 0);
      } else {
        const size = [8, 16, 32, 64][this.below(4)] ?? 8;
        if (i % (size / 8) !== 0) continue;
        const value = like !== undefined && this.below(4) === 0 ? view.getUint8(like) : this.integer(size);
        if (size === 8) view.setUint8(at + i, Number(value));
        else if (size === 16) view.setUint16(at + i, Number(value), true);
        else if (size === 32) view.setUint32(at + i, Number(value), true);
        else view.setBigUint64(at + i, BigInt(value), true);
        i += size / 8;
      }
    }
  }

  /** Writes an 80-bit number and zeros behind it. */
  #extended(view: DataView, at: number, other?: number): void {
    const like =
      other === undefined
        ? undefined
        : (BigInt(view.getUint16(other + 8, true)) << 64n) | view.getBigUint64(other, true);
    const value = this.float(f80, like);
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
    view.setBigUint64(at + 8, value >> 64n, true);
  }

  /** A state whose XMM registers and memory are filled as told. */
  make(target: Uint8Array, filling: Filling): void {
    const view = new DataView(target.buffer, target.byteOffset, STATE_SIZE);
    const x87 = filling.startsWith('f80');
    const vectors = x87 || filling === 'mmx' ? 'bits' : filling;
    this.#vector(view, state.xmm, vectors);
    this.#vector(view, state.xmm + 16, vectors, state.xmm);
    this.#vector(view, state.xmm + 32, this.below(2) ? 'bits' : vectors);
    for (let i = 0; i < 4; i++) {
      const small = filling === 'text' && this.below(4) !== 0;
      const value = small ? BigInt.asUintN(64, BigInt(this.below(44) - 22)) : this.integer(this.below(2) ? 32 : 64);
      view.setBigUint64(state.gpr + 8 * i, value, true);
    }
    view.setBigUint64(state.rflags, BigInt(this.#next() & 0x8d5), true);
    view.setUint32(state.mxcsr, this.mxcsr(), true);
    this.#vector(view, state.mem, vectors, state.xmm);
    for (let i = 16; i < 128; i += 16) this.#vector(view, state.mem + i, 'bits');
    if (x87 || filling === 'mmx') this.#x87(view, filling === 'mmx');
    else view.setUint16(state.fcw, 0x37f, true);
    this.#x87Operand(view, filling);
  }

  /** The memory operand of an x87 instruction. */
  #x87Operand(view: DataView, filling: Filling): void {
    if (filling === 'f80,f32') this.#vector(view, state.mem, 'f32');
    else if (filling === 'f80,f64') this.#vector(view, state.mem, 'f64');
    else if (filling === 'f80,f80') this.#extended(view, state.mem);
    else if (filling === 'f80,bcd') {
      for (let i = 0; i < 9; i++) view.setUint8(state.mem + i, this.below(10) * 16 + this.below(10));
      view.setUint8(state.mem + 9, this.below(2) << 7);
    }
  }

  #x87(view: DataView, mmx: boolean): void {
    const masks = this.below(4) === 0 ? this.below(64) : 63;
    view.setUint16(
      state.fcw,
      masks | 0x40 | (this.#precision() << 8) | ((this.below(2) ? this.below(4) : 0) << 10),
      true,
    );
    // No pending unmasked exception: ES and B follow from flags and masks.
    const flags = this.below(2) ? 0 : this.below(64) & masks;
    view.setUint16(
      state.fsw,
      ((this.below(16) << 8) & 0x700) | (this.below(2) << 14) | (this.below(8) << 11) | flags,
      true,
    );
    view.setUint8(state.ftw, this.below(4) === 0 ? this.below(256) : 255);
    for (let i = 0; i < 8; i++) {
      const at = state.st + 16 * i;
      if (mmx) {
        this.#vector(view, at, 'bits', i > 0 ? at - 16 : undefined);
        view.setUint16(at + 8, this.below(2) ? 0xffff : this.below(65536), true);
        view.setUint16(at + 10, 0, true);
        view.setUint32(at + 12, 0, true);
      } else this.#extended(view, at, i > 0 ? at - 16 : undefined);
    }
  }

  #precision(): number {
    return this.below(2) ? 3 : ([0, 2, 3][this.below(3)] ?? 3);
  }
}
