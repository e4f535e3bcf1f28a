import type { Accelerator } from '../src/system/accelerator.js';

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
