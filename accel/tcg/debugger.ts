import type { RegisterName } from '../../src/gdbstub/registers.js';
import type { Breakpoint, BreakpointHit } from '../../src/gdbstub/target.js';
import * as s from './core/state.js';
import type { CoreExports } from './core.js';
import { type DebuggedFlags, readDebugRegisters, writeDebugRegister } from './debug-registers.js';
import type { VcpuState } from './vcpu-state.js';

/** The machine as its debugger works on it. */
export interface DebuggedMachine {
  readonly core: CoreExports;
  /** Linear memory. */
  readonly bytes: Uint8Array;
  /** Makes a vCPU the current one. @returns its state, in linear memory */
  select(cpu: number): VcpuState;
  /** Linear address of a byte of RAM by a vCPU's page tables, or undefined. */
  locate(cpu: number, address: bigint): number | undefined;
  taskPriority(): number;
  setTaskPriority(priority: number): void;
}

const PAGE = 4096n;
const READS = 1;
const WRITES = 2;
const touches = { write: WRITES, read: READS, access: READS | WRITES } as const;

/** What a debugger does to the vCPUs, in their thread, while none executes. */
export class VcpuDebugger {
  readonly #machine: DebuggedMachine;
  readonly #view: DataView;
  readonly #flags: DebuggedFlags;
  #watched: readonly Breakpoint[] = [];

  constructor(machine: DebuggedMachine) {
    this.#machine = machine;
    const { core, bytes } = machine;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#flags = {
      arithmetic: () => core.getFlags(),
      setArithmetic: (flags) => core.setFlags(flags),
      taskPriority: () => machine.taskPriority(),
      setTaskPriority: (priority) => machine.setTaskPriority(priority),
    };
  }

  readRegisters(cpu: number): Map<RegisterName, bigint> {
    return readDebugRegisters(this.#machine.select(cpu), this.#flags);
  }

  /** @throws RangeError for a value that the register cannot have */
  writeRegister(cpu: number, name: RegisterName, value: bigint): void {
    if (!writeDebugRegister(this.#machine.select(cpu), this.#flags, name, value)) {
      throw new RangeError(`${name} cannot become 0x${value.toString(16)}`);
    }
    this.#machine.core.updateMode();
    this.#machine.core.flushAll();
  }

  /** Pieces of a range of virtual memory that do not cross a page. @returns undefined when one is not RAM */
  #pieces(cpu: number, address: bigint, length: number): { at: number; offset: number; length: number }[] | undefined {
    const pieces = [];
    for (let offset = 0; offset < length; ) {
      const va = BigInt.asUintN(64, address + BigInt(offset));
      const at = this.#machine.locate(cpu, va);
      if (at === undefined) return undefined;
      const count = Math.min(length - offset, Number(PAGE - (va % PAGE)));
      pieces.push({ at, offset, length: count });
      offset += count;
    }
    return pieces;
  }

  readMemory(cpu: number, address: bigint, length: number): Uint8Array | undefined {
    const pieces = this.#pieces(cpu, address, length);
    if (pieces === undefined) return undefined;
    const result = new Uint8Array(length);
    for (const piece of pieces) {
      result.set(this.#machine.bytes.subarray(piece.at, piece.at + piece.length), piece.offset);
    }
    return result;
  }

  writeMemory(cpu: number, address: bigint, bytes: Uint8Array): boolean {
    const pieces = this.#pieces(cpu, address, bytes.length);
    if (pieces === undefined) return false;
    for (const { at, offset, length } of pieces) {
      this.#machine.core.codeWritten(at, length);
      this.#machine.bytes.set(bytes.subarray(offset, offset + length), at);
    }
    return true;
  }

  /** @throws RangeError for more than there is room for */
  setBreakpoints(breakpoints: readonly Breakpoint[]): void {
    if (breakpoints.length > s.BREAKPOINT_MAX) throw new RangeError(`more than ${s.BREAKPOINT_MAX} breakpoints`);
    const executed = breakpoints.filter(({ kind }) => kind === 'execute');
    for (const [i, { address }] of executed.entries()) {
      this.#view.setBigUint64(s.BREAKPOINTS + 8 * i, address, true);
    }
    this.#watched = breakpoints.filter(({ kind }) => kind !== 'execute');
    for (const [i, { kind, address, length }] of this.#watched.entries()) {
      const at = s.WATCHPOINTS + s.WATCHPOINT_SIZE * i;
      this.#view.setBigUint64(at, address, true);
      this.#view.setUint32(at + 8, length, true);
      this.#view.setUint32(at + 12, kind === 'execute' ? 0 : touches[kind], true);
    }
    this.#view.setUint32(s.BREAKPOINT_COUNT, executed.length, true);
    this.#view.setUint32(s.WATCHPOINT_COUNT, this.#watched.length, true);
    // Code is decoded anew with the breakpoints in it, and pages that are watched leave the TLBs.
    this.#machine.core.dropAll();
    this.#machine.core.flushAll();
  }

  /** What the core has stopped at, by EXIT_BREAKPOINT. */
  takeHit(cpu: number): BreakpointHit {
    const index = this.#view.getUint32(s.WATCHPOINT_HIT, true);
    this.#view.setUint32(s.WATCHPOINT_HIT, 0, true);
    const watched = this.#watched[index - 1];
    if (watched === undefined) return { cpu, kind: 'execute', address: this.#machine.select(cpu).u64(s.RIP) };
    return { cpu, kind: watched.kind, address: this.#view.getBigUint64(s.WATCHPOINT_ADDRESS, true) };
  }
}
