// Bundles every process and worker entry into dist/bundle, as docs/architecture.md ("The bundle") tells.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { chmod, copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const outdir = 'dist/bundle';
const { version } = JSON.parse(await readFile('package.json', 'utf8'));
const list = async (dir, suffix) =>
  existsSync(dir)
    ? (await readdir(dir, { recursive: true })).filter((f) => f.endsWith(suffix)).map((f) => `${dir}/${f}`)
    : [];

const bins = await list('src/bin', '.ts');
const libraries = ['qmp/client/index.ts', 'src/attestation/index.ts'];
const modules = [...(await list('machines', '.ts')), ...(await list('accel', '/module.ts'))];
const workers = (await Promise.all(['src', 'qmp', 'accel', 'machines'].map((d) => list(d, '.worker.ts')))).flat();

const options = {
  outdir,
  outbase: '.',
  bundle: true,
  platform: 'node',
  target: 'node20',
  // The same parser without a createRequire() of its own, which takes 2 ms where `node -e 0` takes 25.
  alias: { 'yargs-parser': 'yargs-parser/browser' },
  external: ['koffi', '@koromix/*', 'ws', 'json-rpc-2.0', '@peculiar/*'],
  sourcemap: false,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
};
const commonJs = {
  ...options,
  format: 'cjs',
  // See cached-main.cjs: packages are required, modules from outside are loaded with importModule.
  supported: { 'dynamic-import': false },
  define: { PACKAGE_VERSION: JSON.stringify(version), 'import.meta.url': '__moduleUrl' },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
};

await rm(outdir, { recursive: true, force: true });
const [main] = await Promise.all([
  build({
    ...commonJs,
    entryPoints: ['src/main.ts'],
    entryNames: '[dir]/[name]-[hash]',
    outExtension: { '.js': '.cjs' },
    metafile: true,
  }),
  build({ ...commonJs, entryPoints: [...bins, ...modules, ...workers], external: [...options.external, '../main.js'] }),
  build({ ...options, format: 'esm', entryPoints: libraries }),
]);
const [program] = Object.keys(main.metafile.outputs).map((file) => basename(file, '.cjs'));
const loader = await readFile('.build/cached-main.cjs', 'utf8');
await writeFile(`${outdir}/src/main.js`, loader.replaceAll('PROGRAM', program));
await copyFile('dist/accel/tcg/core.wasm', `${outdir}/accel/tcg/core.wasm`);
await writeFile(`${outdir}/package.json`, '{"type":"commonjs"}\n');
for (const library of libraries) await writeFile(`${outdir}/${dirname(library)}/package.json`, '{"type":"module"}\n');
for (const bin of bins) await chmod(`${outdir}/${bin.replace(/\.ts$/, '.js')}`, 0o755);
await makeCodeCache();

/** The first run writes the code cache when it ends; what it has compiled by then is in it. */
async function makeCodeCache() {
  const dir = mkdtempSync(join(tmpdir(), 'nitro-emu-bundle-'));
  const path = join(dir, 'qmp');
  const qmp = `unix:${path},server=on,wait=off`;
  const bin = `${outdir}/src/bin/qemu-system-x86_64.js`;
  const child = spawn(process.execPath, [bin, '-M', 'none', '-display', 'none', '-qmp', qmp], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 30_000,
  });
  const closed = once(child, 'close');
  let ended = false;
  void closed.then(() => {
    ended = true;
  });
  while (!existsSync(path) && !ended) await new Promise((resolve) => setTimeout(resolve, 20));
  const client = createConnection(path).on('error', () => child.kill());
  client.resume();
  const get = { execute: 'qom-get', arguments: { path: '/machine', property: 'type' } };
  for (const request of [{ execute: 'qmp_capabilities' }, get, get, { execute: 'quit' }]) {
    client.write(JSON.stringify(request));
  }
  const [status] = await closed;
  client.destroy();
  await rm(dir, { recursive: true });
  if (status !== 0) console.warn(`${bin} did not run here (${status}): the first user's run will make its code cache`);
}
