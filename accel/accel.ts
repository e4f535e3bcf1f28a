import type { Accelerator } from '../src/system/accelerator.js';
import type { Machine } from '../src/system/machine.js';

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

/** Class data of accelerator types (TypeInfo.data of `NAME-accel`). */
export interface AcceleratorClassData {
  /** Listed by `-accel help`; test accelerators are not. */
  readonly listed: boolean;
  /** Machines whose code it runs, by name; `none` executes nothing and is open to all. */
  readonly runs: (machine: Machine) => boolean;
}
