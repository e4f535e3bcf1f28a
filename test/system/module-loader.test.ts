import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asError, QemuError } from '../../src/system/errors.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import { createModuleLoader } from '../../src/system/module-loader.js';
import { runEmulator } from '../support/emulator.js';

const test = suite('modules');
const dir = await mkdtemp(join(tmpdir(), 'nitro-modules-'));
test.after(() => rm(dir, { recursive: true }));

const seen: unknown[] = [];
const api = { seen } as unknown as ModuleApi;

async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error) => (error instanceof QemuError ? error.message : `not a QemuError: ${asError(error).message}`),
  );
}

test('built-in machines and accelerators are found by name, with those of the directory behind them', async () => {
  await writeFile(join(dir, 'machine-toy.mjs'), 'export default (api) => { api.seen.push("toy"); };\n');
  await writeFile(join(dir, 'accel-fast.js'), 'export default () => {};\n');
  await writeFile(join(dir, 'readme.txt'), 'not a module');
  const loader = createModuleLoader(() => api, dir);
  assert.equal(await loader.names('machine'), ['nitro', 'nitro-enclave', 'none', 'toy']);
  assert.equal(await loader.names('accel'), ['fast', 'kvm', 'nitro', 'qtest', 'tcg']);
});

test('a module is given the api once, whoever asks how often', async () => {
  const loader = createModuleLoader(() => api, dir);
  seen.length = 0;
  assert.is(await loader.load('machine', 'toy'), true);
  assert.is(await loader.load('machine', 'toy'), true);
  assert.equal(seen, ['toy']);
  assert.is(await loader.load('machine', 'nope'), false);
  assert.is(await loader.load('machine', '../accel/nitro'), false);
});

test('a broken module is one line that names module, file and reason', async () => {
  await writeFile(join(dir, 'machine-throws.mjs'), 'throw new Error("line one\\nline two");\n');
  await writeFile(join(dir, 'machine-empty.mjs'), 'export const x = 1;\n');
  await writeFile(join(dir, 'machine-syntax.mjs'), 'export default (\n');
  const loader = createModuleLoader(() => api, dir);
  const text = (name: string, reason: string) =>
    `failed to load module 'machine-${name}' from '${join(dir, `machine-${name}.mjs`)}': ${reason}`;
  assert.is(await refusal(loader.load('machine', 'throws')), text('throws', 'line one'));
  assert.is(
    await refusal(loader.load('machine', 'empty')),
    text('empty', 'it has no default export that is a function'),
  );
  const syntax = await refusal(loader.load('machine', 'syntax'));
  assert.ok(syntax.startsWith(text('syntax', '')) && !syntax.includes('\n'), syntax);
});

test('the program loads a module from outside, an ES module too', async () => {
  await writeFile(
    join(dir, 'machine-away.mjs'),
    'export default () => process.stderr.write("machine-away is here\\n");\n',
  );
  const { stderr } = await runEmulator(['-M', 'away'], { env: { ...process.env, QEMU_MODULE_DIR: dir } });
  assert.match(stderr, /^machine-away is here\n/);
});

test.run();
