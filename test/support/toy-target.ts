import { gdbRegisters, type RegisterName } from '../../src/gdbstub/registers.js';
import type { GdbHost } from '../../src/gdbstub/stub.js';
import type { Breakpoint, BreakpointHit, DebugTarget } from '../../src/gdbstub/target.js';
import type { RunState } from '../../src/system/run-control.js';

export const TOY_BASE = 0x40_0000n;

/**
 * A machine for tests of debuggers: every instruction is one byte long, adds 1 to RAX and writes the low byte of RAX to
 * the first byte of memory. It runs until a breakpoint, or for ever.
 */
export class ToyMachine implements DebugTarget, GdbHost {
  readonly cpus = 2;
  readonly memory = new Uint8Array(4096);
  readonly lines: string[] = [];
  state: RunState = 'running';
  killed = false;
  breakpoints: readonly Breakpoint[] = [];
  onState: (state: RunState) => void = () => {};
  readonly #registers = [0, 1].map(() => new Map<RegisterName, bigint>(gdbRegisters.map(({ name }) => [name, 0n])));
  #listener: (hit: BreakpointHit) => void = () => {};

  constructor() {
    for (const registers of this.#registers) registers.set('rip', TOY_BASE + 16n);
  }

  cpu(index: number): Map<RegisterName, bigint> {
    const registers = this.#registers[index];
    if (registers === undefined) throw new Error(`no CPU ${index}`);
    return registers;
  }

  readRegisters(cpu: number): Promise<ReadonlyMap<RegisterName, bigint>> {
    return Promise.resolve(this.cpu(cpu));
  }

  writeRegister(cpu: number, name: RegisterName, value: bigint): Promise<void> {
    this.cpu(cpu).set(name, value);
    return Promise.resolve();
  }

  #offset(address: bigint, length: number): number | undefined {
    const offset = Number(address - TOY_BASE);
    return offset >= 0 && offset + length <= this.memory.length ? offset : undefined;
  }

  readMemory(_cpu: number, address: bigint, length: number): Promise<Uint8Array | undefined> {
    const at = this.#offset(address, length);
    return Promise.resolve(at === undefined ? undefined : this.memory.slice(at, at + length));
  }

  writeMemory(_cpu: number, address: bigint, bytes: Uint8Array): Promise<boolean> {
    const at = this.#offset(address, bytes.length);
    if (at !== undefined) this.memory.set(bytes, at);
    return Promise.resolve(at !== undefined);
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): Promise<void> {
    this.breakpoints = breakpoints;
    return Promise.resolve();
  }

  step(cpu: number): Promise<BreakpointHit | undefined> {
    const registers = this.cpu(cpu);
    const sum = ((registers.get('rax') ?? 0n) + 1n) & 0xffff_ffff_ffff_ffffn;
    registers.set('rax', sum);
    registers.set('rip', (registers.get('rip') ?? 0n) + 1n);
    this.memory[0] = Number(sum & 0xffn);
    const watch = this.breakpoints.find(({ kind, address }) => kind !== 'execute' && address === TOY_BASE);
    return Promise.resolve(watch && { cpu, kind: watch.kind, address: watch.address });
  }

  onBreakpoint(listener: (hit: BreakpointHit) => void): void {
    this.#listener = listener;
  }

  async resume(): Promise<void> {
    this.#set('running');
    for (let steps = 0; this.breakpoints.length > 0 && steps < 10_000; steps++) {
      const rip = this.cpu(0).get('rip') ?? 0n;
      const here = this.breakpoints.find(({ kind, address }) => kind === 'execute' && address === rip);
      if (here !== undefined) return this.#listener({ cpu: 0, kind: 'execute', address: rip });
      const touched = await this.step(0);
      if (touched !== undefined) return this.#listener(touched);
    }
  }

  pause(state: 'paused' | 'debug'): Promise<void> {
    this.#set(state);
    return Promise.resolve();
  }

  monitor(line: string): Promise<string> {
    this.lines.push(line);
    return Promise.resolve(`you said ${line}\n`);
  }

  kill(): void {
    this.killed = true;
  }

  #set(state: RunState): void {
    this.state = state;
    this.onState(state);
  }
}
