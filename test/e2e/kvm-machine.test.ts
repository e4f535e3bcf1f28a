import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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

kvmTest('the monitor shows registers and memory of a guest that runs, and stops it', async () => {
  const kernel = kernelOf('spin', 'mov $0x1234567812345678, %rbx\n1: jmp 1b');
  const process = new MonitorProcess([...machine(kernel), '-accel', 'kvm', '-smp', '2']);
  try {
    const qmp = await process.ready();
    const hmp = (line: string) => qmp.execute('human-monitor-command', { 'command-line': line });
    const registers = async () => String(await deadline('registers', hmp('info registers')));
    await eventually('the guest', () => true);
    let text = '';
    for (const end = Date.now() + 10_000; Date.now() < end && !text.includes('RBX=1234567812345678'); ) {
      text = await registers();
    }
    assert.match(text, /RAX=\w{16} RBX=1234567812345678/);
    assert.match(text, /CS =0010 0{16} ffffffff 00a09b00 DPL=0 CS64 \[-RA\]/);
    assert.match(text, /EFER=0000000000000500/);
    assert.equal(await qmp.execute('query-kvm'), { enabled: true, present: true });
    const cpus = await qmp.execute('query-cpus-fast');
    const threads = new Set(cpus.map((cpu) => cpu['thread-id']));
    assert.is(threads.size, 2);
    for (const tid of threads) assert.ok(readFileSync(`/proc/${process.process.pid}/task/${tid}/comm`, 'utf8') !== '');
    await deadline('stop', qmp.execute('stop'));
    assert.is((await qmp.execute('query-status')).status, 'paused');
    await deadline('cont', qmp.execute('cont'));
    assert.is((await qmp.execute('query-status')).status, 'running');
    await deadline('quit', qmp.execute('quit'));
    assert.is(await deadline('the end', process.exited), 0);
  } finally {
    await process.stop();
  }
});

kvmTest('a guest that KVM cannot run further leaves a machine that can be looked at', async () => {
  const kernel = kernelOf('lost', 'mov $0xfeb10000, %eax\njmp *%rax');
  const process = new MonitorProcess([...machine(kernel), '-accel', 'kvm']);
  try {
    const qmp = await process.ready();
    for (const end = Date.now() + 10_000; ; ) {
      const { status } = await qmp.execute('query-status');
      if (status !== 'running' || Date.now() > end) {
        assert.match(status, /internal-error|running/);
        if (status === 'internal-error') break;
      }
      assert.ok(Date.now() < end, 'the run state');
    }
  } finally {
    await process.stop();
  }
});

const refusals: [accel: string, cpu: string, text: RegExp][] = [
  ['kvm,device=/nonexistent', 'host', /Could not access KVM kernel module: No such file or directory\n/],
  ['kvm,device=/dev/null', 'host', /kvm version too old\n/],
  ['kvm,kernel-irqchip=split', 'host', /kernel-irqchip=split is not available\n/],
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
