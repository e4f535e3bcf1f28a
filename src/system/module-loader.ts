import { existsSync, promises } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { requireFile } from '../host/require.js';
import { asError, QemuError } from './errors.js';
import { bundled, compiledRoot } from './layout.js';
import type { ModuleApi } from './module-api.js';
import type { ModuleInit, ModuleLoader } from './modules.js';

type Kind = 'accel' | 'machine';

/** The bundle's import(), which has none of its own (.build/cached-main.cjs). */
declare const importModule: ((url: string) => Promise<unknown>) | undefined;

/** Names are file names: nothing that could leave the directory. */
const wellFormed = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

function builtinFile(kind: Kind, name: string): string {
  const path = kind === 'machine' ? `machines/${name}.js` : `accel/${name}/module.js`;
  return fileURLToPath(new URL(path, compiledRoot));
}

/** The bundle's own modules are CommonJS: bringing up the loader of ES modules takes 8 ms where `node -e 0` takes 25. */
async function loadFile(file: string): Promise<unknown> {
  if (bundled && file.startsWith(fileURLToPath(compiledRoot))) return requireFile(file);
  const { href } = pathToFileURL(file);
  return await (typeof importModule === 'function' ? importModule(href) : import(href));
}

/**
 * Modules of the compiled tree, then those in `$QEMU_MODULE_DIR`: `machine-NAME.js` or `.mjs`, `accel-NAME.js` or `.mjs`.
 *
 * @param api made when the first module is loaded
 * @param directory value of $QEMU_MODULE_DIR, undefined without
 */
export function createModuleLoader(api: () => ModuleApi, directory: string | undefined): ModuleLoader {
  const loaded = new Map<string, Promise<void>>();
  const reported = new Set<QemuError>();

  function find(kind: Kind, name: string): string | undefined {
    if (!wellFormed.test(name)) return undefined;
    const candidates = [builtinFile(kind, name)];
    if (directory !== undefined) {
      for (const suffix of ['.js', '.mjs']) candidates.push(join(directory, `${kind}-${name}${suffix}`));
    }
    return candidates.find((file) => existsSync(file));
  }

  async function init(kind: Kind, name: string, file: string): Promise<void> {
    try {
      const module = (await loadFile(file)) as { default?: ModuleInit };
      if (typeof module.default !== 'function') throw new Error('it has no default export that is a function');
      await module.default(api());
    } catch (error) {
      const [line = ''] = asError(error).message.split('\n');
      throw new QemuError(`failed to load module '${kind}-${name}' from '${file}': ${line}`, { cause: error });
    }
  }

  function reportOnce(error: unknown): void {
    if (!(error instanceof QemuError)) throw error;
    if (!reported.has(error)) api().system.report.error(error);
    reported.add(error);
  }

  const loader: ModuleLoader = {
    async names(kind) {
      const inTree = fileURLToPath(new URL(kind === 'machine' ? 'machines/' : 'accel/', compiledRoot));
      const names = new Set<string>();
      for (const entry of await promises.readdir(inTree)) {
        const name = kind === 'machine' ? /^(.*)\.js$/.exec(entry)?.[1] : entry;
        if (name !== undefined && existsSync(builtinFile(kind, name))) names.add(name);
      }
      if (directory !== undefined) {
        const prefix = new RegExp(`^${kind}-(.*)\\.m?js$`);
        for (const entry of await promises.readdir(directory).catch(() => [])) {
          const name = prefix.exec(entry)?.[1];
          if (name !== undefined && wellFormed.test(name)) names.add(name);
        }
      }
      return [...names].sort();
    },
    async load(kind, name) {
      const file = find(kind, name);
      if (file === undefined) return false;
      const key = `${kind}-${name}`;
      let ready = loaded.get(key);
      if (ready === undefined) {
        ready = init(kind, name, file);
        loaded.set(key, ready);
      }
      await ready;
      return true;
    },
    async loadAll() {
      for (const kind of ['accel', 'machine'] as const) {
        for (const name of await loader.names(kind)) await loader.load(kind, name).catch(reportOnce);
      }
    },
  };
  return loader;
}
