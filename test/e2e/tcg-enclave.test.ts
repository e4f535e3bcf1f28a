// The demonstration enclave, a real Linux, on the software CPU.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EnclaveClient } from '../../src/demo/enclave-client.js';
import { demoEif } from '../support/boot-files.js';
import { deadline } from '../support/deadline.js';
import { doubleUnavailable, startUnderDouble, stopDoubles } from '../support/double.js';
import { emulatorPath } from '../support/emulator.js';
import { BOOT_MS, type LinuxProcess, withLinux } from '../support/linux-process.js';
import { freePort } from '../support/monitor-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('tcg: the demonstration enclave');
const run = promisify(execFile);
const tool = fileURLToPath(new URL('../../bundle/src/bin/nitro-attest.js', import.meta.url));
const peer = fileURLToPath(new URL('../../../test/e2e/tcg/connections.py', import.meta.url));
const CONNECTIONS_MS = 300_000;
const allAnswered = 'one after the other 1000\nall at once 1000\n';
const READY = 'enclave: ready';

const pythonMissing = await run('python3', ['-c', 'import socket; socket.AF_VSOCK']).then(
  () => undefined,
  () => 'python3 with AF_VSOCK is missing',
);
test.after.each(stopDoubles);

/** The enclave's command port. */
async function client(linux: LinuxProcess): Promise<EnclaveClient> {
  return await EnclaveClient.connect(join(linux.dir, 'vsock'), AbortSignal.timeout(BOOT_MS));
}

async function ready(linux: LinuxProcess, times = 1): Promise<void> {
  await linux.says(READY, BOOT_MS * times, times);
}

for (const cpus of [1, 2]) {
  test(`it boots with -smp ${cpus}: heartbeat, /dev/nsm, a document that nitro-attest accepts, reboot ends it`, async () => {
    const ca = join(scratchDir(), 'ca');
    const machine = 'vsock-uds=DIR/vsock,attestation=ca0';
    const args = ['-no-reboot', '-object', `nitro-attestation-ca,id=ca0,dir=${ca}`];
    await withLinux({ machine, cpus, args }, async (linux) => {
      const qmp = await linux.qmp();
      await ready(linux);
      assert.equal(await qmp.event('NITRO_HEARTBEAT'), { byte: 0xb7, ok: true });
      const pcr0 = /enclave: PCR0 ([0-9a-f]{96})/.exec(linux.console)?.[1] ?? 'none';
      const enclave = await client(linux);
      const nonce = randomBytes(32);
      const path = join(linux.dir, 'document');
      writeFileSync(path, await deadline('the document', enclave.attest(nonce), 30_000));
      const expected = ['--root', join(ca, 'root.pem'), '--eif', demoEif, '--nonce', nonce.toString('hex')];
      const { stdout } = await run(process.execPath, [tool, 'verify', path, ...expected, '--pcr0', pcr0]);
      assert.match(stdout, /PCR0, PCR1, PCR2, PCR8 as expected/);
      await enclave.reboot();
      assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-reset' });
      assert.is(await linux.status(), 0, linux.stderr);
      assert.is(linux.stderr, '');
    });
  });
}

test('without -no-reboot it boots again', async () => {
  await withLinux({ machine: 'vsock-uds=DIR/vsock' }, async (linux) => {
    const qmp = await linux.qmp();
    await ready(linux);
    await (await client(linux)).reboot();
    assert.equal(await qmp.event('RESET'), { guest: true, reason: 'guest-reset' });
    await ready(linux, 2);
    assert.is((await deadline('an answer', (await client(linux)).attest(randomBytes(8)), 30_000)).length > 1000, true);
    await qmp.run('quit');
    assert.is(await linux.status(), 0, linux.stderr);
  });
});

/** 1,000 connections by a client in Python. */
async function connections(...args: string[]): Promise<string> {
  return (await deadline('1,000 connections', run('python3', [peer, ...args]), CONNECTIONS_MS)).stdout;
}

test('1,000 connections through unix sockets', async () => {
  if (pythonMissing !== undefined) return console.log(`SKIP ${pythonMissing}`);
  await withLinux({ machine: 'vsock-uds=DIR/vsock' }, async (linux) => {
    await ready(linux);
    assert.is(await connections('unix', join(linux.dir, 'vsock')), allAnswered);
    assert.is(linux.stderr, '');
  });
});

test('1,000 connections through TCP', async () => {
  if (pythonMissing !== undefined) return console.log(`SKIP ${pythonMissing}`);
  const port = freePort(3);
  await withLinux({ machine: `vsock-tcp-listen=127.0.0.1:${port}-5006`, cpus: 2 }, async (linux) => {
    await ready(linux);
    assert.is(await connections('tcp', String(port)), allAnswered);
    assert.is(linux.stderr, '');
  });
});

test("1,000 connections through the host's AF_VSOCK, as the device double has it", async () => {
  const unavailable = pythonMissing ?? (await doubleUnavailable());
  if (unavailable !== undefined) return console.log(`SKIP ${unavailable}`);
  const machine = 'nitro-enclave,vsock-forward-cid=1,vsock-forward-listen=5006';
  const guest = ['-M', machine, '-accel', 'tcg', '-m', '256M', '-kernel', demoEif];
  const emulator = [process.execPath, emulatorPath(), ...guest, '-nodefaults', '-display', 'none', '-serial', 'stdio'];
  const command = ['python3', peer, 'vsock', '1', ...emulator];
  const double = await startUnderDouble({ command, waitMs: BOOT_MS + CONNECTIONS_MS });
  assert.equal(await double.ended(), { code: 0, signal: null }, double.stderr);
  assert.is(double.stdout, allAnswered);
});

test('10 boots in a row are ready, each second with two CPUs, some beside a process that spins', async () => {
  const spinning = spawn(process.execPath, ['-e', 'const end = Date.now() + 300_000; while (Date.now() < end);']);
  try {
    for (let boot = 0; boot < 10; boot++) {
      if (boot === 5) spinning.kill('SIGKILL');
      await withLinux({ cpus: 1 + (boot % 2) }, async (linux) => {
        await ready(linux);
        assert.match(linux.console, 'enclave: heartbeat answered', `boot ${boot}`);
        assert.is(linux.stderr, '');
      });
    }
  } finally {
    spinning.kill('SIGKILL');
  }
});

test.run();
