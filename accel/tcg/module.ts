import type { ObjectClass } from '../../src/qom/types.js';
import type { Int64 } from '../../src/system/json.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { AcceleratorClassData, Vm, VmAccelerator, VmConfig } from '../accel.js';
import { createVm } from './create-vm.js';

const vcpuThread = new URL('./tcg.worker.js', import.meta.url);

/** `-accel tcg`: the software CPU. */
export default function tcg(api: ModuleApi): void {
  const { QomObject, prop } = api.qom;
  const { QemuError } = api.sys;

  class TcgAccel extends QomObject implements VmAccelerator {
    readonly acceleratorName = 'tcg';
    readonly defaultCpuModel = 'max';
    oneInsnPerTb = false;
    thread = 'multi';
    tbSize: Int64 = 0;
    splitWx = false;
    readonly #vms: Vm[] = [];

    initMachine(): void {}

    async createVm(config: VmConfig): Promise<Vm> {
      const parts = { host: await api.lazy.host(), QemuError };
      const vm = await createVm(parts, config, vcpuThread, (text) => api.system.report.warn(text));
      this.#vms.push(vm);
      return vm;
    }

    async shutdown(): Promise<void> {
      for (const vm of this.#vms.splice(0)) await vm.close();
    }
  }

  const data: AcceleratorClassData = { listed: true, runs: (machine) => machine.machineName === 'nitro-enclave' };
  api.system.types.define({
    name: 'tcg-accel',
    parent: 'accel',
    create: (type: ObjectClass) => new TcgAccel(type),
    data: { ...data },
    properties: {
      'one-insn-per-tb': prop.bool<TcgAccel>({
        get: (accel) => accel.oneInsnPerTb,
        set: (accel, on) => {
          accel.oneInsnPerTb = on;
        },
        description: 'One guest instruction in each translation block',
      }),
      thread: prop.of<string>(
        'string',
        api.qom.qapi.str,
      )<TcgAccel>({
        get: (accel) => accel.thread,
        set: (accel, mode) => {
          if (mode !== 'multi' && mode !== 'single') throw new QemuError(`Invalid 'thread' setting ${mode}`);
          accel.thread = mode;
        },
      }),
      'tb-size': prop.int<TcgAccel>({
        get: (accel) => accel.tbSize,
        set: (accel, size) => {
          accel.tbSize = size;
        },
        description: 'Size of the translation cache in MiB, 0 for the default',
      }),
      'split-wx': prop.bool<TcgAccel>({
        get: (accel) => accel.splitWx,
        set: (accel, on) => {
          accel.splitWx = on;
        },
        description: 'Separate writable and executable mappings of generated code',
      }),
    },
  });
}
