import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { eventually } from '../support/deadline.js';
import type { UnderDouble } from '../support/double.js';
import { nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: nothing is left behind');
const steps = ['open', 'NE_CREATE_VM', 'memfd_huge', 'NE_SET_USER_MEMORY_REGION', 'NE_ADD_VCPU', 'NE_START_ENCLAVE'];

/** Everything that a run makes beside the enclave. */
const files = ['-pidfile', host.path('pid'), '-qmp', `unix:${host.path('left.sock')},server=on,wait=off`];

/** What a run that is over must have given back; `files` are its own to remove where it could. */
function assertReleased(double: UnderDouble, files: boolean): void {
  const made = double.records.filter(({ call, errno }) => call === 'NE_CREATE_VM' && errno === 0);
  assert.is(double.calls('release').length, made.length);
  if (!files) return;
  assert.is(existsSync(host.path('pid')), false, 'pid file');
  assert.is(existsSync(host.path('left.sock')), false, 'monitor socket');
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} gives everything back and ends with status 0`, async () => {
    const double = await host.start({ args: files });
    await double.record('heartbeat');
    assert.is(Number(await readFile(host.path('pid'), 'utf8')), await double.pid());
    await double.kill(signal);
    assert.equal(await double.ended(), { code: 0, signal: null });
    assert.match(double.stderr, `terminating on signal ${{ SIGTERM: 15, SIGINT: 2, SIGHUP: 1 }[signal]}`);
    assertReleased(double, true);
  });
}

test('quit gives everything back, over QMP and HMP', async () => {
  for (const quit of ['qmp', 'hmp'] as const) {
    const { double, qmp } = await host.startQmp({ args: files });
    await double.record('heartbeat');
    if (quit === 'qmp') await qmp.ask('quit');
    else qmp.send('{"execute": "human-monitor-command", "arguments": {"command-line": "quit"}}');
    assert.equal(await double.ended(), { code: 0, signal: null });
    assertReleased(double, true);
  }
});

test('a signal or quit while a call of the driver takes its time ends the process at once', async () => {
  for (const call of ['NE_SET_USER_MEMORY_REGION', 'NE_ADD_VCPU', 'NE_START_ENCLAVE']) {
    for (const way of ['signal', 'quit']) {
      const { double, qmp } = await host.startQmp({ args: files, config: { faults: [{ call, delayMs: 60_000 }] } });
      await qmp.run('query-status');
      if (way === 'signal') await double.kill('SIGTERM');
      else qmp.send('{"execute": "quit"}');
      assert.equal(await double.ended(20_000), { code: 0, signal: null });
      assertReleased(double, true);
    }
  }
});

test('a process killed while any of its calls waits leaves nothing with the driver', async () => {
  for (const call of steps) {
    const double = await host.start({ config: { faults: [{ call, delayMs: 60_000 }] } });
    await double.record('target');
    const before = steps[steps.indexOf(call) - 1];
    if (before !== undefined) await double.record(before);
    await double.kill('SIGKILL');
    assert.equal(await double.ended(), { code: null, signal: 'SIGKILL' });
    assertReleased(double, false);
  }
});

test('a process killed after any of its calls leaves nothing with the driver', async () => {
  for (const call of [...steps, 'vsock_bind', 'heartbeat']) {
    const double = await host.start();
    await double.record(call);
    await double.kill('SIGKILL');
    assert.equal(await double.ended(), { code: null, signal: 'SIGKILL' });
    assertReleased(double, false);
  }
});

test('an error at the end of a start-up removes pid file and sockets', async () => {
  const double = await host.start({ args: [...files, '-smp', '3'] });
  assert.equal(await double.ended(), { code: 1, signal: null });
  assertReleased(double, true);
});

/** Descriptors of a process that count: the enclave, the device, huge pages, vsock. */
async function descriptors(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.filter((link) => link !== '').sort();
}

test('refused launches and stopped-and-continued runs leak no descriptor', async () => {
  const { double, qmp } = await host.startQmp({ args: ['-S'] });
  await qmp.run('query-status');
  const fail = async (): Promise<void> => {
    await double.control('fault', { call: 'NE_START_ENCLAVE', errno: 272 });
    assert.match(await qmp.refusal('cont'), 'NE_START_ENCLAVE failed');
  };
  await fail();
  const before = await descriptors(await double.pid());
  for (let times = 0; times < 10; times++) await fail();
  assert.is((await descriptors(await double.pid())).length, before.length);
  await qmp.run('cont');
  await double.record('heartbeat');
  const free = (await double.control('query', {})) as JsonObject;
  assert.is((free.enclaves as JsonObject[]).length, 1, 'one slot is left of twelve');
});

test('-daemonize: the launcher ends when the enclave runs; the daemon keeps it and removes its pid file', async () => {
  const double = await host.start({ args: [...files, '-daemonize'] });
  await double.record('NE_START_ENCLAVE');
  await double.record('heartbeat');
  const pid = await eventually('the pid file', () => existsSync(host.path('pid')));
  assert.ok(pid);
  const daemon = Number(await readFile(host.path('pid'), 'utf8'));
  assert.is.not(daemon, await double.pid());
  await eventually('the end of the launcher', () => double.calls('exit').length > 0 || !alive(double));
  process.kill(daemon, 'SIGTERM');
  assert.equal(await double.ended(), { code: 0, signal: null });
  assertReleased(double, true);
});

/** Whether the program that the double started is there. */
function alive(double: UnderDouble): boolean {
  const pid = Number(double.calls('target')[0]?.pid);
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('-daemonize: what fails in the background shows in the foreground, with its status', async () => {
  const double = await host.start({ args: [...files, '-daemonize', '-smp', '3'] });
  assert.equal(await double.ended(), { code: 1, signal: null });
  assert.match(double.stderr, 'nitro: requires full CPU cores');
  assertReleased(double, true);
});

run();
