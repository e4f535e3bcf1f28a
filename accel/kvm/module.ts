import { closeSync, constants, openSync } from 'node:fs';
import type { ObjectClass } from '../../src/qom/types.js';
import type { Machine } from '../../src/system/machine.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { AcceleratorClassData, Vm, VmAccelerator, VmConfig } from '../accel.js';
import { createVm } from './create-vm.js';
import type { KvmParts } from './requests.js';
import { type KvmSystem, openKvm } from './system.js';

const vcpuThread = new URL('./vcpu.worker.js', import.meta.url);

/** `-accel kvm`: Linux KVM. */
export default function kvm(api: ModuleApi): void {
  const { QomObject, prop, qapi } = api.qom;
  const { QemuError } = api.sys;

  class KvmAccel extends QomObject implements VmAccelerator {
    readonly acceleratorName = 'kvm';
    readonly defaultCpuModel = 'host';
    device = '';
    kernelIrqchip = 'on';
    #fd: number | undefined;
    #ready: { parts: KvmParts; kvm: KvmSystem } | undefined;
    readonly #vms: Vm[] = [];

    async initMachine(machine: Machine): Promise<void> {
      const path = this.device === '' ? '/dev/kvm' : this.device;
      try {
        this.#fd = openSync(path, constants.O_RDWR);
      } catch (error) {
        const { errno = 0, code } = error as NodeJS.ErrnoException;
        const { strerror } = await api.lazy.host();
        throw new QemuError(`Could not access KVM kernel module: ${strerror(Math.abs(errno))}`, {
          hint:
            code === 'ENOENT'
              ? `${path} does not exist: load the module (sudo modprobe kvm_intel or kvm_amd) on a host with hardware virtualisation.`
              : `This user may not open ${path}: sudo usermod -aG kvm $USER, then log in again.`,
        });
      }
      if (machine.data.executes === false) return;
      if (this.kernelIrqchip !== 'on') {
        throw new QemuError(`kernel-irqchip=${this.kernelIrqchip} is not available`, {
          hint: "Interrupt controllers are the kernel's here; leave the option out.",
        });
      }
      const host = await api.lazy.host();
      const parts = { host, QemuError };
      this.#ready = { parts, kvm: openKvm(parts, this.#fd, new host.HostFacts().cpuName() ?? '') };
    }

    async createVm(config: VmConfig): Promise<Vm> {
      if (this.#ready === undefined) throw new Error('the accelerator is not initialised');
      const { parts, kvm } = this.#ready;
      const vm = await createVm(parts, kvm, config, vcpuThread, (text) => api.system.report.warn(text));
      this.#vms.push(vm);
      return vm;
    }

    async shutdown(): Promise<void> {
      for (const vm of this.#vms.splice(0)) await vm.close();
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  const data: AcceleratorClassData = { listed: true, runs: (machine) => machine.machineName === 'nitro-enclave' };
  api.system.types.define({
    name: 'kvm-accel',
    parent: 'accel',
    create: (type: ObjectClass) => new KvmAccel(type),
    data: { ...data },
    properties: {
      device: prop.string<KvmAccel>({
        get: (accel) => accel.device,
        set: (accel, path) => {
          accel.device = path;
        },
        description: 'Device node to use instead of /dev/kvm',
      }),
      'kernel-irqchip': prop.of<string>(
        'on|off|split',
        qapi.str,
      )<KvmAccel>({
        set: (accel, mode) => {
          if (mode !== 'on' && mode !== 'off' && mode !== 'split') {
            throw new QemuError(`Parameter 'kernel-irqchip' does not accept value '${mode}'`);
          }
          accel.kernelIrqchip = mode;
        },
        description: 'Where interrupt controllers live: kernel, here, or split',
      }),
    },
  });
}
