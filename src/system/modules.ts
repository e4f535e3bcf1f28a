import type { ModuleApi } from './module-api.js';

/** What a machine or accelerator module default-exports. */
export type ModuleInit = (api: ModuleApi) => void | Promise<void>;

/** Finds and loads `accel-<name>` and `machine-<name>` modules, each once, when first asked for. */
export interface ModuleLoader {
  /** Names of the modules of a kind, built-in ones first. */
  names(kind: 'accel' | 'machine'): Promise<string[]>;
  /**
   * Loads a module; false when there is none of that name.
   *
   * @throws QemuError in one line when the module is broken
   */
  load(kind: 'accel' | 'machine', name: string): Promise<boolean>;
  /** Loads all modules, for listings; one that is broken is reported and left out. */
  loadAll(): Promise<void>;
}
