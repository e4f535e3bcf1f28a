import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoEif } from '../support/boot-files.js';

const test = suite('e2e/demo-enclave');
const script = fileURLToPath(new URL('../../../test/guests/linux/build.sh', import.meta.url));
/** What build.sh ends with when the compiler is another one, or the archive has no such source. */
const cannot = new Set([3, 4]);
/** Two idle cores need about 5 minutes. */
const LIMIT_MS = 570_000;

test('the demonstration enclave is what its recipe builds, byte for byte', () => {
  const dir = mkdtempSync(join(tmpdir(), 'demo-enclave-'));
  try {
    const built = join(dir, 'demo.eif');
    const env = { ...process.env, KERNEL_BUILD: join(dir, 'build') };
    const run = spawnSync(script, [built], { env, encoding: 'utf8', timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    if (run.error !== undefined && 'code' in run.error && run.error.code === 'ETIMEDOUT') {
      console.log(`SKIP the enclave was not rebuilt within ${LIMIT_MS / 1000} s`);
      return;
    }
    const last = run.stderr.trim().split('\n').at(-1);
    if (run.status !== null && cannot.has(run.status)) {
      console.log(`SKIP the enclave is not rebuilt: ${last}`);
      return;
    }
    assert.is(run.status, 0, `${run.error ?? ''} ${last}`);
    assert.ok(readFileSync(built).equals(readFileSync(demoEif)), 'the bytes differ');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test.run();
