import { spawnSync } from 'node:child_process';
import type { Encoding } from '../../accel/tcg/isa/table.js';
import { CODE, CoreCpu, RESULT_SIZE, STATE_SIZE, TEST_SIZE } from './core-cpu.js';
import { undefinedFlags } from './instruction-cases.js';

const names = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];
const COMPARED_FLAGS = 0xcd5n;
const TRAP_STEP = 1n;
const TRAP_BREAKPOINT = 3n;
const TRAP_PAGE_FAULT = 14n;
const NO_ERROR = 0xffffffffn;

/** Runs struct tests on the host's CPU. @returns struct results */
export function runNative(program: string, tests: readonly Buffer[]): Buffer[] {
  const { stdout, status, signal } = spawnSync(program, {
    input: Buffer.concat(tests),
    maxBuffer: 2 ** 31,
    timeout: 600_000,
  });
  if (status !== 0 || stdout.length !== tests.length * RESULT_SIZE) {
    throw new Error(
      `${program} ended with ${status ?? signal} after ${stdout.length / RESULT_SIZE} of ${tests.length} tests`,
    );
  }
  return tests.map((_, i) => stdout.subarray(i * RESULT_SIZE, (i + 1) * RESULT_SIZE));
}

/** Differences between what the two CPUs made of a test, in words; none when they agree. */
export function differences(encoding: Encoding, test: Buffer, native: Buffer, core: Buffer): string[] {
  const found: string[] = [];
  const differ = (what: string, a: bigint, b: bigint) => {
    if (a !== b) found.push(`${what}: native 0x${a.toString(16)}, here 0x${b.toString(16)}`);
  };
  const before = test.subarray(24);
  const [a, b] = [native.subarray(32), core.subarray(32)];
  const trap = native.readBigInt64LE(8);
  const here = core.readBigInt64LE(8);
  const rip = a.readBigUInt64LE(136);
  if (trap === TRAP_STEP) {
    // Where a step has gone outside of the code pages, the fetch there fails next.
    const outside = rip < BigInt(CODE) || rip >= BigInt(CODE + 3 * 4096);
    if (outside ? here !== TRAP_PAGE_FAULT : here !== TRAP_BREAKPOINT) found.push(`trap: native none, here ${here}`);
  } else {
    differ('trap', trap, here);
    const error = core.readBigUInt64LE(16);
    // The host's kernel is mapped in the upper half: an access there shows a protection fault.
    const present = native.readBigUInt64LE(24) >> 63n === 1n ? ~1n : ~0n;
    differ('error code', native.readBigUInt64LE(16) & present, (error === NO_ERROR ? 0n : error) & present);
    if (trap === TRAP_PAGE_FAULT) differ('address', native.readBigUInt64LE(24), core.readBigUInt64LE(24));
  }
  differ('rip', rip, b.readBigUInt64LE(136));
  for (const [i, name] of names.entries()) differ(name, a.readBigUInt64LE(8 * i), b.readBigUInt64LE(8 * i));
  const compared = trap === TRAP_STEP ? COMPARED_FLAGS & ~undefinedFlags(encoding, test) : COMPARED_FLAGS;
  differ('flags', a.readBigUInt64LE(128) & compared, b.readBigUInt64LE(128) & compared);
  for (let i = 656; i < STATE_SIZE; i++) {
    // PUSHF stores the TF that makes the step.
    const stepFlag = encoding.row.name === 'pushf' ? 1 : 0;
    if (((a[i] ?? 0) ^ (b[i] ?? 0)) > stepFlag)
      found.push(`memory ${i - 656}: before ${before[i]}, native ${a[i]}, here ${b[i]}`);
  }
  for (let i = 0; i < 16; i++) {
    const [x, y] = [a, b].map((state) => state.subarray(304 + 16 * i, 320 + 16 * i).toString('hex'));
    if (x !== y) found.push(`xmm${i}: native ${x}, here ${y}`);
  }
  return found;
}

export function describe(encoding: Encoding, test: Buffer): string {
  const state = test.subarray(24);
  const registers = names.map((name, i) => `${name}=${state.readBigUInt64LE(8 * i).toString(16)}`).join(' ');
  return `${encoding.row.name} ${encoding.row.operands ?? ''} (${encoding.row.opcode}): ${test.subarray(0, 16).toString('hex')} at ${test.readBigUInt64LE(16).toString(16)} flags ${state.readBigUInt64LE(128).toString(16)} ${registers}`;
}

export { CoreCpu, TEST_SIZE };
