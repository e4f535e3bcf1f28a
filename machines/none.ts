import type { ObjectClass } from '../src/qom/types.js';
import type { MachineClassData } from '../src/system/machine.js';
import type { ModuleApi } from '../src/system/module-api.js';

/** `-M none`: a board with nothing on it, for probing and for tools that only want the monitor. */
export default function none(api: ModuleApi): void {
  const { system } = api;
  const { Machine, QemuError } = api.sys;

  class NoneMachine extends Machine {
    override preflight(): void {
      if (this.kernel === '') return;
      throw new QemuError("The -kernel parameter is not supported (use the generic 'loader' device instead).");
    }

    override async init(): Promise<void> {
      const { cpu } = system.settings;
      if (cpu !== undefined) {
        await api.types('cpu');
        const object = system.unattached.addChild('device[*]', api.sys.createCpu(system.types, cpu.typeName));
        await object.realize();
      }
      if (this.ramSize !== undefined || this.memoryBackendId !== '') {
        const hostmem = await api.lazy.hostmem();
        await hostmem.machineRam(system, this, { type: 'memory-backend-ram', properties: {} });
      }
    }
  }

  const data: MachineClassData = {
    desc: 'empty machine',
    maxCpus: 1,
    defaultRamSize: 0,
    defaultRamId: 'ram',
    reportedRamId: 'ram',
    executes: false,
    ports: { serial: false, parallel: false },
  };
  system.types.define({
    name: 'none-machine',
    parent: 'machine',
    create: (type: ObjectClass) => new NoneMachine(type, system),
    data: { ...data },
  });
}
