import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import { KvmGuest, kvmMissing, PORT } from '../support/kvm-guest.js';

const test = suite('bench/kvm');
const missing = kvmMissing() ?? (existsSync('/usr/bin/gcc') ? undefined : 'no gcc');
const dir = mkdtempSync(join(tmpdir(), 'kvm-exits-'));
test.after(() => rmSync(dir, { recursive: true }));

const ROUNDS = 3;
const SECONDS = 1;

/** Every vCPU writes to a port and does nothing else; the first starts the second, where there is one. */
const source = (cpus: number) => `
  mov $${PORT}, %edx
  .if ${cpus} > 1
    lea ap(%rip), %rsi
    mov $0x4000, %edi
    mov $(end - ap), %ecx
    rep movsb
    mov $0xfee00000, %ebx
    movl $(1 << 24), 0x310(%rbx)
    movl $0x4500, 0x300(%rbx)
    movl $0x4604, 0x300(%rbx)
  .endif
  1: out %al, (%dx)
  jmp 1b
  .code16
  ap: mov $${PORT}, %dx
  2: out %al, (%dx)
  jmp 2b
  end:`;

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Exits a second of a machine that runs. */
async function rate(guest: KvmGuest): Promise<number> {
  const [start, from] = [performance.now(), guest.ports.writes];
  await sleep(SECONDS * 1000);
  return (guest.ports.writes - from) / ((performance.now() - start) / 1000);
}

async function compare(cpus: number): Promise<{ ours: number; c: number }> {
  const program = join(dir, 'kvm-exits');
  execFileSync('gcc', [
    '-O2',
    '-pthread',
    '-o',
    program,
    fileURLToPath(new URL('../../../test/bench/kvm-exits.c', import.meta.url)),
  ]);
  const guest = new KvmGuest(source(cpus), { cpus });
  const [ours, c]: [number[], number[]] = [[], []];
  try {
    await deadline('the machine', guest.open());
    for (let round = 0; round < ROUNDS; round++) {
      await guest.vm.resume();
      await eventually('exits', () => guest.ports.writes > 1000);
      ours.push(await rate(guest));
      await deadline('pause', guest.vm.pause());
      const { stdout } = await deadline('C', promisify(execFile)(program, [`${cpus}`, `${SECONDS}`]), 60_000);
      c.push(Number(stdout));
    }
  } finally {
    await deadline('the close', guest.close());
  }
  return { ours: median(ours), c: median(c) };
}

for (const cpus of [1, 2]) {
  test(`port exits with ${cpus} vCPU${cpus > 1 ? 's: reported' : ': at least half as many as in C'}`, async () => {
    if (missing !== undefined) {
      console.log(`SKIP ${missing}`);
      return;
    }
    const { ours, c } = await compare(cpus);
    console.log(`${cpus} vCPU: ${ours.toFixed(0)} exits/s, C ${c.toFixed(0)}, ratio ${(ours / c).toFixed(2)}`);
    if (cpus === 1) assert.ok(ours / c >= 0.5);
  });
}

/** Memory of a process that prints a line when it is ready, without what it shares: guest RAM, in KiB. */
async function residentKib(program: string): Promise<number> {
  const child = spawn(process.execPath, ['--expose-gc', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [text] = (await deadline('the report', once(child.stdout.setEncoding('utf8'), 'data'), 60_000)) as [string];
    return Number(text);
  } finally {
    child.kill('SIGKILL');
  }
}

const report = `() => {
  const status = require('node:fs').readFileSync('/proc/self/status', 'utf8');
  const kib = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(status)[1]);
  console.log(kib('VmRSS') - kib('RssShmem'));
}`;
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

test('a machine with two running vCPUs takes at most 1.5 times the memory of as many workers with koffi', async () => {
  if (missing !== undefined) {
    console.log(`SKIP ${missing}`);
    return;
  }
  const bare = `
    const { Worker } = require('node:worker_threads');
    const load = "import(" + ${JSON.stringify(module('../../src/host/libc.js'))} + ").then(({ libc }) => libc.gettid())";
    eval(load);
    for (let i = 0; i < 2; i++) new Worker(load + ".then(() => setInterval(() => {}, 1000))", { eval: true });
    setTimeout(${report}, 3000);`;
  const machine = `import(${module('../support/kvm-guest.js')}).then(async ({ KvmGuest }) => {
    const guest = await new KvmGuest(${JSON.stringify(source(2))}, { cpus: 2 }).open();
    await guest.vm.resume();
    setTimeout(${report}, 3000);
  })`;
  const [floors, ours]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await residentKib(bare));
    ours.push(await residentKib(machine));
  }
  const [floor, mine] = [median(floors) / 1024, median(ours) / 1024];
  console.log(
    `RSS without guest RAM: ${mine.toFixed(1)} MiB, bare ${floor.toFixed(1)} MiB, ratio ${(mine / floor).toFixed(2)}`,
  );
  assert.ok(mine / floor <= 1.5);
});

test.run();
