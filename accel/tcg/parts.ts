import type { ModuleApi } from '../../src/system/module-api.js';

/** What the accelerator takes from outside its folder: the program's own instances, whoever bundles this folder. */
export interface TcgParts {
  readonly host: typeof import('../../src/host/api.js');
  readonly QemuError: ModuleApi['sys']['QemuError'];
}
