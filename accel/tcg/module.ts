import type { ObjectClass } from '../../src/qom/types.js';
import type { Int64 } from '../../src/system/json.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { Accelerator, AcceleratorClassData } from '../accel.js';

/** `-accel tcg`: the software CPU. It starts on machines where nothing executes; its CPU is not part of this release. */
export default function tcg(api: ModuleApi): void {
  const { QomObject, prop } = api.qom;

  class TcgAccel extends QomObject implements Accelerator {
    readonly acceleratorName = 'tcg';
    oneInsnPerTb = false;
    thread = 'multi';
    tbSize: Int64 = 0;
    splitWx = false;

    initMachine(): void {}

    shutdown(): void {}
  }

  const data: AcceleratorClassData = { listed: true, runs: () => false };
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
          if (mode !== 'multi' && mode !== 'single') throw new api.sys.QemuError(`Invalid 'thread' setting ${mode}`);
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
