import { HostFacts, type KvmState } from '../host/host-facts.js';
import type { AcceleratorClassData } from '../system/accelerator.js';
import type { Machine } from '../system/machine.js';
import type { System } from '../system/system.js';
import type { AccelOption } from './config.js';

/** Why KVM is passed over. */
const skipped: Readonly<Record<Exclude<KvmState, 'usable'>, string>> = {
  missing: 'there is no /dev/kvm',
  'not permitted': 'this user may not open /dev/kvm',
  software: 'it is software here, as the CPU shows neither vmx nor svm; -accel kvm uses it nevertheless',
};

/** Accelerators to try where the user names none. */
export interface DefaultAccelerators {
  readonly options: readonly AccelOption[];
  /** What to tell the user about the choice, before it is made; undefined where there was none. */
  readonly note?: string;
  /** Whether the one chosen is to be named. */
  readonly named: boolean;
}

const option = (name: string): AccelOption => ({ location: undefined, name, properties: [] });

/**
 * QEMU's default is tcg. A machine that KVM can run gets KVM where the host's CPU helps it, else tcg.
 */
export async function defaultAccelerators(
  system: System,
  machine: Machine,
  facts = new HostFacts(),
): Promise<DefaultAccelerators> {
  if (machine.data.executes === false || !(await runs(system, machine, 'kvm'))) {
    return { options: [option('tcg')], named: false };
  }
  const state = facts.kvm();
  if (state === 'usable') return { options: [option('kvm'), option('tcg')], named: true };
  return { options: [option('tcg')], note: `KVM is not used: ${skipped[state]}`, named: true };
}

async function runs(system: System, machine: Machine, name: string): Promise<boolean> {
  if (!(await system.modules.load('accel', name))) return false;
  const data = system.types.get(`${name}-accel`)?.data as unknown as AcceleratorClassData | undefined;
  return data?.runs(machine) === true;
}
