// QMP over a unix socket against Debian's QEMU in the same run, both with the same client (qmp-load.c), in turns.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';
import { loadClient, measure, median, type Spread } from '../support/load-client.js';

const rounds = 9;
const KIB = 1024;
const MIB = 1024 * KIB;
/** As libvirt writes it. */
const qomGet = '{"execute":"qom-get","arguments":{"path":"/machine","property":"type"},"id":"libvirt-42"}\n';

const bench = suite('qmp');
const dir = mkdtempSync(join(tmpdir(), 'qmp-bench-'));
const servers: ChildProcess[] = [];

/** A running emulator and where it listens. */
interface Server {
  path: string;
  pid: number;
}

function start(name: string, command: string, args: readonly string[], extra = ''): Server {
  const path = join(dir, name);
  const options = ['-M', 'none', '-display', 'none', '-qmp', `unix:${path},server=on,wait=off${extra}`];
  const child = spawn(command, [...args, ...options], { stdio: 'ignore' });
  child.on('error', () => {});
  servers.push(child);
  return { path, pid: child.pid ?? 0 };
}

const ours = (name: string, ...flags: string[]): Server =>
  start(name, process.execPath, [...flags, emulatorPath()], ',x-clients=2000');

/** Bytes. */
function residentSize({ pid }: Server): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * KIB;
}

async function rate(mode: 'sequential' | 'pipelined', { path }: Server, count: number, request = qomGet) {
  return (await measure<{ perSecond: number }>([mode, path, String(count), request])).perSecond;
}

async function compare(mode: 'sequential' | 'pipelined', counts: { ours: number; qemu: number }): Promise<number> {
  const a = ours(`${mode}-ours`);
  const b = start(`${mode}-qemu`, 'qemu-system-x86_64', []);
  if (b.pid === 0) {
    console.log('SKIP qemu-system-x86_64 is missing');
    return Number.POSITIVE_INFINITY;
  }
  // Warm: the figure is of a monitor in use.
  await rate(mode, a, counts.ours);
  const rates: { ours: number[]; qemu: number[] } = { ours: [], qemu: [] };
  for (let i = 0; i < rounds; i++) {
    rates.ours.push(await rate(mode, a, counts.ours));
    rates.qemu.push(await rate(mode, b, counts.qemu));
  }
  const [x, y] = [median(rates.ours), median(rates.qemu)];
  console.log(`${mode} qom-get: ${x.toFixed(0)}/s, QEMU ${y.toFixed(0)}/s, ratio ${(x / y).toFixed(1)}`);
  return x / y;
}

bench.after(() => {
  for (const server of servers) server.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});

bench('sequential round trips come at least 8 times as often as with QEMU', async () => {
  assert.ok((await compare('sequential', { ours: 5_000, qemu: 500 })) >= 8);
});

bench('pipelined requests are answered at least 60 times as fast as by QEMU', async () => {
  assert.ok((await compare('pipelined', { ours: 200_000, qemu: 2_000 })) >= 60);
});

bench('100 clients are all served', async () => {
  const { path } = ours('clients');
  const args = ['clients', path, '100', '50000', qomGet];
  await measure(args);
  const { perSecond, us } = await measure<{ perSecond: number; us: Spread }>(args);
  console.log(`100 clients: ${perSecond.toFixed(0)}/s, p50 ${us.p50.toFixed(0)} us, p99 ${us.p99.toFixed(0)} us`);
  assert.ok(us.p99 < 100_000);
});

bench('1,000 connected clients that get events cost less than 30 KiB each', async () => {
  const clients = 1_000;
  const events = 100;
  const server = ours('idle');
  // What the first client brings (code, buffers) is no cost of a client.
  await rate('pipelined', server, 20_000);
  const before = residentSize(server);
  const idle = spawn(await loadClient(), ['idle', server.path, String(clients)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(idle.stdout);
  await deadline('the clients', once(lines, 'line'), 60_000);
  // Each command is an event for everybody.
  for (let i = 0; i < events; i++) {
    await rate('sequential', server, 1, `{"execute":"${i % 2 === 0 ? 'stop' : 'cont'}"}\n`);
  }
  const each = (residentSize(server) - before) / clients;
  idle.stdin.end();
  const [line] = (await deadline('the count', once(lines, 'line'))) as [string];
  const received = (JSON.parse(line) as { events: number }).events;
  console.log(`1,000 clients: ${(each / KIB).toFixed(1)} KiB each after ${received / clients} events each`);
  assert.is(received, clients * events);
  assert.ok(each < 30 * KIB);
});

bench('the reply to query-qmp-schema takes less than 3 ms', async () => {
  const { path } = ours('schema');
  const request = '{"execute":"query-qmp-schema"}\n';
  const first = 1e3 / (await rate('sequential', { path, pid: 0 }, 1, request));
  const times: number[] = [];
  for (let i = 0; i < 15; i++) times.push(1e3 / (await rate('sequential', { path, pid: 0 }, 10, request)));
  console.log(`query-qmp-schema: ${median(times).toFixed(2)} ms, the first ${first.toFixed(0)} ms`);
  assert.ok(median(times) < 3);
});

bench('memory stays flat over a million commands', async () => {
  // V8's young generation, up to 48 MiB, comes and goes; a leak shows all the better without.
  const server = ours('soak', '--max-semi-space-size=1');
  const commands = [
    qomGet,
    '{"execute":"qom-list","arguments":{"path":"/machine"}}\n',
    '{"execute":"qom-get","arguments":{"path":"/nothing","property":"x"}}\n',
    '{"execute":"query-status"}\n',
    '{"execute": nonsense}\n',
  ];
  const sizes: number[] = [];
  for (let batch = 0; batch < 8; batch++) {
    for (const command of commands) await rate('pipelined', server, 1_000_000 / 8 / commands.length, command);
    sizes.push(residentSize(server));
  }
  const [before, after] = [Math.min(...sizes.slice(1, 4)), Math.min(...sizes.slice(5))];
  console.log(`a million commands: from ${(before / MIB).toFixed(0)} to ${(after / MIB).toFixed(0)} MiB`);
  assert.ok(after - before < 8 * MIB);
});

bench.run();
