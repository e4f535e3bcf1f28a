import type { DebugTarget } from '../src/gdbstub/target.js';
import type { BoardPlan } from '../src/hw/i386/board.js';
import type { CpuRegisters } from '../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../src/hw/i386/cpu-state.js';
import type { IrqPlan } from '../src/hw/intc/irq-lines.js';
import type { Accelerator } from '../src/system/accelerator.js';
import type { CpuModel } from '../src/system/cpu.js';
import type { Disassemble } from '../src/system/machine.js';

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
  /**
   * Devices that vCPUs touch synchronously: each vCPU thread opens them with `openBoard`. Called once a thread, as ropes
   * are not shared; what `boardPorts` tells goes into the transfer list.
   */
  readonly board: () => BoardPlan;
}

/** What happens to a running virtual machine; told on the main thread. */
export type VmEvent =
  /** A triple fault, or a reset that the accelerator itself sees. That vCPU stands still until `reset`, others go on. */
  | { readonly type: 'reset' }
  /** The guest can't go on: an instruction that is not emulated, a failed entry, a bug of ours. All vCPUs stand still. */
  | {
      readonly type: 'internal-error';
      readonly cpu: number;
      /** Cause, registers and the bytes at RIP, in lines for the user; the last has no newline. */
      readonly text: string;
    };

/** A device of the board that other threads notify by address, without an exit (KVM's ioeventfd). */
export interface Notifier {
  /** Guest-physical address of a 32-bit register. */
  readonly address: number;
  /** The value written that notifies. */
  readonly value: number;
  /** An eventfd. It must not be closed before the virtual machine. */
  readonly eventfd: number;
}

/**
 * A virtual machine; made paused and undefined: `reset` comes before the first `resume`. Methods are called from the main
 * thread, those that change something one at a time. One that concerns vCPUs may be called while they run; it takes
 * effect between two instructions. A promise rejects with an Error that names the step, never hangs, and after `close`
 * rejects at once.
 */
export interface Vm {
  /** How other threads reach the interrupt controller; opened by `openIrqLines`. Nobody may use it after `close`. */
  readonly irqs: IrqPlan;
  /** Whether it takes notifiers; without them a write to such a register reaches the board. @throws HostError */
  addNotifier?(notifier: Notifier): void;
  /**
   * Puts all vCPUs and interrupt chips into their state after power-on, the first vCPU into `state`; the others wait
   * for INIT and SIPI. The machine is paused and its RAM loaded. Devices of the board have lowered their lines.
   */
  reset(state: CpuState): Promise<void>;
  /** Without effect on a machine that runs. */
  resume(): Promise<void>;
  /**
   * Resolves when no vCPU executes any more; guest time stands still from then on. Accesses to the board that had begun
   * are complete. Without effect on a paused machine.
   */
  pause(): Promise<void>;
  /** Pulls every vCPU's LINT1: a non-maskable interrupt where the guest lets it be one. */
  injectNmi(): Promise<void>;
  readRegisters(cpu: number): Promise<CpuRegisters>;
  /** Guest-physical address of a virtual one, or undefined where nothing is mapped. */
  translate(cpu: number, address: bigint): Promise<bigint | undefined>;
  /** Host thread id of a vCPU (query-cpus-fast). */
  threadId(cpu: number): number;
  onEvent(callback: (event: VmEvent) => void): void;
  /** What a debugger works on, where the accelerator can be stopped at any instruction. */
  readonly debug?: DebugTarget;
  /** Where the accelerator knows instructions. */
  readonly disassemble?: Disassemble;
  /** Ends all threads and frees all but guest RAM; safe to call twice and while running. No event is told after it. */
  close(): Promise<void>;
}

/** An accelerator that executes the guest's code in this process. */
export interface VmAccelerator extends Accelerator {
  /** Default -cpu model; checks what is asked for against what is there. */
  readonly defaultCpuModel: string;
  /** @throws QemuError when the host can't make such a machine, naming the step */
  createVm(config: VmConfig): Promise<Vm>;
}
