import { Random } from './instruction-cases.js';

/** What a piece of memory or a register is filled with. */
export type Filling =
  | 'f32'
  | 'f64'
  | 'f80'
  /** Packed decimal, 10 bytes. */
  | 'bcd'
  /** Integers of all sizes, often at limits. */
  | 'integers'
  /** Few different characters and some zeros. */
  | 'text';

interface Format {
  /** Bits of the exponent field and of the fraction. */
  readonly exponent: number;
  readonly fraction: number;
}
const f32: Format = { exponent: 8, fraction: 23 };
const f64: Format = { exponent: 11, fraction: 52 };
/** Its fraction holds the integer bit too. */
const f80: Format = { exponent: 15, fraction: 64 };

function bits(random: Random, count: number): bigint {
  let value = 0n;
  for (let i = 0; i < count; i += 32) value = (value << 32n) | BigInt(random.u32());
  return BigInt.asUintN(count, value);
}

/** A fraction with few changes between zeros and ones: halfway cases come from these. */
function sparse(random: Random, count: number): bigint {
  const ones = (1n << BigInt(count)) - 1n;
  const run = bits(random, count) >> BigInt(random.below(count));
  const low = random.chance(2) ? run : ones - run;
  return random.chance(2) ? low : (run << BigInt(random.below(count))) & ones;
}

/** A number of a format: zero, denormal, at a limit, NaN, near one, a relative of `other`, or anything. */
function float(random: Random, format: Format, other?: bigint): bigint {
  const special = 2 ** format.exponent - 1;
  const bias = special >> 1;
  const width = 1 + format.exponent + format.fraction;
  const top = format === f80 ? 1n << 63n : 0n;
  const quiet = 1n << BigInt(format === f80 ? 62 : format.fraction - 1);
  const sign = random.below(2);
  const make = (exponent: number, fraction: bigint): bigint => {
    const field = BigInt(Math.max(0, Math.min(special, exponent)));
    return (((BigInt(sign) << BigInt(format.exponent)) | field) << BigInt(format.fraction)) | fraction;
  };
  const any = () => bits(random, format.fraction) | top;
  const few = () => sparse(random, format.fraction) | top;
  const relative = other ?? make(bias + 1, top);
  const choices: readonly (() => bigint)[] = [
    () => make(0, 0n),
    () => make(0, bits(random, format.fraction) >> BigInt(1 + random.below(format.fraction))),
    () => make(random.below(2), few()),
    () => make(special - random.below(3), few()),
    () => make(special, top | random.pick([0n, bits(random, 8), quiet | bits(random, 4), quiet])),
    () => make(bias + random.below(70), few()),
    () => make(bias, top | BigInt(random.below(3))),
    () => relative,
    () => BigInt.asUintN(width, relative + BigInt(random.below(3) - 1)),
    () => relative ^ (1n << BigInt(width - 1)),
    () => make(Math.round(bias / 2) + random.below(3), few()),
    () => make(Math.round(1.5 * bias) + random.below(3), few()),
    () => make(bias + random.below(8) - 4, any()),
    () => make(bias + 28 + random.below(40), any()),
    () => (format === f80 && !random.chance(4) ? make(bias - random.below(80), few()) : bits(random, width)),
    () => make(bias - random.below(40), any()),
  ];
  return random.pick(choices)();
}

function littleEndian(value: bigint, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)));
}

function numberOf(bytes: Buffer): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** 16 bytes. Numbers may be relatives of those at the same places of `other`. */
function block(random: Random, filling: Filling, other?: Buffer): Buffer {
  const result = Buffer.alloc(16);
  const like = (at: number, bytes: number) =>
    other === undefined ? undefined : numberOf(other.subarray(at, at + bytes));
  if (filling === 'f80') littleEndian(float(random, f80, like(0, 10)), 10).copy(result);
  else if (filling === 'bcd') {
    for (let i = 0; i < 9; i++) result[i] = random.below(10) * 16 + random.below(10);
    result[9] = random.below(2) << 7;
  } else if (filling === 'text') {
    const letters = random.pick([
      [0x41, 0x42, 0x43, 0x41],
      [0, 0x41, 0x42, 0x43, 0x80, 0xff, 0x41, 0x42],
    ]);
    for (let i = 0; i < 16; i++) result[i] = random.chance(12) ? 0 : random.pick(letters);
  } else if (filling === 'integers') {
    const size = random.pick([1, 2, 4, 8]);
    for (let i = 0; i < 16; i += size) {
      const value = random.chance(4) ? (like(i, size) ?? random.word()) : random.word();
      littleEndian(value, size).copy(result, i);
    }
  } else {
    const format = filling === 'f32' ? f32 : f64;
    const size = filling === 'f32' ? 4 : 8;
    for (let i = 0; i < 16; i += size) littleEndian(float(random, format, like(i, size)), size).copy(result, i);
  }
  return result;
}

const POOL = 8192;
const pools = new Map<Filling, Buffer>();

/** Blocks of a filling, each one with relatives of the numbers before it. Made once: BigInt arithmetic is slow. */
function pool(filling: Filling): Buffer {
  const known = pools.get(filling);
  if (known !== undefined) return known;
  const random = new Random(filling.length + filling.charCodeAt(1));
  const made = Buffer.alloc(16 * POOL);
  let before: Buffer | undefined;
  for (let i = 0; i < POOL; i++) {
    before = block(random, filling, before);
    before.copy(made, 16 * i);
  }
  pools.set(filling, made);
  return made;
}

/** Fills `target` with blocks of 16 bytes that follow one another in the pool. */
export function fill(target: Buffer, filling: Filling, random: Random): void {
  const from = 16 * random.below(POOL - target.length / 16);
  pool(filling).copy(target, 0, from, from + target.length);
}

/** MXCSR: any rounding; mostly all exceptions masked, half of the time PE set before. */
export function randomMxcsr(random: Random): number {
  const masks = random.chance(5) ? random.below(64) : 63;
  const flags = random.chance(2) ? 0x20 : random.below(64);
  const rounding = random.chance(2) ? random.below(4) : 0;
  const modes = (random.chance(4) ? 0x40 : 0) | (random.chance(4) ? 0x8000 : 0);
  return flags | (masks << 7) | (rounding << 13) | modes;
}

/** The x87's control, status and tag words as in the first 5 bytes of an FXSAVE image. */
export function randomX87(random: Random): { control: number; status: number; tags: number } {
  const masks = random.chance(4) ? random.below(64) : 63;
  const precision = random.chance(2) ? 3 : random.pick([0, 2, 3]);
  const rounding = random.chance(2) ? random.below(4) : 0;
  const conditions = (random.below(8) << 8) | (random.below(2) << 14);
  // Nothing is pending, mostly: ES and B follow from the flags and masks.
  const flags = random.chance(2) ? 0 : random.below(64) & (random.chance(16) ? 63 : masks);
  const pending = flags & ~masks ? 0x8080 : 0;
  return {
    control: masks | 0x40 | (precision << 8) | (rounding << 10),
    status: conditions | (random.below(8) << 11) | flags | pending,
    tags: random.chance(4) ? random.below(256) : 255,
  };
}
