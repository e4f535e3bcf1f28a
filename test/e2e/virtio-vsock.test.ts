import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { doubleUnavailable, startUnderDouble, stopDoubles } from '../support/double.js';

const test = suite('vsock backends with a client in Python');
const run = promisify(execFile);
const client = ['python3', 'test/e2e/virtio/client.py'];
const steps = ['streams', 'early_bytes', 'half_close', 'refused', 'guest_dials', 'stuck', 'many'];
const allOk = steps.map((step) => `${step} ok`);
const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-vsock-'));
test.after.each(stopDoubles);
test.after(() => rmSync(directory, { recursive: true }));

const pythonMissing = await run('python3', ['-c', 'import socket; socket.AF_VSOCK']).then(
  () => undefined,
  () => 'python3 with AF_VSOCK is missing',
);

function machine(properties: Record<string, string>, ...command: string[]): string[] {
  return [process.execPath, 'dist/test/e2e/virtio/machine.js', JSON.stringify(properties), ...command];
}

async function outcome([program = '', ...args]: string[]): Promise<{ lines: string[]; stderr: string }> {
  const { stdout, stderr } = await deadline('the client', run(program, args), 300_000);
  return { lines: stdout.trim().split('\n'), stderr };
}

test('unix sockets in the convention of Firecracker', async () => {
  if (pythonMissing !== undefined) return console.log(`SKIP ${pythonMissing}`);
  const path = join(directory, 'v.sock');
  assert.equal(await outcome(machine({ 'vsock-uds': path }, ...client, 'unix', path)), { lines: allOk, stderr: '' });
});

test('TCP by a table of ports', async () => {
  if (pythonMissing !== undefined) return console.log(`SKIP ${pythonMissing}`);
  const base = 20_000 + (process.pid % 20_000);
  const listens = [7000, 7001, 7002, 7003, 7009].map((port) => `127.0.0.1:${base + port - 7000}-${port}`);
  const properties = {
    'vsock-tcp-listen': listens.join('+'),
    'vsock-tcp-connect': `5000-127.0.0.1:${base + 100}`,
  };
  const seen = await outcome(machine(properties, ...client, 'tcp', String(base)));
  assert.equal(seen, { lines: allOk, stderr: '' });
});

test("the host's AF_VSOCK, as the device double has it", async () => {
  const unavailable = pythonMissing ?? (await doubleUnavailable());
  if (unavailable !== undefined) return console.log(`SKIP ${unavailable}`);
  const properties = { 'vsock-forward-cid': '1', 'vsock-forward-listen': '7000+7001+7002+7003+7009' };
  const double = await startUnderDouble({ command: machine(properties, ...client, 'vsock'), waitMs: 300_000 });
  assert.equal(await double.ended(), { code: 0, signal: null });
  assert.equal(double.stderr, '');
  assert.equal(double.stdout.trim().split('\n'), allOk);
});

test.run();
