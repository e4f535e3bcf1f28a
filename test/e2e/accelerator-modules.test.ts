import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runEmulator } from '../support/emulator.js';
import { elfImage } from '../support/i386-kernels.js';

const test = suite('accelerator modules e2e');

const dir = mkdtempSync(join(tmpdir(), 'accelerator-modules-'));
const kernel = join(dir, 'kernel');
test.before(() => {
  writeFileSync(kernel, elfImage([{ addr: 0x100000n, bytes: Uint8Array.of(0xf4) }], 0x100000n));
  const page = readFileSync(fileURLToPath(new URL('../../../docs/writing-an-accelerator.md', import.meta.url)), 'utf8');
  for (const [, name = '', code = ''] of page.matchAll(/`([\w-]+\.mjs)`:\n\n```js\n([\s\S]*?)```/g)) {
    writeFileSync(join(dir, name), code);
  }
  writeFileSync(
    join(dir, 'accel-broken.mjs'),
    'export default () => {\n  throw new Error("not today\\nnor tomorrow");\n};\n',
  );
});
test.after(() => rmSync(dir, { recursive: true }));

const env = { ...process.env, QEMU_MODULE_DIR: dir };
const run = (...args: string[]) => runEmulator(args, { env, settleMs: 20_000 });

const broken = `qemu-system-x86_64: failed to load module 'accel-broken' from '${join(dir, 'accel-broken.mjs')}': not today\n`;

test('the accelerator of the guide runs a machine as its text says', async () => {
  const machine = ['-M', `nitro-enclave,vsock-uds=${join(dir, 'vsock')}`, '-m', '16M', '-kernel', kernel];
  const { status, stdout, stderr } = await run(...machine, '-accel', 'scripted', '-no-reboot', '-nographic');
  assert.is(stderr, '');
  assert.is(stdout, 'scripted\n');
  assert.is(status, 0);
});

test('accelerators from outside are listed, a broken one is a line', async () => {
  const { status, stdout, stderr } = await run('-accel', 'help');
  assert.is(stdout, 'Accelerators supported in QEMU binary:\nkvm\nnitro\nscripted\ntcg\n');
  assert.is(stderr, broken);
  assert.is(status, 0);
});

test('a broken module that is named is a line, and the next accelerator has its turn', async () => {
  const alone = await run('-M', 'none', '-accel', 'broken');
  assert.is(alone.stderr, broken.replace('x86_64:', 'x86_64: -accel broken:'));
  assert.is(alone.status, 1);
  const both = await runEmulator(['-M', 'none', '-accel', 'broken', '-accel', 'tcg', '-display', 'none'], { env });
  assert.is(both.runs, true);
  assert.match(both.stderr, /falling back to tcg\n/);
});

test.run();
