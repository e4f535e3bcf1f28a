import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { consoleLines, sameText } from '../support/console.js';
import { deadline } from '../support/deadline.js';
import type { UnderDouble } from '../support/double.js';
import { type NitroRun, nitroSuite } from '../support/nitro-host.js';
import type { QmpConnection } from '../support/qmp-connection.js';

const { host, test, run } = await nitroSuite('nitro: run states, events and the end of the enclave');
const PROGRAM = 'qemu-system-x86_64';

interface Sequence {
  readonly title: string;
  /** Options after those of every run. */
  readonly argv: string[];
  readonly exit: number;
  /** What the process printed. */
  readonly output: string;
  readonly log: ({ send: JsonObject } | { recv: JsonValue } | { signal: NodeJS.Signals })[];
}

/** Sequences of reference/qemu/qmp/events.json on the nitro machine, without time stamps. */
const sequences = JSON.parse(
  await readFile(new URL('../../../test/e2e/data/nitro-events.json', import.meta.url), 'utf8'),
) as Sequence[];

/** Starts with a monitor; without -S, waits until the enclave runs. */
async function start(options: NitroRun = {}): Promise<{ double: UnderDouble; qmp: QmpConnection }> {
  const both = await host.startQmp(options);
  if (options.args?.some((arg) => arg === '-S' || arg === '--preconfig') === true) return both;
  while (((await both.qmp.run('query-status')) as { running: boolean }).running !== true);
  return both;
}

/** Lines but the events of this program, which QEMU does not have. */
function asQemu(line: JsonObject): boolean {
  return !String(line.event).startsWith('NITRO_');
}

/** Received lines as they are compared: without time stamps, lists of chardevs by label, socket paths as recorded. */
function comparable({ timestamp: _, ...line }: JsonObject): JsonObject {
  const text = JSON.stringify(line)
    // No machine here has a bus for it: docs/differences-from-qemu.md.
    .replace("No 'PCI' bus found for device 'virtio-rng-pci'", "'virtio-rng-pci' is not a valid device model name")
    .replace(/unix:[^,]*\/qmp\d+\.sock/g, 'unix:/tmp/run/qmp.sock');
  const result = JSON.parse(text) as { return?: { label?: string }[] };
  if (Array.isArray(result.return)) result.return.sort((a, b) => ((a.label ?? '') < (b.label ?? '') ? -1 : 1));
  return result as JsonObject;
}

for (const { title, argv, exit, output, log } of sequences) {
  test(`as recorded: ${title}`, async () => {
    const { double, qmp } = await start({ args: argv, config: { heartbeat: false } });
    let at = qmp.received.length;
    for (const step of log) {
      if ('send' in step) qmp.send(JSON.stringify(step.send));
      else if ('signal' in step) await double.kill(step.signal);
      else if (typeof step.recv === 'string') await deadline('the end of the connection', qmp.closed);
      else {
        const { line, at: found } = await qmp.until(JSON.stringify(step.recv), asQemu, at);
        at = found + 1;
        assert.equal(comparable(line), comparable(step.recv as JsonObject));
      }
    }
    assert.equal(await double.ended(), { code: exit, signal: null });
    assert.equal(qmp.received.slice(at).filter(asQemu), []);
    // QEMU names the sender of a signal; the warnings are ours.
    const said = double.stderr.replace(/^.*: warning: .*\n/gm, '');
    assert.is(said, output.replace(' from pid PID (NAME)', ''));
    assert.is(double.calls('release').length, 1);
  });
}

const debug = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-kernel', host.path('test.eif'), '-display', 'none'];

test("the enclave's own end: SHUTDOWN guest-shutdown, status 0, the console delivered to its end", async () => {
  const socket = host.path('console.sock');
  const args = [...debug, '-serial', `unix:${socket},server=on,wait=off`];
  const { double, qmp } = await start({ bare: true, args, config: { console: { available: false } } });
  const reader = connect(socket).setEncoding('utf8').pause();
  await deadline('the connection', once(reader, 'connect'));
  await double.control('console', { available: true, lines: 10_000 });
  await double.record('console_sent');
  await double.control('end', {});
  await double.record('enclave_end');
  assert.equal(qmp.events.includes('SHUTDOWN'), false, 'it waits for the reader');
  let read = '';
  reader.on('data', (text: string) => (read += text)).resume();
  assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
  assert.equal(await double.ended(), { code: 0, signal: null });
  sameText(read, consoleLines(10_000));
  assert.is((await double.record('release')).was_running, false);
  assert.is(double.stderr, '');
});

test('an enclave that ends as soon as it has started is noticed', async () => {
  const double = await host.start({ bare: true, args: debug, config: { console: { available: false } } });
  await double.record('NE_START_ENCLAVE');
  await double.control('end', {});
  assert.equal(await double.ended(), { code: 0, signal: null });
});

test('-no-shutdown and -action shutdown=pause keep the process after the end; it cannot go on, and quits', async () => {
  for (const args of [['-no-shutdown'], ['-action', 'shutdown=pause']]) {
    const { double, qmp } = await start({ args });
    await double.control('end', {});
    assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
    await qmp.event('STOP');
    assert.equal(await qmp.run('query-status'), { status: 'shutdown', running: false });
    assert.is(await qmp.refusal('cont'), 'Resetting the Virtual Machine is required');
    await qmp.ask('quit');
    assert.equal(await double.ended(), { code: 0, signal: null });
  }
});

test('-no-reboot changes nothing about the end; -action shutdown=poweroff is the default', async () => {
  for (const args of [
    ['-no-reboot'],
    ['-action', 'shutdown=poweroff'],
    ['-no-shutdown', '-action', 'shutdown=poweroff'],
  ]) {
    const { double, qmp } = await start({ args });
    await double.control('end', {});
    assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
    assert.equal(await double.ended(), { code: 0, signal: null });
  }
});

test('set-action of a running machine counts at the end', async () => {
  const { double, qmp } = await start();
  await qmp.run('set-action', { shutdown: 'pause' });
  await double.control('end', {});
  await qmp.event('STOP');
  assert.equal(await qmp.run('query-status'), { status: 'shutdown', running: false });
  await double.kill('SIGTERM');
  assert.equal(await double.ended(), { code: 0, signal: null });
});

test('an enclave that ends while the machine is stopped ends the process too', async () => {
  const { double, qmp } = await start();
  await qmp.run('stop');
  await double.control('end', {});
  assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
  assert.equal(await double.ended(), { code: 0, signal: null });
});

test('-S holds the enclave until cont: nothing donated, CID 0', async () => {
  const { double, qmp } = await start({ args: ['-S'] });
  const cid = () => qmp.run('qom-get', { path: '/machine/peripheral/nitro-vsock', property: 'enclave-cid' });
  assert.equal(await qmp.run('query-status'), { status: 'prelaunch', running: false });
  assert.is(await cid(), 0);
  assert.equal(await qmp.run('query-cpus-fast').then((cpus) => (cpus as JsonValue[]).length), 0);
  const donation = /^NE_(SET|ADD|START)/;
  assert.equal(
    double.records.filter(({ call }) => donation.test(call)),
    [],
  );
  await qmp.run('cont');
  await qmp.event('RESUME');
  assert.is(await cid(), 16);
  assert.equal(await qmp.run('query-status'), { status: 'running', running: true });
  await double.record('heartbeat');
});

test('stop and cont change the run state and say once that the enclave runs on', async () => {
  const { double, qmp } = await start();
  for (let times = 0; times < 3; times++) {
    await qmp.run('stop');
    assert.equal(await qmp.run('query-status'), { status: 'paused', running: false });
    await qmp.run('cont');
    assert.equal(await qmp.run('query-status'), { status: 'running', running: true });
  }
  assert.is(double.stderr.match(/cannot be paused/g)?.length, 1);
  assert.is(double.calls('NE_START_ENCLAVE').length, 1);
});

test('--preconfig builds and starts on x-exit-preconfig; what fails then ends the process', async () => {
  const { double, qmp } = await start({ args: ['--preconfig'] });
  assert.equal(await qmp.run('query-status'), { status: 'prelaunch', running: false });
  assert.match(await qmp.refusal('cont'), 'permitted only after machine initialization has completed');
  await qmp.run('x-exit-preconfig');
  assert.equal(await qmp.run('query-status'), { status: 'running', running: true });
  await double.record('heartbeat');
  assert.match(await qmp.refusal('x-exit-preconfig'), 'permitted only before machine initialization');

  const args = ['-accel', 'nitro', '-M', 'nitro', '-display', 'none', '--preconfig'];
  const failing = await start({ bare: true, args });
  failing.qmp.send('{"execute": "x-exit-preconfig"}');
  assert.equal(await failing.double.ended(), { code: 1, signal: null });
  assert.is(failing.double.stderr, `${PROGRAM}: nitro: -kernel <eif-file> is required\n`);
});

test('the monitor answers while the driver takes its time with the start', async () => {
  const { double, qmp } = await host.startQmp({ config: { faults: [{ call: 'NE_START_ENCLAVE', delayMs: 1500 }] } });
  assert.equal(await qmp.run('query-status'), { status: 'prelaunch', running: false });
  assert.is(double.calls('NE_START_ENCLAVE').length, 0);
  await qmp.event('RESUME');
  assert.equal(await qmp.run('query-status'), { status: 'running', running: true });
});

run();
