import { guestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import type { VmConfig } from '../accel.js';
import { supportedCpuid } from './cpuid.js';
import type { TcgParts } from './parts.js';
import { TcgVm } from './vm.js';

/** Local APIC ids below the broadcast one. */
const MAX_CPUS = 255;

/**
 * Checks what is asked for against what the software CPU has, and makes the machine.
 *
 * @param worker file of the vCPU thread
 * @param warn takes what the user should know about the choice of CPUs
 * @throws QemuError: too many vCPUs, features that `enforce` wants, RAM that does not fit, or the step that failed
 */
export async function createVm(
  parts: TcgParts,
  config: VmConfig,
  worker: URL,
  warn: (text: string) => void,
): Promise<TcgVm> {
  const { QemuError } = parts;
  const { cpus, cpuModel } = config;
  if (cpus > MAX_CPUS)
    throw new QemuError(
      `Number of SMP cpus requested (${cpus}) exceeds the maximum cpus supported by TCG (${MAX_CPUS})`,
    );
  const cpuid = guestCpuid(supportedCpuid(), cpuModel, cpus);
  const is = (name: string, value: string) => cpuModel.properties.some(([n, v]) => n === name && v === value);
  const enforced = is('enforce', 'on');
  if (!is('check', 'off') || enforced) {
    for (const { text } of cpuid.missing) warn(`TCG doesn't support requested feature: ${text}`);
  }
  if (enforced && cpuid.missing.length > 0) throw new QemuError("TCG doesn't support requested features");
  return await TcgVm.create(parts, config, cpuid, worker);
}
