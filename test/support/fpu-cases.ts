import { mmxRows } from '../../accel/tcg/isa/mmx.js';
import type { Row } from '../../accel/tcg/isa/row.js';
import { sseFloatRows } from '../../accel/tcg/isa/sse-float.js';
import { sseIntegerRows } from '../../accel/tcg/isa/sse-integer.js';
import { sseMoveRows } from '../../accel/tcg/isa/sse-moves.js';
import { type Encoding, encodings } from '../../accel/tcg/isa/table.js';
import { x87Rows } from '../../accel/tcg/isa/x87.js';
import { WINDOW, WINDOW_START } from './core-cpu.js';
import { type Filling, fill, randomMxcsr, randomX87 } from './fpu-values.js';
import { type Random, testCase } from './instruction-cases.js';

const approximate = /^(rcp|rsqrt)[ps]s$/;
const transcendental = /^(f2xm1|fyl2x|fyl2xp1|fpatan|fsin|fcos|fsincos|fptan)$/;
const images = /^(fxsave|fxrstor|xsave|xsaveopt|xrstor)$/;
const all = [...sseFloatRows, ...sseIntegerRows, ...sseMoveRows, ...mmxRows, ...x87Rows].flatMap(encodings);

const named = (pattern: RegExp) => all.filter(({ row }) => pattern.test(row.name));

/** Encodings of SSE, MMX and the x87 that must agree with the host's CPU in every bit. */
export const exactEncodings: readonly Encoding[] = all.filter(
  ({ row }) => ![approximate, transcendental, images].some((pattern) => pattern.test(row.name)),
);
export const approximateEncodings: readonly Encoding[] = named(approximate);
/** Their last bit may differ. */
export const transcendentalEncodings: readonly Encoding[] = named(transcendental);
export const imageEncodings: readonly Encoding[] = named(images);

/** A name for an encoding that no other has. */
export function titleOf({ row }: Encoding): string {
  const marks = [
    row.prefix === 'none' ? undefined : row.prefix,
    row.wide === true ? 'w' : undefined,
    row.opcode,
    row.mod,
    row.rm,
  ];
  return `${row.name} ${row.operands ?? ''} (${marks.filter((mark) => mark !== undefined).join(' ')})`;
}

const isX87 = (row: Row) => row.unit?.startsWith('x87') === true;

/** What registers are filled with, and what memory. */
function fillings(row: Row): readonly [Filling, Filling] {
  if (isX87(row)) {
    if (row.name === 'fbld') return ['f80', 'bcd'];
    const sizes: Readonly<Record<string, Filling>> = { Md: 'f32', Mq: 'f64', Mt: 'f80' };
    return ['f80', /^fi|^fn|^fldc/.test(row.name) ? 'integers' : (sizes[row.operands ?? ''] ?? 'integers')];
  }
  const both = (filling: Filling) => [filling, filling] as const;
  if (/^pcmp[ei]str/.test(row.name)) return both('text');
  if (/^cvt(dq|pi|si)2/.test(row.name)) return both('integers');
  if (/^cvtt?(pd|sd)2/.test(row.name)) return both('f64');
  if (/^cvtt?(ps|ss)2/.test(row.name)) return both('f32');
  if (/[ps]s$/.test(row.name)) return both('f32');
  return both(/[ps]d$/.test(row.name) ? 'f64' : 'integers');
}

/** Offsets in a struct test of native-cpu.c. */
const GPR = 24;
const IMAGE = 24 + 144;
const ST = IMAGE + 32;
const XMM = IMAGE + 160;
const MEMORY = IMAGE + 512;

/** A struct test of native-cpu.c for one of these encodings: mostly an aligned operand, numbers at which something changes. */
export function fpuCase(encoding: Encoding, random: Random): Buffer {
  const { row } = encoding;
  const test = testCase(encoding, random, random.chance(6) ? 1 : 16);
  const [registers, memory] = fillings(row);
  fill(test.subarray(XMM, XMM + 256), registers === 'f80' ? 'integers' : registers, random);
  fill(test.subarray(MEMORY, MEMORY + WINDOW), memory, random);
  test.writeUInt32LE(randomMxcsr(random), IMAGE + 24);
  fillX87(test, random, isX87(row) ? 'f80' : 'integers');
  const register = (number: number, value: number) => test.writeBigInt64LE(BigInt(value), GPR + 8 * number);
  // Lengths of strings in RAX and RDX; the address of MASKMOVDQU in RDI.
  if (registers === 'text') for (const number of [0, 2]) if (!random.chance(4)) register(number, random.below(44) - 22);
  if (row.name.startsWith('maskmov')) register(7, WINDOW_START + random.below(WINDOW - 16));
  if (row.name === 'fyl2xp1') restrict(test);
  return test;
}

/** Brings ST(0) into the range that FYL2XP1 is defined for. */
function restrict(test: Buffer): void {
  const head = test.readUInt16LE(ST + 8);
  const exponent = head & 0x7fff;
  if (exponent > 0x3ffc && exponent < 0x7fff) test.writeUInt16LE((head & 0x8000) | 0x3ffc, ST + 8);
}

function fillX87(test: Buffer, random: Random, filling: Filling): void {
  const { control, status, tags } = randomX87(random);
  test.writeUInt16LE(control, IMAGE);
  test.writeUInt16LE(status, IMAGE + 2);
  test.writeUInt8(tags, IMAGE + 4);
  fill(test.subarray(ST, ST + 128), filling, random);
  for (let i = 0; i < 8; i++) {
    test.fill(0, ST + 16 * i + 10, ST + 16 * i + 16);
    if (filling !== 'f80' && random.chance(2)) test.writeUInt16LE(0xffff, ST + 16 * i + 8);
  }
}

const HEADER = 512;

/**
 * A case of FXSAVE, XSAVE and their kin. The image at RSI is longer than the window: it begins there, or ends there with
 * XSAVE's header.
 */
export function imageCase(encoding: Encoding, random: Random): Buffer {
  const { reg } = encoding;
  const test = fpuCase(encoding, random);
  const atStart = random.chance(2);
  const address = atStart ? WINDOW_START : WINDOW_START - 384 + (random.chance(16) ? 16 : 0);
  const rex = random.chance(2) ? [0x48] : [];
  test.fill(0xcc, 0, 16);
  Buffer.from([...rex, 0x0f, 0xae, ((reg ?? 0) << 3) | 6]).copy(test);
  test.writeBigUInt64LE(BigInt(address), GPR + 8 * 6);
  // Only the x87 and SSE: the test program needs the rest of the host's state.
  test.writeBigUInt64LE(BigInt(random.below(4)), GPR);
  test.writeBigUInt64LE(0n, GPR + 8 * 2);
  const offset = MEMORY + (address - WINDOW_START);
  if (atStart) {
    test.writeUInt32LE(random.chance(8) ? random.u32() : randomMxcsr(random), offset + 24);
    // What FXRSTOR takes from it: words as they are; of the tags and numbers everything.
    const { control, status } = randomX87(random);
    test.writeUInt16LE(control, offset);
    test.writeUInt16LE(status, offset + 2);
  } else {
    test.fill(0, offset + HEADER, offset + HEADER + 64);
    test.writeUInt8(random.below(4), offset + HEADER);
    // Bits that no CPU knows, of XSTATE_BV or in the reserved words; not XCOMP_BV's own bit 63.
    if (random.chance(8)) test.writeUInt8(random.below(256), offset + HEADER + random.pick([6, 7, 8, 14, 16, 23]));
  }
  return test;
}
