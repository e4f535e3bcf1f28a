import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';

const test = suite('bin/start');
const start = fileURLToPath(new URL('../../bundle/src/bin/start.js', import.meta.url));

test('npm start boots the demonstration enclave, verifies its attestation document, says so and ends with 0', async () => {
  const child = spawn(process.execPath, [start], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (bytes) => (output += bytes));
  child.stderr.on('data', (bytes) => (errors += bytes));
  try {
    const [status] = (await deadline('npm start', once(child, 'close'), 110_000)) as [number | null];
    assert.is(status, 0, `${output.slice(-2000)}${errors}`);
  } finally {
    child.kill();
  }
  assert.match(output, /Linux version 6\.12/);
  assert.match(output, /enclave: heartbeat answered/);
  assert.match(output, /booted on the accelerator '\w+'/);
  for (const step of ['cbor', 'chain', 'validity', 'signature', 'pcrs', 'nonce']) {
    assert.match(output, new RegExp(`^  ${step} +passed: `, 'm'));
  }
  assert.match(output, /attestation document verified +\d/);
  assert.not.match(errors, /Warning/);
});

test.run();
