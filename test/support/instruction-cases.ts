import type { Row } from '../../accel/tcg/isa/row.js';
import { type Encoding, encodings } from '../../accel/tcg/isa/table.js';
import { CODE, DATA, STATE_SIZE, TEST_SIZE, WINDOW, WINDOW_START } from './core-cpu.js';

/** A repeatable source of random numbers (splitmix32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  below(limit: number): number {
    return this.u32() % limit;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** 64 bits: often a value at which something changes. */
  word(): bigint {
    const any = (BigInt(this.u32()) << 32n) | BigInt(this.u32());
    const bit = 1n << BigInt(this.below(64));
    return BigInt.asUintN(
      64,
      this.pick([any, any, any, bit, bit - 1n, -bit, BigInt(this.below(256)), 0n, -1n, any >> BigInt(this.below(64))]),
    );
  }
}

const prefixBytes: Readonly<Record<string, readonly number[]>> = { none: [], '66': [0x66], f3: [0xf3], f2: [0xf2] };

/** Instruction bytes of an encoding with random operands, and register values that make its memory operand lie in the window. */
function assemble(encoding: Encoding, random: Random, gpr: bigint[], align: number): number[] {
  const { row, shape, map, opcode, reg } = encoding;
  const legacy = prefixBytes[row.prefix ?? 'none'] ?? [];
  const sizePrefix = row.prefix === undefined && random.chance(4) ? [0x66] : [];
  const string = /^(movs|cmps|stos|lods|scas)$/.test(row.name);
  const repeat = string && random.chance(2) ? [random.pick([0xf2, 0xf3])] : [];
  let rex = random.chance(3) ? 0x40 | random.below(16) : 0;
  if (random.chance(3)) rex |= 0x48;
  const modrm: number[] = [];
  const immediateSize = (): number => {
    const wide = (rex & 8) !== 0;
    const small = sizePrefix.length > 0 && !wide;
    const full = shape.size === 'v' && wide ? 8 : small ? 2 : 4;
    const sizes = {
      none: 0,
      ib: 1,
      iw: 2,
      iz: small && shape.size !== 'branch' ? 2 : 4,
      iv: full,
      jb: 1,
      jz: 4,
      moffs: 8,
      enter: 3,
      one: 0,
      far: 6,
    };
    return sizes[shape.immediate];
  };
  const e = shape.operands.find(({ place }) => place === 'E');
  if (shape.modrm) {
    const register = reg ?? random.below(8);
    const memory =
      row.mod === 'mem' || (row.mod === undefined && !e?.registerOnly && (e?.memoryOnly || random.chance(2)));
    if (!memory) {
      modrm.push(0xc0 | (register << 3) | (row.rm ?? random.below(8)));
    } else {
      const target = BigInt(memoryTarget(random, align));
      const mod = random.below(3);
      let rm = random.below(8);
      if (rm === 5 && mod === 0) rm = 3;
      modrm.push((mod << 6) | (register << 3) | rm);
      const displacement = mod === 1 ? BigInt(random.below(256) - 128) : mod === 2 ? BigInt(random.u32() | 0) : 0n;
      let base = rm | ((rex & 1) << 3);
      let scaled = 0n;
      if (rm === 4) {
        const index = random.below(8) | ((rex & 2) << 2);
        const scale = random.below(4);
        let low = random.below(8);
        if (low === 5 && mod === 0) low = 1;
        base = low | ((rex & 1) << 3);
        modrm.push((scale << 6) | ((index & 7) << 3) | low);
        if (index === base && index !== 4) gpr[index] = 0n;
        else if (index !== 4) scaled = (gpr[index] ?? 0n) << BigInt(scale);
      }
      if (scaled === 0n || base !== undefined) gpr[base] = BigInt.asUintN(64, target - displacement - scaled);
      for (let i = 0; i < (mod === 1 ? 1 : mod === 2 ? 4 : 0); i++)
        modrm.push(Number((displacement >> BigInt(8 * i)) & 0xffn));
    }
  }
  const immediate = Array.from({ length: immediateSize() }, () => random.below(256));
  if (shape.immediate === 'jz') immediate.splice(0, 4, 16 + random.below(240), random.below(4), 0, 0);
  if (shape.immediate === 'jb') immediate[0] = 16 + random.below(112);
  if (shape.immediate === 'moffs') immediate.splice(0, 8, ...bytesOf(BigInt(memoryTarget(random))));
  if (row.name === 'enter') immediate[2] = 0;
  if (string || /^(push|pop|call|ret|leave|enter|pushf|popf)$/.test(row.name)) {
    for (const pointer of string ? [6, 7] : row.name === 'leave' ? [5] : [4])
      if (random.below(8) !== 0) gpr[pointer] = BigInt(memoryTarget(random));
    if (repeat.length > 0) gpr[1] = BigInt(random.below(9));
  }
  const escapes = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map] ?? [];
  const lock = row.lock && modrm.length > 0 && (modrm[0] ?? 0) < 0xc0 && random.chance(4) ? [0xf0] : [];
  return [
    ...lock,
    ...sizePrefix,
    ...repeat,
    ...legacy,
    ...(rex === 0 ? [] : [rex]),
    ...escapes,
    opcode,
    ...modrm,
    ...immediate,
  ];
}

const bytesOf = (value: bigint) => Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/** An address that mostly has memory: in the window, seldom read-only or nowhere. */
function memoryTarget(random: Random, align = 1): number {
  if (random.chance(24))
    return random.pick([
      DATA + 0x2ff8,
      DATA + 0x2000 + random.below(16),
      DATA + 0x3000 - random.below(12),
      DATA - random.below(12),
    ]);
  if (align === 1 && random.chance(3)) return WINDOW_START + WINDOW / 2 - random.below(10);
  const target = WINDOW_START + 24 + random.below(WINDOW - 64);
  return target - (target % align);
}

/** A struct test of native-cpu.c; a memory operand is mostly aligned to `align` bytes. */
export function testCase(encoding: Encoding, random: Random, align = 1): Buffer {
  const gpr = Array.from({ length: 16 }, () => random.word());
  if (/^(jmp|call)$/.test(encoding.row.name) && encoding.shape.operands[0]?.place === 'E') {
    for (let i = 0; i < 16; i++) gpr[i] = BigInt(CODE + 0x1100 + random.below(0xe00));
  }
  const code = assemble(encoding, random, gpr, align);
  const test = Buffer.alloc(TEST_SIZE, 0);
  test.fill(0xcc, 0, 16);
  Buffer.from(code).copy(test, 0, 0, 16);
  const entry = random.chance(8) ? 4096 - random.below(16) : 0x800 + random.below(64);
  test.writeBigUInt64LE(BigInt(entry), 16);
  const state = test.subarray(24);
  for (const [i, value] of gpr.entries()) state.writeBigUInt64LE(value, 8 * i);
  const rflags = (random.u32() & 0x8d5) | 0x202 | (random.chance(4) ? 0x400 : 0);
  state.writeBigUInt64LE(BigInt(rflags), 128);
  fpuState(state.subarray(144, 656), random);
  for (let i = 656; i < STATE_SIZE; i++) state[i] = random.below(256);
  if (encoding.row.name === 'popf') {
    const at = Number((gpr[4] ?? 0n) - BigInt(WINDOW_START));
    if (at >= 0 && at < WINDOW - 8) state.writeBigUInt64LE(BigInt((random.u32() & 0x200cd5) | 0x202), 656 + at);
  }
  if (/^ret$/.test(encoding.row.name)) {
    const at = Number((gpr[4] ?? 0n) - BigInt(WINDOW_START));
    if (at >= 0 && at < WINDOW - 8) state.writeBigUInt64LE(BigInt(CODE + 0x1100 + random.below(256)), 656 + at);
  }
  return test;
}

function fpuState(image: Buffer, random: Random): void {
  image.writeUInt16LE(0x37f, 0);
  image.writeUInt32LE(0x1f80, 24);
  for (let i = 160; i < 416; i++) image[i] = random.below(256);
}

/** Instructions that a single step in user mode can't show: they reach the kernel, other segments, or what the two CPUs differ in. */
const excluded =
  /^(syscall|sysenter|sysexit|sysret|int|int1|int3|into|iret|lret|call_far|jmp_far|cpuid|rdtsc|rdtscp|rdrand|rdseed|wrfsbase|wrgsbase|rdfsbase|rdgsbase|smsw|sgdt|sidt|sldt|str|lar|lsl|verr|verw|lss|lfs|lgs|hlt|pause|xgetbv|xsetbv|stac|clac|rdpmc|invalid|ud[012])$/;

function testable(row: Row): boolean {
  if (row.mode === 'legacy' || excluded.test(row.name)) return false;
  if (row.feature !== undefined && !['popcnt', 'movbe'].includes(row.feature)) return false;
  return (
    row.fn !== 'mov_to_segment' &&
    row.fn !== 'mov_from_segment' &&
    row.fn !== 'push_segment' &&
    row.fn !== 'pop_segment' &&
    row.fn !== 'mov_to_dr'
  );
}

/** What is tested: every encoding of user code, one a row. */
export function testableEncodings(rows: readonly Row[]): Encoding[] {
  return rows.filter(testable).flatMap((row) => encodings(row).slice(0, 8));
}

/** RFLAGS bits that an instruction leaves undefined (SDM volume 1, appendix A). */
export function undefinedFlags({ row }: Encoding, code: Buffer): bigint {
  void code;
  const [cf, pf, af, zf, sf, of] = [1n, 4n, 0x10n, 0x40n, 0x80n, 0x800n];
  const { name } = row;
  if (/^(and|or|xor|test)$/.test(name)) return af;
  if (/^(shl|shr|sar|shld|shrd)$/.test(name))
    return af | of | (row.operands?.startsWith('Eb') || name.startsWith('sh') ? cf : 0n);
  if (/^(rol|ror|rcl|rcr)$/.test(name)) return of;
  if (/^i?mul$/.test(name)) return sf | zf | af | pf;
  if (/^i?div$/.test(name)) return cf | pf | af | zf | sf | of;
  if (/^bt[src]?$/.test(name)) return of | sf | af | pf;
  if (/^bs[fr]$/.test(name)) return cf | of | sf | af | pf;
  return 0n;
}
