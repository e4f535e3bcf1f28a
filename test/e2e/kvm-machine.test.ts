import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QmpClient } from '../../qmp/client/index.js';
import { deadline, eventually } from '../support/deadline.js';
import { runEmulator } from '../support/emulator.js';
import { elfImage } from '../support/i386-kernels.js';
import { assemble, kvmMissing } from '../support/kvm-guest.js';
import { MonitorProcess } from '../support/monitor-process.js';

const test = suite('kvm machine e2e');
const missing = kvmMissing();
const dir = mkdtempSync(join(tmpdir(), 'kvm-machine-'));
test.after(() => rmSync(dir, { recursive: true }));

/** A kernel file of a few instructions. */
function kernelOf(name: string, source: string): string {
  const address = 0x100000;
  const path = join(dir, name);
  writeFileSync(path, elfImage([{ addr: BigInt(address), bytes: assemble(source, address) }], BigInt(address)));
  return path;
}

const say = (text: string) => [...text].map((letter) => `mov $${letter.charCodeAt(0)}, %al\nout %al, (%dx)`).join('\n');
const machine = (kernel: string) => [
  '-M',
  `nitro-enclave,vsock-uds=${join(dir, 'vsock')}`,
  '-m',
  '16M',
  '-kernel',
  kernel,
];

function kvmTest(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    if (missing !== undefined) console.log(`SKIP ${missing}`);
    else await body();
  });
}

kvmTest('a guest speaks on the serial port and reboots, which ends the program', async () => {
  const kernel = kernelOf(
    'hello',
    `mov $0x3f8, %dx\n${say('hello\n')}\nmov $0xfe, %al\nout %al, $0x64\n1: hlt\njmp 1b`,
  );
  const { status, stdout, stderr } = await runEmulator(
    [...machine(kernel), '-accel', 'kvm', '-no-reboot', '-nographic'],
    { settleMs: 20_000 },
  );
  assert.is(stderr, '');
  assert.is(stdout, 'hello\n');
  assert.is(status, 0);
});

kvmTest('a guest that faults three times is reset', async () => {
  const kernel = kernelOf('fault', `mov $0x3f8, %dx\n${say('!')}\nmov $0x7f0000000000, %rax\nmov (%rax), %al`);
  const { status, stdout } = await runEmulator([...machine(kernel), '-accel', 'kvm', '-no-reboot', '-nographic'], {
    settleMs: 20_000,
  });
  assert.is(stdout, '!');
  assert.is(status, 0);
});

/** Asks until the run state is the one awaited. */
async function reaches(qmp: QmpClient, state: string): Promise<void> {
  const end = Date.now() + 20_000;
  for (let status = ''; status !== state; ) {
    if (Date.now() > end) throw new Error(`deadline: the run state is ${status}, not ${state}`);
    ({ status } = await deadline('query-status', qmp.execute('query-status')));
  }
}

async function withMonitor(
  kernel: string,
  args: string[],
  body: (qmp: QmpClient, child: MonitorProcess) => Promise<void>,
) {
  const child = new MonitorProcess([...machine(kernel), '-accel', 'kvm', ...args]);
  try {
    await body(await child.ready(), child);
  } finally {
    await child.stop();
  }
}

kvmTest('a guest with two vCPUs that spins is stopped, continued, reset and ended', async () => {
  await withMonitor(kernelOf('spin', '1: jmp 1b'), ['-smp', '2'], async (qmp, child) => {
    await reaches(qmp, 'running');
    assert.equal(await qmp.execute('query-kvm'), { enabled: true, present: true });
    const cpus = await qmp.execute('query-cpus-fast');
    const threads = new Set(cpus.map((cpu) => cpu['thread-id']));
    assert.is(threads.size, 2);
    assert.not.ok(threads.has(child.process.pid ?? 0));
    for (const tid of threads) assert.ok(existsSync(`/proc/${child.process.pid}/task/${tid}`));
    await deadline('stop', qmp.execute('stop'));
    assert.is((await qmp.execute('query-status')).status, 'paused');
    await deadline('cont', qmp.execute('cont'));
    assert.is((await qmp.execute('query-status')).status, 'running');
    await deadline('reset', qmp.execute('system_reset'));
    await reaches(qmp, 'running');
    await deadline(
      'inject-nmi',
      qmp.execute('inject-nmi').catch(() => {}),
    );
    await deadline('quit', qmp.execute('quit'));
    assert.is(await deadline('the end', child.exited), 0);
  });
});

kvmTest('a guest that KVM cannot run further leaves a machine that can be looked at', async () => {
  await withMonitor(kernelOf('lost', 'mov $0x2000000, %eax\njmp *%rax'), [], async (qmp, child) => {
    await reaches(qmp, 'internal-error');
    await eventually('the report', () => child.stderr.includes('Code='));
    assert.match(child.stderr, /^KVM internal error\. Suberror: 1\n/);
    assert.match(child.stderr, /\nRIP=0000000002000000 /);
    await deadline('quit', qmp.execute('quit'));
    assert.is(await deadline('the end', child.exited), 0);
  });
});

const refusals: [accel: string, cpu: string, text: RegExp][] = [
  ['kvm,device=/nonexistent', 'host', /Could not access KVM kernel module: No such file or directory\n/],
  ['kvm,device=/dev/null', 'host', /kvm version too old\n/],
  ['kvm,kernel-irqchip=split', 'host', /failed to initialize kvm: kernel-irqchip=split is not available\n$/],
  [
    'kvm',
    'host,+3dnow,+xop,enforce',
    /host doesn't support requested feature: CPUID\[eax=80000001h\]\.EDX\.3dnow \[bit 31\]\n[\s\S]*Host doesn't support requested features\n$/,
  ],
];
for (const [accel, cpu, text] of refusals) {
  kvmTest(`-accel ${accel} -cpu ${cpu} is refused`, async () => {
    const kernel = kernelOf('refused', 'hlt');
    const { status, stderr } = await runEmulator(
      [...machine(kernel), '-accel', accel, '-cpu', cpu, '-display', 'none'],
      { settleMs: 20_000 },
    );
    assert.match(stderr, text);
    assert.is(status, 1);
  });
}

kvmTest('without -accel the choice is told', async () => {
  const kernel = kernelOf('choice', 'hlt');
  const { stderr } = await runEmulator([...machine(kernel), '-display', 'none']);
  const hardware = /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  const [first = '', second = ''] = stderr.split('\n');
  if (hardware) assert.is(first, 'qemu-system-x86_64: info: using accelerator kvm');
  else {
    assert.match(first, /^qemu-system-x86_64: info: KVM is not used: it is software here, .*vmx.*svm/);
    assert.is(second, 'qemu-system-x86_64: info: using accelerator tcg');
  }
});

test.run();
