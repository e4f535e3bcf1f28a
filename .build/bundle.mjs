// Bundles every process and worker entry into dist/bundle. Start-up is bound by the number of files the module loader
// opens, so what one command line needs must be a handful of chunks; machine, accelerator and monitor parts stay
// separate entries, loaded only when asked for.

import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const outdir = 'dist/bundle';
const { version } = JSON.parse(await readFile('package.json', 'utf8'));
const list = async (dir, suffix) =>
  existsSync(dir)
    ? (await readdir(dir, { recursive: true })).filter((f) => f.endsWith(suffix)).map((f) => `${dir}/${f}`)
    : [];

const bins = await list('src/bin', '.ts');
const modules = [...(await list('machines', '.ts')), ...(await list('accel', '/module.ts'))];
const workers = (await Promise.all(['src', 'qmp', 'accel', 'machines'].map((d) => list(d, '.worker.ts')))).flat();
const libraries = ['qmp/client/index.ts'].filter((f) => existsSync(f));

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: [...bins, ...modules, ...workers, ...libraries],
  outdir,
  outbase: '.',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['koffi', '@koromix/*', 'ws', 'json-rpc-2.0'],
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  sourcemap: false,
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'none',
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
});
for (const bin of bins) await chmod(`${outdir}/${bin.replace(/\.ts$/, '.js')}`, 0o755);
