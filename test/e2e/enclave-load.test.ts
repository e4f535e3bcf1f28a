import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QmpClient } from '../../qmp/client/index.js';
import { deadline } from '../support/deadline.js';
import { elfImage } from '../support/i386-kernels.js';
import { assemble, ENTRY, kvmMissing } from '../support/kvm-guest.js';
import { MonitorProcess } from '../support/monitor-process.js';

/** What -M nitro-enclave costs beside its guest: the monitor's answers while vCPUs spin, and memory. */
const test = suite('nitro-enclave: a machine whose vCPUs spin');
const missing = kvmMissing();
const ROUNDS = 3;
const ROUND_TRIPS = 2_000;
const LIMIT_MS = 20;
const CPUS = 2;
const KIB = 1024;

/** Starts the second vCPU through the x2APIC; both do nothing but run. */
const source = `
  lea ap(%rip), %rsi
  mov $0x4000, %edi
  mov $(end - ap), %ecx
  rep movsb
  mov $0x1b, %ecx
  rdmsr
  or $0xc00, %eax
  wrmsr
  mov $0x830, %ecx
  mov $1, %edx
  mov $0x4500, %eax
  wrmsr
  mov $0x4604, %eax
  wrmsr
  1: jmp 1b
  .code16
  ap: jmp ap
  end:`;

/** CPU time of a thread in clock ticks (proc(5), utime and stime). */
function ticks(pid: number, tid: number): number {
  const fields = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

async function spinning(accel: string, body: (qmp: QmpClient, pid: number) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'enclave-load-'));
  const kernel = join(dir, 'kernel');
  writeFileSync(kernel, elfImage([{ addr: BigInt(ENTRY), bytes: assemble(source) }], BigInt(ENTRY)));
  const machine = ['-M', `nitro-enclave,vsock-uds=${join(dir, 'vsock')}`, '-m', '16M', '-smp', `${CPUS}`];
  const child = new MonitorProcess([...machine, '-kernel', kernel, '-accel', accel]);
  try {
    const qmp = await child.ready();
    while ((await deadline('query-status', qmp.execute('query-status'))).status !== 'running');
    await body(qmp, child.process.pid ?? 0);
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
}

/** Times of QMP round trips in milliseconds, ascending. */
async function roundTrips(qmp: QmpClient): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const sent = performance.now();
    await deadline('query-status', qmp.execute('query-status'));
    times.push(performance.now() - sent);
  }
  return times.sort((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

/** Memory of a process without guest RAM, which is shared, in KiB (proc(5)). */
function residentKib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  return kib('VmRSS') - kib('RssShmem');
}

/** Memory of a Node process that has koffi loaded in so many workers, in KiB. */
async function bareKib(workers: number): Promise<number> {
  const libc = JSON.stringify(new URL('../../src/host/libc.js', import.meta.url).href);
  const load = `import(${libc}).then(({ libc }) => { libc.gettid(); setInterval(() => {}, 1000); })`;
  const program = `
    const { Worker } = require('node:worker_threads');
    const workers = Array.from({ length: ${workers} }, () => new Worker(${JSON.stringify(load)}, { eval: true }));
    Promise.all([${load}, ...workers.map((worker) => new Promise((go) => worker.once('online', go)))])
      .then(() => setTimeout(() => console.log('ready'), 2000));`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await deadline('the bare process', once(child.stdout, 'data'), 60_000);
    return residentKib(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
  }
}

for (const accel of ['kvm', 'tcg']) {
  test(`the p99 of a QMP round trip is below 20 ms with -accel ${accel}`, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    await spinning(accel, async (qmp, pid) => {
      const tids = (await qmp.execute('query-cpus-fast')).map((cpu) => Number(cpu['thread-id']));
      const threads = [...new Set(tids)];
      const used = () => threads.map((tid) => ticks(pid, tid));
      const [start, before] = [performance.now(), used()];
      const rounds: number[][] = [];
      // Other programs share these cores: the best round counts.
      while (rounds.length < ROUNDS && !rounds.some((times) => at(times, 0.99) < LIMIT_MS)) {
        rounds.push(await roundTrips(qmp));
      }
      const seconds = (performance.now() - start) / 1000;
      const shares = used().map((now, i) => (now - (before[i] ?? 0)) / seconds);
      const best = rounds.at(-1) ?? [];
      console.log(
        `QMP beside two vCPUs of ${accel} (${shares.map((s) => `${s.toFixed(0)} %`).join(', ')} of a core): ` +
          `median ${at(best, 0.5).toFixed(2)} ms, p99 ${at(best, 0.99).toFixed(2)} ms, round ${rounds.length}`,
      );
      assert.ok(shares.every((share) => share > 1));
      assert.ok(at(best, 0.99) < LIMIT_MS);
    });
  });
}

// The vCPUs' threads and that of the devices. The software CPU's own code has a place in memory too.
for (const [accel, workers, limit, settleMs] of [
  ['kvm', CPUS + 1, 1.5, 3_000],
  ['qtest', 2, 1.5, 3_000],
  ['tcg', 2, 2.5, 15_000],
] as const) {
  test(`memory beyond guest RAM is at most ${limit} times that of as many workers with koffi, with -accel ${accel}`, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    const bare = await bareKib(workers);
    await spinning(accel, async (_, pid) => {
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const ours = residentKib(pid);
      const mib = (kib: number) => (kib / KIB).toFixed(0);
      console.log(
        `RSS beyond guest RAM with ${accel}: ${mib(ours)} MiB, bare ${mib(bare)} MiB, ratio ${(ours / bare).toFixed(2)}`,
      );
      assert.ok(ours / bare <= limit);
    });
  });
}

test.run();
