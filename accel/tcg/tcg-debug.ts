import type { RegisterName } from '../../src/gdbstub/registers.js';
import type { Breakpoint, BreakpointHit, DebugTarget } from '../../src/gdbstub/target.js';
import type { TcgCalls } from './tcg-thread.js';

/** Makes the vCPU thread do something. @throws Error with the step that failed */
export type TcgCall = <K extends keyof TcgCalls>(
  call: K,
  ...args: Parameters<TcgCalls[K]>
) => Promise<ReturnType<TcgCalls[K]>>;

/** The debugger's end of the vCPU thread. */
export class TcgDebug implements DebugTarget {
  readonly cpus: number;
  readonly #call: TcgCall;
  #listener: (hit: BreakpointHit) => void = () => {};

  constructor(cpus: number, call: TcgCall) {
    this.cpus = cpus;
    this.#call = call;
  }

  /** A vCPU has stopped at a breakpoint. */
  hit(hit: BreakpointHit): void {
    this.#listener(hit);
  }

  onBreakpoint(listener: (hit: BreakpointHit) => void): void {
    this.#listener = listener;
  }

  readRegisters(cpu: number): Promise<ReadonlyMap<RegisterName, bigint>> {
    return this.#call('debugRegisters', cpu);
  }

  writeRegister(cpu: number, name: RegisterName, value: bigint): Promise<void> {
    return this.#call('setDebugRegister', cpu, name, value);
  }

  readMemory(cpu: number, address: bigint, length: number): Promise<Uint8Array | undefined> {
    return this.#call('readMemory', cpu, address, length);
  }

  writeMemory(cpu: number, address: bigint, bytes: Uint8Array): Promise<boolean> {
    return this.#call('writeMemory', cpu, address, bytes);
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): Promise<void> {
    return this.#call('setBreakpoints', breakpoints);
  }

  step(cpu: number): Promise<BreakpointHit | undefined> {
    return this.#call('step', cpu);
  }
}
