import { CODE, STATE_SIZE } from './core-cpu.js';

const registers = [
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
const ARITHMETIC_FLAGS = 0x8d5n;
const TRAP_STEP = 1n;
const TRAP_BREAKPOINT = 3n;
const TRAP_PAGE_FAULT = 14n;

/** A struct result of native-cpu.c, taken apart. */
interface Outcome {
  /** Vector of the exception; a completed instruction has none. */
  readonly trap: bigint | undefined;
  readonly address: bigint | undefined;
  readonly parts: ReadonlyMap<string, string>;
}

/**
 * What of a result counts: everything but what the CPU leaves behind of addresses and opcodes (FIP, FDP, FOP) and, in
 * memory, the environment's words for them (`ignored` bytes from the start of the window).
 */
export function outcome(result: Buffer, ignored: readonly number[] = []): Outcome {
  const vector = result.readBigInt64LE(8);
  const state = result.subarray(32);
  const rip = state.readBigUInt64LE(136);
  const outside = rip < BigInt(CODE) || rip >= BigInt(CODE + 3 * 4096);
  const done = vector === TRAP_STEP || vector === TRAP_BREAKPOINT || (outside && vector === TRAP_PAGE_FAULT);
  const image = state.subarray(144, 656);
  const memory = Buffer.from(state.subarray(656, STATE_SIZE));
  for (const at of ignored) memory[at] = 0;
  const hex = (from: number, bytes: number) =>
    Buffer.from(image.subarray(from, from + bytes))
      .reverse()
      .toString('hex');
  const parts = new Map<string, string>([
    ...registers.map((name, i): [string, string] => [name, state.readBigUInt64LE(8 * i).toString(16)]),
    ['flags', (state.readBigUInt64LE(128) & ARITHMETIC_FLAGS).toString(16)],
    ['rip', rip.toString(16)],
    ['fcw', hex(0, 2)],
    ['fsw', hex(2, 2)],
    ['ftw', hex(4, 1)],
    ['mxcsr', hex(24, 4)],
    ...Array.from({ length: 8 }, (_, i): [string, string] => [`st${i}`, hex(32 + 16 * i, 10)]),
    ...Array.from({ length: 16 }, (_, i): [string, string] => [`xmm${i}`, hex(160 + 16 * i, 16)]),
    ['memory', memory.toString('hex')],
  ]);
  return {
    trap: done ? undefined : vector,
    address: !done && vector === TRAP_PAGE_FAULT ? result.readBigUInt64LE(24) : undefined,
    parts,
  };
}

/** Differences between what the two CPUs made of a test, in words; none when they agree. */
export function fpuDifferences(_test: Buffer, native: Buffer, core: Buffer, ignored: readonly number[] = []): string[] {
  const [a, b] = [outcome(native, ignored), outcome(core, ignored)];
  const found: string[] = [];
  if (a.trap !== b.trap) found.push(`trap: native ${a.trap}, here ${b.trap}`);
  if (a.address !== b.address)
    found.push(`address: native ${a.address?.toString(16)}, here ${b.address?.toString(16)}`);
  for (const [name, value] of a.parts) {
    const here = b.parts.get(name);
    if (value !== here) found.push(`${name}: native ${value}, here ${here}`);
  }
  return found;
}
