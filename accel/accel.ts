import type { BoardPlan } from '../src/hw/i386/board.js';
import type { CpuRegisters } from '../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../src/hw/i386/cpu-state.js';
import type { IrqPlan } from '../src/hw/intc/irq-lines.js';
import type { Accelerator } from '../src/system/accelerator.js';
import type { CpuModel } from '../src/system/cpu.js';

export type { CpuRegisters } from '../src/hw/i386/cpu-registers.js';
export type { Accelerator, AcceleratorClassData } from '../src/system/accelerator.js';

/** A block of guest RAM as an accelerator takes it. */
export interface RamBlock {
  readonly id: string;
  /** Host virtual address. */
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
}

export interface EnclaveLaunch {
  readonly blocks: readonly RamBlock[];
  readonly cpus: number;
}

/** An accelerator that hands the machine's memory and CPUs to a hypervisor, which runs the enclave by itself. */
export interface EnclaveAccelerator extends Accelerator {
  readonly debugMode: boolean;
  /**
   * Donates memory, adds CPUs, starts. May be called again after a failure.
   *
   * @returns the CID the enclave is reachable at
   * @throws QemuError naming the step; whatever was donated is given back
   */
  launch(launch: EnclaveLaunch): Promise<number>;
  /** Calls back once when the running enclave ends by itself. */
  onEnd(callback: () => void): void;
}

/** Guest RAM as a virtual machine maps it. */
export interface VmRam {
  /** Guest-physical address, a multiple of 4 KiB. */
  readonly base: number;
  /** Bytes, a multiple of 4 KiB. */
  readonly size: number;
  /** Host virtual address of the first byte. */
  readonly address: bigint;
  /** The file behind it, where there is one: an accelerator with a mapping of its own maps it again. */
  readonly file?: { readonly fd: number; readonly offset: number } | undefined;
}

/** What a virtual machine is made of. */
export interface VmConfig {
  readonly ram: readonly VmRam[];
  /** vCPUs; their indices are their local APIC ids. */
  readonly cpus: number;
  readonly cpuModel: CpuModel;
  /** Devices that vCPUs touch synchronously: each vCPU thread opens them with `openBoard`. Called once a thread, as ropes are not shared. */
  readonly board: () => BoardPlan;
}

/** What happens to a running virtual machine; told on the main thread. */
export type VmEvent =
  /** A triple fault, or a reset that the accelerator itself sees. */
  | { readonly type: 'reset' }
  /** The guest can't go on: an instruction that is not emulated, a failed entry. All vCPUs stand still. */
  | {
      readonly type: 'internal-error';
      readonly cpu: number;
      /** Cause, bytes at RIP and registers, in lines for the user. */
      readonly text: string;
    };

/** A device of the board that other threads notify by address, without an exit (KVM's ioeventfd). */
export interface Notifier {
  /** Guest-physical address of a 32-bit register. */
  readonly address: number;
  /** The value written that notifies. */
  readonly value: number;
  /** An eventfd. */
  readonly eventfd: number;
}

/** A virtual machine; made stopped, after `reset`. Methods are called from the main thread, one at a time. */
export interface Vm {
  /** How other threads reach the interrupt controller; opened by `openIrqLines`. */
  readonly irqs: IrqPlan;
  /** Whether it takes notifiers; without them a write to such a register reaches the board. */
  addNotifier?(notifier: Notifier): void;
  /**
   * Puts all vCPUs and interrupt chips into their state after power-on, the first vCPU into `state`; the others wait
   * for INIT and SIPI. The machine is paused and its RAM loaded.
   */
  reset(state: CpuState): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when no vCPU executes any more; guest time stands still from then on. */
  pause(): Promise<void>;
  /** A non-maskable interrupt for every vCPU. */
  injectNmi(): Promise<void>;
  readRegisters(cpu: number): Promise<CpuRegisters>;
  /** Guest-physical address of a virtual one, or undefined where nothing is mapped. */
  translate(cpu: number, address: bigint): Promise<bigint | undefined>;
  /** Host thread id of a vCPU (query-cpus-fast). */
  threadId(cpu: number): number;
  onEvent(callback: (event: VmEvent) => void): void;
  /** Ends all threads and frees all; safe to call twice and while running. */
  close(): Promise<void>;
}

/** An accelerator that executes the guest's code in this process. */
export interface VmAccelerator extends Accelerator {
  /** Default -cpu model; checks what is asked for against what is there. */
  readonly defaultCpuModel: string;
  /** @throws QemuError when the host can't make such a machine, naming the step */
  createVm(config: VmConfig): Promise<Vm>;
}
