import { readFile, rm, writeFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { type DoubleConfig, startUnderDouble, type UnderDouble } from '../support/double.js';
import { emulatorPath } from '../support/emulator.js';
import { nitroSuite } from '../support/nitro-host.js';
import { connectQmp, type QmpConnection } from '../support/qmp-connection.js';

const { host, test, run } = await nitroSuite('nitro: the heartbeat');

async function chardevs(qmp: QmpConnection): Promise<unknown[]> {
  return ((await qmp.run('query-chardev')) as JsonObject[]).map(({ label }) => label);
}

test('the first byte is echoed, then the port is given up', async () => {
  const { double, qmp } = await host.startQmp({ config: { heartbeat: { delayMs: 500 } } });
  await double.record('NE_START_ENCLAVE');
  assert.ok((await chardevs(qmp)).includes('nitro-heartbeat'));
  const { reply, ok } = await double.record('heartbeat');
  assert.equal({ reply, ok }, { reply: 0xb7, ok: true });
  while ((await chardevs(qmp)).includes('nitro-heartbeat'));
  const { errno } = await double.control('connect', { port: 9000 });
  assert.is(errno, 104, 'nobody listens any more');
  assert.is(double.stderr, '');
});

test('a byte other than 0xB7 is echoed with a warning, and what follows it is not', async () => {
  const double = await host.start({ config: { heartbeat: { bytes: [0x41, 0xb7, 0xb7] } } });
  const { reply } = await double.record('heartbeat');
  assert.is(reply, 0x41);
  await double.output("warning: the enclave's heartbeat was 0x41 instead of 0xb7", 'stderr');
});

test('a connection that says nothing is not the heartbeat: the next one still gets its answer', async () => {
  const double = await host.start({ config: { heartbeat: false } });
  await double.record('NE_START_ENCLAVE');
  const silent = await double.control('connect', { port: 9000 });
  await double.control('close', { conn: Number(silent.conn) });
  const second = await double.control('connect', { port: 9000 });
  await double.control('send', { conn: Number(second.conn), hex: 'b7' });
  const answer = await double.record('peer_data');
  assert.is(answer.hex, 'b7');
});

/**
 * Two emulators under one double, as on one host; each with a monitor and a pid file, and gone when the shell is.
 *
 * @param inTurn the second starts when the enclave of the first runs
 */
async function startTwo(config: DoubleConfig, inTurn: boolean): Promise<UnderDouble> {
  const emulator = (name: string): string => {
    const monitor = `unix:${host.path(name)},server=on,wait=off`;
    const words = ['setpriv', '--pdeathsig', 'KILL', process.execPath, emulatorPath()];
    const options = [
      '-accel',
      'nitro',
      '-M',
      'nitro',
      '-m',
      '64M',
      '-display',
      'none',
      '-kernel',
      host.path('test.eif'),
    ];
    return [...words, ...options, '-qmp', monitor, '-pidfile', host.path(`${name}.pid`)].join(' ');
  };
  const go = host.path('go');
  const script = `${emulator('a')} & until [ -e ${go} ]; do sleep 0.05; done; ${emulator('b')}; echo status $?; wait`;
  await rm(go, { force: true });
  const double = await startUnderDouble({ command: ['sh', '-c', script], config: host.config(config) });
  if (inTurn) await double.record('NE_START_ENCLAVE');
  await writeFile(go, '');
  return double;
}

const pidOf = async (name: string): Promise<number> => Number(await readFile(host.path(`${name}.pid`), 'utf8'));

test('two emulators start at once: the second waits for the port, and both enclaves boot', async () => {
  const double = await startTwo({ heartbeat: { delayMs: 800 } }, false);
  await double.record('heartbeat', 2);
  assert.equal(
    double.calls('NE_START_ENCLAVE').map(({ cid_out, ret }) => [cid_out, ret]),
    [
      [16, 0],
      [17, 0],
    ],
  );
  assert.is(double.stderr.match(/warning: vsock port 9000 \(heartbeat\) is in use, trying for 10 seconds/g)?.length, 1);
  for (const name of ['a', 'b']) {
    const qmp = await connectQmp(host.path(name), double.exit);
    await qmp.ask('quit');
  }
  assert.equal(await double.ended(), { code: 0, signal: null });
  assert.is(double.calls('release').length, 2);
});

test('a port that stays in use is an error that names its owner', async () => {
  const double = await startTwo({ heartbeat: false }, true);
  await double.output('status 1');
  assert.match(double.stderr, /^qemu-system-x86_64: .*Address already in use$/m);
  assert.match(double.stderr, `vsock port 9000 is held by node (pid ${await pidOf('a')})`);
  assert.is(double.calls('NE_START_ENCLAVE').length, 1);
  process.kill(await pidOf('a'));
  assert.equal(await double.ended(), { code: 0, signal: null });
});

test('a signal counts while the port is waited for', async () => {
  const double = await startTwo({ heartbeat: false }, true);
  await double.output('is in use', 'stderr');
  process.kill(await pidOf('b'));
  await double.output('status 0', 'stdout', 5000);
  process.kill(await pidOf('a'));
  assert.equal(await double.ended(), { code: 0, signal: null });
  assert.is(double.calls('release').length, 2);
});

run();
