import { mmxRows } from '../../accel/tcg/isa/mmx.js';
import type { Row } from '../../accel/tcg/isa/row.js';
import { sseFloatRows } from '../../accel/tcg/isa/sse-float.js';
import { sseIntegerRows } from '../../accel/tcg/isa/sse-integer.js';
import { sseMoveRows } from '../../accel/tcg/isa/sse-moves.js';
import { type Encoding, encodings } from '../../accel/tcg/isa/table.js';
import { x87Rows } from '../../accel/tcg/isa/x87.js';
import { WINDOW } from './core-cpu.js';
import { type Filling, fill, randomMxcsr, randomX87 } from './fpu-values.js';
import { type Random, testCase } from './instruction-cases.js';

/** Those with tests of their own: approximations, transcendental functions, images of more than the window. */
const apart =
  /^(rcp[ps]s|rsqrt[ps]s|f2xm1|fyl2x|fyl2xp1|fpatan|fsin|fcos|fsincos|fptan|fxsave|fxrstor|xsave|xsaveopt|xrstor)$/;
const all: readonly Row[] = [...sseFloatRows, ...sseIntegerRows, ...sseMoveRows, ...mmxRows, ...x87Rows];

/** The encodings of SSE, MMX and the x87 that must agree with the host's CPU in every bit. */
export const fpuEncodings: readonly Encoding[] = all.filter(({ name }) => !apart.test(name)).flatMap(encodings);

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

export function isX87({ row }: Encoding): boolean {
  return row.unit?.startsWith('x87') === true;
}

/** What the operands of an encoding are: the registers' filling, then that of memory. */
function fillings({ row }: Encoding): readonly [Filling, Filling] {
  if (isX87({ row } as Encoding)) {
    if (row.name === 'fbld') return ['f80', 'bcd'];
    const float = !/^fi|^fn|^fld[ce]|^frstor/.test(row.name);
    const sizes: Readonly<Record<string, Filling>> = { Md: 'f32', Mq: 'f64', Mt: 'f80' };
    return ['f80', float ? (sizes[row.operands ?? ''] ?? 'integers') : 'integers'];
  }
  if (/^pcmp[ei]str/.test(row.name)) return ['text', 'text'];
  if (/^cvt(dq|pi|si)2/.test(row.name)) return ['integers', 'integers'];
  if (/^cvtt?(pd|sd)2/.test(row.name)) return ['f64', 'f64'];
  if (/^cvtt?(ps|ss)2/.test(row.name)) return ['f32', 'f32'];
  if (/[ps]s$/.test(row.name)) return ['f32', 'f32'];
  if (/[ps]d$/.test(row.name)) return ['f64', 'f64'];
  return ['integers', 'integers'];
}

/** Offsets in a struct test of native-cpu.c and in the FXSAVE image there. */
const IMAGE = 24 + 144;
const ST = IMAGE + 32;
const XMM = IMAGE + 160;
const MEMORY = IMAGE + 512;
const GPR = 24;

/** A struct test of native-cpu.c for an encoding of these units: mostly an aligned operand of numbers that matter. */
export function fpuCase(encoding: Encoding, random: Random): Buffer {
  const test = testCase(encoding, random, random.chance(6) ? 1 : 16);
  const [registers, memory] = fillings(encoding);
  const vectors = registers === 'f80' ? 'integers' : registers;
  let before: Buffer | undefined;
  for (let i = 0; i < 16; i++) {
    before = fill(random, vectors, before);
    before.copy(test, XMM + 16 * i);
  }
  for (let i = 0; i < WINDOW; i += 16) fill(random, memory, before).copy(test, MEMORY + i);
  test.writeUInt32LE(randomMxcsr(random), IMAGE + 24);
  fillX87(test, random, isX87(encoding));
  if (registers === 'text') {
    for (const register of [0, 2])
      if (!random.chance(4)) test.writeBigInt64LE(BigInt(random.below(44) - 22), GPR + 8 * register);
  }
  return test;
}

function fillX87(test: Buffer, random: Random, numbers: boolean): void {
  const { control, status, tags } = randomX87(random);
  test.writeUInt16LE(control, IMAGE);
  test.writeUInt16LE(status, IMAGE + 2);
  test.writeUInt8(tags, IMAGE + 4);
  let before: Buffer | undefined;
  for (let i = 0; i < 8; i++) {
    before = fill(random, numbers ? 'f80' : 'integers', before);
    before.copy(test, ST + 16 * i, 0, 10);
    if (!numbers && random.chance(2)) test.writeUInt16LE(0xffff, ST + 16 * i + 8);
  }
}
