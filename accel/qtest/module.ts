import type { QomObject } from '../../src/qom/object.js';
import type { ObjectClass } from '../../src/qom/types.js';
import type { QtestTarget } from '../../src/qtest/target.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { AcceleratorClassData, Vm, VmAccelerator, VmConfig } from '../accel.js';
import type { PinRange } from './qtest-board.js';
import { QtestVm } from './vm.js';

const IOAPIC_PINS = 24;
const PIC_PINS = 8;

/** Global system interrupts that are a device's inputs. */
function pinsOf(device: QomObject | undefined): PinRange | undefined {
  if (device?.type.isA('ioapic')) return { first: 0, count: IOAPIC_PINS };
  if (device?.type.isA('isa-i8259')) return { first: device.get('master') === true ? 0 : PIC_PINS, count: PIC_PINS };
  return undefined;
}

/** `-accel qtest`: no code runs; a test drives the devices by `-qtest`. */
export default function qtest(api: ModuleApi): void {
  const { system } = api;
  const { QomObject, resolvePath } = api.qom;

  class QtestAccel extends QomObject implements VmAccelerator {
    readonly acceleratorName = 'qtest';
    readonly defaultCpuModel = 'qemu64';
    readonly #vms: QtestVm[] = [];

    initMachine(): void {}

    async createVm(config: Pick<VmConfig, 'ram' | 'cpus' | 'board'>): Promise<Vm & QtestTarget> {
      const vm = await QtestVm.create(config, (path) => pinsOf(resolvePath(system.tree.root, path).object));
      this.#vms.push(vm);
      return vm;
    }

    /** The machine, or on `-M none` a board with chips alone. */
    async openQtest(): Promise<QtestTarget> {
      return this.#vms.at(-1) ?? (await this.createVm({ ram: [], cpus: 1, board: () => ({ ports: [], mmio: [] }) }));
    }

    async shutdown(): Promise<void> {
      for (const vm of this.#vms.splice(0)) await vm.close();
    }
  }

  const data: AcceleratorClassData = { listed: false, runs: (machine) => machine.machineName === 'nitro-enclave' };
  system.types.define({
    name: 'qtest-accel',
    parent: 'accel',
    create: (type: ObjectClass) => new QtestAccel(type),
    data: { ...data },
  });
}
