import { guestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import type { VmConfig } from '../accel.js';
import type { KvmParts } from './requests.js';
import type { KvmSystem } from './system.js';
import { KvmVm } from './vm.js';

/**
 * Checks what is asked for against what KVM has, and makes the machine.
 *
 * @param worker file of the vCPU threads
 * @param warn takes what the user should know about the choice of CPUs
 * @throws QemuError: too many vCPUs, features that `enforce` wants, or the step that failed
 */
export async function createVm(
  parts: KvmParts,
  kvm: KvmSystem,
  config: VmConfig,
  worker: URL,
  warn: (text: string) => void,
): Promise<KvmVm> {
  const { QemuError } = parts;
  const { cpus, cpuModel } = config;
  const requested = `Number of SMP cpus requested (${cpus}) exceeds the`;
  if (cpus > kvm.cpus.max) throw new QemuError(`${requested} maximum cpus supported by KVM (${kvm.cpus.max})`);
  if (cpus > kvm.cpus.recommended) warn(`${requested} recommended cpus supported by KVM (${kvm.cpus.recommended})`);
  const cpuid = guestCpuid(kvm.cpuid, cpuModel, cpus);
  const is = (name: string, value: string) => cpuModel.properties.some(([n, v]) => n === name && v === value);
  const enforced = is('enforce', 'on');
  if (!is('check', 'off') || enforced) {
    for (const { text } of cpuid.missing) warn(`host doesn't support requested feature: ${text}`);
  }
  if (enforced && cpuid.missing.length > 0) throw new QemuError("Host doesn't support requested features");
  return await KvmVm.create(parts, kvm, config, cpuid, worker);
}
