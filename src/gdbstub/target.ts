import type { RegisterName } from './registers.js';

/** Where a debugger wants the machine to stop. */
export interface Breakpoint {
  readonly kind: 'execute' | 'write' | 'read' | 'access';
  /** Virtual address. */
  readonly address: bigint;
  /** Bytes watched; for `execute` without meaning. */
  readonly length: number;
}

/** A vCPU has reached a breakpoint. All vCPUs stand still, before the instruction for `execute`, after it otherwise. */
export interface BreakpointHit {
  readonly cpu: number;
  readonly kind: Breakpoint['kind'];
  /** What was executed or touched. */
  readonly address: bigint;
}

/**
 * What a debugger does to a virtual machine. All but `setBreakpoints` is called while the machine stands still; memory is
 * seen through the page tables of the vCPU.
 */
export interface DebugTarget {
  readonly cpus: number;
  readRegisters(cpu: number): Promise<ReadonlyMap<RegisterName, bigint>>;
  /** @throws QemuError for a value that the register cannot have */
  writeRegister(cpu: number, name: RegisterName, value: bigint): Promise<void>;
  /** @returns undefined when a byte of the range is not mapped to RAM */
  readMemory(cpu: number, address: bigint, length: number): Promise<Uint8Array | undefined>;
  /** Also where the guest itself may not write. @returns false, with nothing written, when a byte is not mapped to RAM */
  writeMemory(cpu: number, address: bigint, bytes: Uint8Array): Promise<boolean>;
  /** Replaces all. */
  setBreakpoints(breakpoints: readonly Breakpoint[]): Promise<void>;
  /**
   * One instruction of one vCPU, or the entry into a handler; the others stand still, breakpoints have no effect.
   *
   * @returns the watchpoint that was touched
   */
  step(cpu: number): Promise<BreakpointHit | undefined>;
  /** Names who is told; one listener at a time. */
  onBreakpoint(listener: (hit: BreakpointHit) => void): void;
}
