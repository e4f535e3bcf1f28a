import { closeSync, constants, openSync } from 'node:fs';
import type { ObjectClass } from '../../src/qom/types.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { Accelerator, AcceleratorClassData } from '../accel.js';

/** `-accel kvm`: Linux KVM. It starts on machines where nothing executes; running guests is not part of this release. */
export default function kvm(api: ModuleApi): void {
  const { QomObject, prop, qapi } = api.qom;
  const { QemuError } = api.sys;

  class KvmAccel extends QomObject implements Accelerator {
    readonly acceleratorName = 'kvm';
    device = '';
    kernelIrqchip = 'on';
    #fd: number | undefined;

    async initMachine(): Promise<void> {
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
    }

    shutdown(): void {
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  const data: AcceleratorClassData = { listed: true, runs: () => false };
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
