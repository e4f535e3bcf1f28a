import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import { CODE_BEFORE, CODE_TOTAL, codeLine, registerDump } from '../../src/hw/i386/register-dump.js';

const CS = 1;
const INSTRUCTION_BYTES = 15;

/** What shows an instruction that is not emulated. */
export interface FailureView {
  registers(cpu: number): CpuRegisters;
  /** A byte of guest memory by virtual address. */
  byte(cpu: number, address: bigint): number | undefined;
}

/** The instruction that a vCPU can't go on at, registers and the bytes around it. @returns lines, the last without a newline */
export function failureText(view: FailureView, cpu: number): string {
  const registers = view.registers(cpu);
  const at = (registers.segments[CS]?.base ?? 0n) + registers.rip;
  const bytes = (from: bigint, count: number) =>
    Array.from({ length: count }, (_, i) => view.byte(cpu, from + BigInt(i)));
  const before = at < BigInt(CODE_BEFORE) ? Number(at) : CODE_BEFORE;
  const instruction = bytes(at, INSTRUCTION_BYTES).map((byte) => byte?.toString(16).padStart(2, '0') ?? '??');
  const cause = `tcg: the instruction at 0x${registers.rip.toString(16)} is not emulated: ${instruction.join(' ')}\n`;
  return `${cause}${registerDump(registers)}${codeLine(bytes(at - BigInt(before), CODE_TOTAL), before)}`.trimEnd();
}
