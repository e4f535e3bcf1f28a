import type { Vm, VmAccelerator, VmConfig, VmEvent } from '../../accel/accel.js';
import type { BoardPlan } from '../../src/hw/i386/board.js';
import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import { QomObject } from '../../src/qom/object.js';
import type { System } from '../../src/system/system.js';

/** A virtual machine that executes nothing: what is asked of it is kept, and the test plays its guest. */
export class ToyVm implements Vm {
  readonly calls: string[] = [];
  readonly lines = new SharedIrqWords();
  readonly irqs = { kind: 'shared', words: this.lines.buffer } as const;
  readonly config: VmConfig;
  /** The board as a vCPU thread gets it. */
  readonly board: BoardPlan;
  state: CpuState | undefined;
  #event: (event: VmEvent) => void = () => {};

  constructor(config: VmConfig) {
    this.config = config;
    this.board = config.board();
  }

  async reset(state: CpuState): Promise<void> {
    this.calls.push('reset');
    this.state = state;
  }

  async resume(): Promise<void> {
    this.calls.push('resume');
  }

  async pause(): Promise<void> {
    this.calls.push('pause');
  }

  async injectNmi(): Promise<void> {
    this.calls.push('nmi');
  }

  async readRegisters(): Promise<CpuRegisters> {
    throw new Error('a toy has no registers');
  }

  async translate(_cpu: number, address: bigint): Promise<bigint> {
    return address;
  }

  threadId(cpu: number): number {
    return 1000 + cpu;
  }

  onEvent(callback: (event: VmEvent) => void): void {
    this.#event = callback;
  }

  /** Something happens to the machine. */
  tell(event: VmEvent): void {
    this.#event(event);
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }
}

/** An accelerator that makes such machines, in use by `system`. */
export class ToyAccelerator extends QomObject implements VmAccelerator {
  readonly acceleratorName = 'toy';
  readonly defaultCpuModel = 'qemu64';
  readonly machines: ToyVm[] = [];

  initMachine(): void {}

  shutdown(): void {}

  async createVm(config: VmConfig): Promise<Vm> {
    const vm = new ToyVm(config);
    this.machines.push(vm);
    return vm;
  }

  /** The machine made last. */
  get vm(): ToyVm {
    const vm = this.machines.at(-1);
    if (vm === undefined) throw new Error('no machine was made');
    return vm;
  }
}

/** Puts the accelerator to use. */
export function useToyAccelerator(system: System): ToyAccelerator {
  const type = system.types.define({ name: 'toy-accel', parent: 'accel', create: (own) => new ToyAccelerator(own) });
  const accel = type.create() as ToyAccelerator;
  system.accel = accel;
  return accel;
}
