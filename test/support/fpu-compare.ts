import type { Encoding } from '../../accel/tcg/isa/table.js';
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

/** Instructions that touch memory more than once: which of their bytes faults first is the CPU's choice. */
const severalAccesses = /^(fldenv|fnstenv|frstor|fnsave|maskmov|fxsave|fxrstor|xsave|xrstor)/;

function usesMmx({ shape }: Encoding): boolean {
  return shape.operands.some((operand) => operand.registers === 'mmx');
}

/**
 * What of a result of native-cpu.c counts, by names. Not the last instruction's addresses and opcode; not the x87 after an
 * MMX instruction that faulted, as the host's CPU has taken it to MMX by then.
 */
export function outcome(encoding: Encoding, result: Buffer): Map<string, string> {
  const vector = result.readBigInt64LE(8);
  const state = result.subarray(32);
  const rip = state.readBigUInt64LE(136);
  const outside = rip < BigInt(CODE) || rip >= BigInt(CODE + 3 * 4096);
  const done = vector === TRAP_STEP || vector === TRAP_BREAKPOINT || (outside && vector === TRAP_PAGE_FAULT);
  const pageFault = !done && vector === TRAP_PAGE_FAULT;
  const image = state.subarray(144, 656);
  const hex = (from: number, bytes: number) =>
    Buffer.from(image.subarray(from, from + bytes))
      .reverse()
      .toString('hex');
  const parts = new Map<string, string>();
  parts.set('trap', done ? 'none' : `${vector}`);
  if (pageFault && !severalAccesses.test(encoding.row.name))
    parts.set('address', result.readBigUInt64LE(24).toString(16));
  for (const [i, name] of registers.entries()) parts.set(name, state.readBigUInt64LE(8 * i).toString(16));
  parts.set('flags', (state.readBigUInt64LE(128) & ARITHMETIC_FLAGS).toString(16));
  parts.set('rip', rip.toString(16));
  parts.set('mxcsr', hex(24, 4));
  for (let i = 0; i < 16; i++) parts.set(`xmm${i}`, hex(160 + 16 * i, 16));
  if (done || !usesMmx(encoding)) {
    parts.set('fcw', hex(0, 2));
    parts.set('fsw', hex(2, 2));
    parts.set('ftw', hex(4, 1));
    for (let i = 0; i < 8; i++) parts.set(`st${i}`, hex(32 + 16 * i, 10));
  }
  parts.set('memory', Buffer.from(state.subarray(656, STATE_SIZE)).toString('hex'));
  return parts;
}

/** Differences between two outcomes in words; none when they agree. */
export function differences(native: ReadonlyMap<string, string>, here: ReadonlyMap<string, string>): string[] {
  return [...new Set([...native.keys(), ...here.keys()])]
    .filter((name) => native.get(name) !== here.get(name))
    .map((name) => `${name}: native ${native.get(name)}, here ${here.get(name)}`);
}

/** An 80-bit number, as hex of `outcome`, on a line of integers where neighbours differ by one. */
function onLine(number: string): bigint {
  const bits = BigInt(`0x${number}`);
  const sign = (bits >> 79n) & 1n;
  const magnitude = (((bits >> 64n) & 0x7fffn) << 63n) + (bits & ((1n << 64n) - 1n));
  return sign ? -magnitude : magnitude;
}

/** Differences where registers of the x87 may be off by one unit in the last place, and C1 by what that rounding was. */
export function nearDifferences(native: Map<string, string>, here: Map<string, string>): string[] {
  const C1 = 0x200;
  for (const parts of [native, here]) {
    parts.set('fsw', (Number.parseInt(parts.get('fsw') ?? '0', 16) & ~C1).toString(16));
  }
  for (let i = 0; i < 8; i++) {
    const [a, b] = [native, here].map((parts) => parts.get(`st${i}`) ?? '0');
    if (a === undefined || b === undefined || a === b) continue;
    const distance = onLine(a) - onLine(b);
    if (distance >= -1n && distance <= 1n) here.set(`st${i}`, a);
  }
  return differences(native, here);
}
