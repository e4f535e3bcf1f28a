import type { ObjectClass } from '../../src/qom/types.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { Accelerator, AcceleratorClassData } from '../accel.js';

/** `-accel qtest`: nothing runs; device models are driven from outside. */
export default function qtest(api: ModuleApi): void {
  const { QomObject } = api.qom;

  class QtestAccel extends QomObject implements Accelerator {
    readonly acceleratorName = 'qtest';

    initMachine(): void {}

    shutdown(): void {}
  }

  const data: AcceleratorClassData = { listed: false, runs: () => false };
  api.system.types.define({
    name: 'qtest-accel',
    parent: 'accel',
    create: (type: ObjectClass) => new QtestAccel(type),
    data: { ...data },
  });
}
