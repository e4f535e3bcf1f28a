import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { elfImage } from '../support/i386-kernels.js';
import { assemble, ENTRY, kvmMissing } from '../support/kvm-guest.js';
import { MonitorProcess } from '../support/monitor-process.js';

const test = suite('bench/kvm-monitor');
const missing = kvmMissing();
const ROUND_TRIPS = 2_000;

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

test('the p99 of a QMP round trip is below 20 ms while two vCPUs spin', async () => {
  if (missing !== undefined) {
    console.log(`SKIP ${missing}`);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'kvm-monitor-'));
  const kernel = join(dir, 'kernel');
  writeFileSync(kernel, elfImage([{ addr: BigInt(ENTRY), bytes: assemble(source) }], BigInt(ENTRY)));
  const machine = ['-M', `nitro-enclave,vsock-uds=${join(dir, 'vsock')}`, '-m', '16M', '-smp', '2', '-kernel', kernel];
  const child = new MonitorProcess([...machine, '-accel', 'kvm']);
  try {
    const qmp = await child.ready();
    while ((await deadline('query-status', qmp.execute('query-status'))).status !== 'running');
    const pid = child.process.pid ?? 0;
    const threads = (await qmp.execute('query-cpus-fast')).map((cpu) => cpu['thread-id']);
    const used = () => threads.map((tid) => ticks(pid, Number(tid)));
    const [start, before] = [performance.now(), used()];
    const times: number[] = [];
    for (let i = 0; i < ROUND_TRIPS; i++) {
      const sent = performance.now();
      await deadline('query-status', qmp.execute('query-status'));
      times.push(performance.now() - sent);
    }
    const seconds = (performance.now() - start) / 1000;
    const shares = used().map((now, i) => (now - (before[i] ?? 0)) / seconds);
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
    console.log(
      `QMP beside two spinning vCPUs (${shares.map((s) => `${s.toFixed(0)} %`).join(', ')} of a core): ` +
        `median ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`,
    );
    assert.ok(shares.every((share) => share > 5));
    assert.ok(at(0.99) < 20);
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
});

test.run();
