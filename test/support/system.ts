import type { SystemEvent } from '../../src/system/events.js';
import { Machine } from '../../src/system/machine.js';
import type { ModuleLoader } from '../../src/system/modules.js';
import { createReporter } from '../../src/system/report.js';
import { System } from '../../src/system/system.js';

/** A system whose messages and events are kept, with a bare machine named `test`. */
export interface TestSystem {
  readonly system: System;
  readonly messages: string[];
  readonly events: SystemEvent[];
}

const noModules: ModuleLoader = {
  names: () => Promise.resolve([]),
  load: () => Promise.resolve(false),
  loadAll: () => Promise.resolve(),
};

class TestMachine extends Machine {
  override init(): void {}
}

/** @param modules made with the system, which does not exist yet when they are asked for */
export function createBareSystem(modules: (system: () => System) => ModuleLoader = () => noModules): TestSystem {
  const messages: string[] = [];
  const events: SystemEvent[] = [];
  const system: System = new System({
    settings: {
      program: 'qemu-system-x86_64',
      arch: 'x86_64',
      version: '0.0.0',
      uuid: '00000000-0000-0000-0000-000000000000',
      defaults: true,
      display: 'none',
    },
    report: createReporter({ program: 'qemu-system-x86_64', write: (text) => messages.push(text) }),
    traceLine: (line) => messages.push(line),
    modules: modules(() => system),
  });
  system.events.on((event) => events.push(event));
  return { system, messages, events };
}

export function createTestSystem(options: { machine?: boolean } = {}): TestSystem {
  const bare = createBareSystem();
  const { system } = bare;
  system.types.define({
    name: 'test-machine',
    parent: 'machine',
    create: (type) => new TestMachine(type, system),
    data: { desc: 'test', maxCpus: 8, defaultRamSize: 0, defaultRamId: 'ram' },
  });
  if (options.machine !== false) system.setMachine(system.types.get('test-machine')?.create() as Machine);
  return bare;
}
