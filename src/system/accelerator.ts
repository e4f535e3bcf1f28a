import type { QomObject } from '../qom/object.js';
import type { QtestTarget } from '../qtest/target.js';
import type { Machine } from './machine.js';

/**
 * What every room may know of the accelerator in use; accel/accel.ts builds the contract for machines on it.
 */
export interface Accelerator extends QomObject {
  /** As -accel takes it: `nitro`, `kvm`, `tcg`, `qtest`. */
  readonly acceleratorName: string;
  /**
   * Opens what the accelerator drives; the machine object exists, nothing is built yet.
   *
   * @throws QemuError when the host lacks it, naming cause and fix
   */
  initMachine(machine: Machine): void | Promise<void>;
  /** Opens the machine to tests (`-qtest`), where its CPUs do nothing. Called once, when the machine is complete. */
  openQtest?(): Promise<QtestTarget>;
  /** Gives everything back; safe to call twice. */
  shutdown(): void | Promise<void>;
}

/** Class data of accelerator types (TypeInfo.data of `NAME-accel`). */
export interface AcceleratorClassData {
  /** Listed by `-accel help`; test accelerators are not. */
  readonly listed: boolean;
  /** Machines whose code it runs, by name; `none` executes nothing and is open to all. */
  readonly runs: (machine: Machine) => boolean;
}
