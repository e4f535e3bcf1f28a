import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { deadline, eventually } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';
import { connectQmp, type QmpConnection } from '../support/qmp-connection.js';

/** What libvirt 9.0.0 sends when it probes an emulator, and the error classes it takes for an answer. */
interface Probe {
  readonly argv: readonly string[];
  readonly commands: readonly Step[];
  /** A second probe, of `accel=tcg`. */
  readonly second: readonly Step[];
}

interface Step {
  readonly execute: string;
  readonly arguments?: JsonObject;
  readonly tolerated: readonly string[];
}

const probe = JSON.parse(
  readFileSync(new URL('../../../test/qmp/data/libvirt-probe.json', import.meta.url), 'utf8'),
) as Probe;

const test = suite('probe by libvirt');
const dir = await mkdtemp(join(tmpdir(), 'probe-'));
const daemons = new Set<number>();
test.after.each(() => {
  for (const pid of daemons) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
  daemons.clear();
});
test.after(() => rm(dir, { recursive: true }));

/** Starts the program as libvirt does, with changes to its arguments, until the launcher has ended and closed its output. */
async function launch(change: (word: string) => string = (word) => word) {
  const argv = probe.argv.map((word) => change(word.replace('<libdir>/qmp-XXXXXX', dir)));
  const launcher = spawn(emulatorPath(), argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  launcher.stdout.on('data', (data) => (output += data));
  launcher.stderr.on('data', (data) => (output += data));
  const closed = new Promise<number | null>((resolve) => launcher.on('close', resolve));
  const status = await deadline('the end of the launcher', closed, 30_000);
  const pid = status === 0 ? Number(readFileSync(join(dir, 'qmp.pid'), 'utf8')) : undefined;
  if (pid !== undefined) daemons.add(pid);
  return { status, output, pid };
}

/** Sends the commands of a probe; each must be answered in a way that libvirt goes on from. */
async function ask(qmp: QmpConnection, steps: readonly Step[]): Promise<Map<string, unknown>> {
  const answers = new Map<string, unknown>();
  for (const { execute, arguments: args = {}, tolerated } of steps) {
    if (execute === 'qmp_capabilities') continue;
    const answer = (await qmp.ask(execute, args)) as { return?: unknown; error?: { class: string } };
    if (answer.error === undefined) answers.set(execute, answer.return);
    else assert.ok(tolerated.includes(answer.error.class), `${execute} ${JSON.stringify(args)}: ${answer.error.class}`);
  }
  return answers;
}

/** The socket takes a connection at the first attempt. */
async function connect(): Promise<QmpConnection> {
  const path = join(dir, 'qmp.monitor');
  const first = net.connect(path);
  await deadline('a connection', once(first, 'connect'));
  first.destroy();
  return connectQmp(path, new Promise(() => {}));
}

/** Whether this process may open /dev/kvm. */
function kvmOpens(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** It is gone, with its pid file, as soon as it is told to. */
async function end(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await eventually('the end of the daemon', () => !existsSync(`/proc/${pid}`), 30_000);
  assert.not(existsSync(join(dir, 'qmp.pid')));
}

test('the launcher ends with the socket and the pid file in place; every command is answered as libvirt needs it', async () => {
  const { status, output, pid = 0 } = await launch();
  assert.equal({ status, output }, { status: 0, output: '' });
  assert.ok(readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('-daemonize'));
  const qmp = await connect();
  const answers = await ask(qmp, probe.commands);
  qmp.close();
  await end(pid);

  const kvm = kvmOpens();
  assert.equal(answers.get('query-kvm'), { enabled: kvm, present: kvm });
  assert.equal(answers.get('query-target'), { arch: 'x86_64' });
  const version = answers.get('query-version') as { qemu: { major: number }; package: unknown };
  assert.ok(version.qemu.major >= 5 && typeof version.package === 'string');
  const types = new Set((answers.get('qom-list-types') as { name: string }[]).map(({ name }) => name));
  for (const name of ['tcg-accel', 'isa-serial']) assert.ok(types.has(name), name);
  // A default-ram-id would have libvirt replace the memory in huge pages, or in a shared file.
  const machines = answers.get('query-machines') as { name: string; 'default-ram-id'?: string }[];
  for (const wanted of ['nitro', 'nitro-enclave']) {
    assert.not(
      'default-ram-id' in (machines.find(({ name }) => name === wanted) ?? { 'default-ram-id': 'no machine' }),
    );
  }
});

test('the second probe, of accel=tcg', async () => {
  const { status, output, pid = 0 } = await launch((word) => word.replace('kvm:tcg', 'tcg'));
  assert.equal({ status, output }, { status: 0, output: '' });
  const qmp = await connect();
  const answers = await ask(qmp, probe.second);
  assert.equal(await qmp.run('query-kvm'), { enabled: false, present: kvmOpens() });
  qmp.close();
  await end(pid);
  assert.ok(answers.has('query-machines'));
});

test('a launcher that fails says why on stderr and ends with status 1', async () => {
  const { status, output } = await launch((word) => (word.endsWith('qmp.pid') ? join(dir, 'none', 'qmp.pid') : word));
  assert.is(status, 1);
  assert.match(output, /^qemu-system-x86_64: cannot create PID file: .*No such file or directory\n$/);
});

test.run();
