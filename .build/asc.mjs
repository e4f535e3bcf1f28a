// Compiles the software CPU: accel/tcg/core and what the instruction table generates, to dist/accel/tcg/core.wasm.
// Runs after tsc, whose output has the generator. The compiler takes 20 s: it runs only when what it would read has changed.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { generate } from '../dist/accel/tcg/isa/generate.js';

const work = 'dist/asc';
const output = 'dist/accel/tcg/core.wasm';

await rm(work, { recursive: true, force: true });
await mkdir(work, { recursive: true });
await cp('accel/tcg/core', work, { recursive: true });
// Constants that are also TypeScript have no type there; here they are addresses and small unsigned numbers.
for (const name of ['state.ts', 'record.ts']) {
  const text = await readFile(`${work}/${name}`, 'utf8');
  await writeFile(`${work}/${name}`, text.replaceAll(/^export const (\w+) =/gm, 'export const $1: usize ='));
}
for (const [name, text] of Object.entries(generate())) await writeFile(`${work}/${name}`, text);

const args = [
  '--disableWarning',
  '201',
  `${work}/index.ts`,
  ...['--outFile', output, '--runtime', 'stub', '--memoryBase', '65536', '-O2', '--noAssert'],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '2304', '--maximumMemory', '65536'],
  ...['--enable', 'threads', '--enable', 'simd', '--runPasses', 'coalesce-locals,reorder-locals,vacuum'],
  ...(process.argv.includes('--debug') ? ['--debug', '--textFile', 'dist/asc/core.wat'] : []),
];

const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
const hash = createHash('sha256').update(JSON.stringify([version, args]));
for (const name of (await readdir(work, { recursive: true })).filter((file) => file.endsWith('.ts')).sort()) {
  hash.update(name).update(await readFile(`${work}/${name}`));
}
const key = hash.digest('hex');
const keyFile = `${output}.key`;
if (existsSync(output) && existsSync(keyFile) && (await readFile(keyFile, 'utf8')) === key) process.exit(0);

const { default: asc } = await import('assemblyscript/asc');
const { error, stderr } = await asc.main(args);
if (error !== null) {
  console.error(stderr.toString() || error.message);
  process.exit(1);
}
await writeFile(keyFile, key);
