import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';
import { elfImage } from '../support/i386-kernels.js';
import { connectQmp } from '../support/qmp-connection.js';
import { QtestClient } from '../support/qtest-client.js';
import { scratchDir } from '../support/scratch.js';
import { comparable, uartScript } from '../support/uart-scripts.js';

const QEMU = 'qemu-system-x86_64';
const KERNEL = 0x100000;
const TRANSPORT = 0xfeb00000;
const quiet = ['-nodefaults', '-display', 'none'];
// Debian's QEMU has no accelerator qtest; its CPU stands still.
const stopped = ['-accel', 'tcg', '-S'];

const scratch = scratchDir();

/** A program with a test's socket. */
class Driven {
  readonly dir = mkdtempSync(join(scratch, 'run-'));
  readonly client = new QtestClient(join(this.dir, 'qtest'));
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  stderr = '';

  constructor(program: string, args: readonly string[]) {
    const here = (arg: string) => arg.replaceAll('DIR', this.dir);
    const qtest = ['-qtest', `unix:${join(this.dir, 'qtest')}`, '-qtest-log', join(this.dir, 'log')];
    const [command = '', ...first] = program === QEMU ? [QEMU] : [process.execPath, program];
    this.child = spawn(command, [...first, ...qtest, ...quiet, ...args.map(here)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(this.child, 'close');
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  async stop(): Promise<void> {
    await this.client.close();
    this.child.kill('SIGTERM');
    await deadline(`the end of ${this.child.spawnfile} (${this.stderr})`, this.exited, 30_000);
  }
}

const programs: Driven[] = [];
const start = (program: string, args: readonly string[]): Driven => {
  const driven = new Driven(program, args);
  programs.push(driven);
  return driven;
};

/** Our machine, with a kernel of a few bytes that nothing runs. */
function enclave(...args: string[]): Driven {
  const kernel = join(scratch, 'kernel');
  writeFileSync(kernel, elfImage([{ addr: BigInt(KERNEL), bytes: Buffer.from('the kernel') }], BigInt(KERNEL)));
  return start(emulatorPath(), ['-M', 'nitro-enclave', '-accel', 'qtest', '-m', '64M', '-kernel', kernel, ...args]);
}

const test = suite('e2e/qtest');
test.after(() => {
  for (const { child } of programs) child.kill('SIGKILL');
});
const missing = spawnSync(QEMU, ['--version']).status === 0 ? undefined : `${QEMU} is not there`;
function besideQemu(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    if (missing !== undefined) console.log(`SKIP ${missing}`);
    else await body();
  });
}

besideQemu('the protocol is answered in the words of QEMU', async () => {
  const commands = [
    ...['outb 0x21 0x1aa', 'inb 0x21', 'inb 33', 'inb 041', 'inw 0x21', 'inl 0x21', 'outw 0x20 0x550b', 'inb 0x21'],
    ...['foo', '  inb 0x21', 'INB 0x21', 'inb 0x21 junk', 'endianness'],
    ...['memset 0x1000 0x100 0', 'write 0x1000 0x4 0x01020304', 'write 0x1000 4 0x0102', 'read 0x1000 0x10'],
    ...['write 0x1000 0x0 0x', 'write 0x1000 0x4 12', 'write 0x1000 0x4 0xzz', 'read 0x1000 4', 'write 0x1000 3 0x0g1'],
    ...['memset 0x1000 0x10 0x1ab', 'memset 0x1000 0 1', 'b64read 0x1000 0x8', 'b64write 0x1000 0x4 AQIDBA=='],
    ...['b64write 0x1000 4 A', 'read 0x1000 0x10', 'b64read 0x1000 0', 'writeb 0x1000 0x1ff', 'readb 0x1000'],
    ...['writew 0x1000 -2', 'readw 4096', 'writeq 0x1000 0x8877665544332211', 'readl 010000', 'readq 0x1000'],
    ...['readl 0x1001', 'writel 0xfec00000 1', 'readl 0xfec00000', 'readl 0xfec00010', 'readb 0xfec00010'],
    ...['irq_intercept_in ioapic', 'irq_intercept_in ioapic', 'irq_intercept_in /machine/unattached/device[0]'],
    ...['outb 0x21 0xff', 'inb 0x20'],
  ];
  const ours = enclave();
  const theirs = start(QEMU, ['-M', 'microvm,pic=on,pit=on', '-m', '64M', ...stopped]);
  for (const command of commands) assert.is(await ours.client.ask(command), await theirs.client.ask(command), command);
  await ours.stop();
  await theirs.stop();
});

besideQemu('the log of the protocol has the form of QEMU, times apart', async () => {
  const logs: string[] = [];
  for (const driven of [enclave(), start(QEMU, ['-M', 'microvm', ...stopped])]) {
    for (const command of ['inb 0x21', 'foo', 'read 0x0 0x4', 'memset 0 4 7']) await driven.client.ask(command);
    await driven.stop();
    // QEMU tells the end of a connection again when it ends itself.
    const [log = ''] =
      /^.*CLOSED\n/s.exec(readFileSync(driven.file('log'), 'utf8').replaceAll(/\d+\.\d{6}/g, 'T')) ?? [];
    logs.push(log.replace(/(CLOSED\n).*/s, '$1'));
  }
  assert.is(logs[0], logs[1]);
});

besideQemu('the serial port of the whole machine answers random accesses as that of QEMU', async () => {
  const theirs = start(QEMU, ['-M', 'microvm', '-serial', 'null', ...stopped]);
  const ours = enclave('-serial', 'null');
  for (const seed of [3, 14, 159]) {
    // Without FIFOs, as received characters time out in them, and the time of a QEMU that stands still does not pass.
    const script = uartScript(seed, 150).filter(({ port, value }) => port !== 0x3fa || value === undefined);
    const answers = [];
    for (const { client } of [ours, theirs]) {
      const results = [];
      for (const { port, value } of script) {
        if (value === undefined) results.push({ read: await client.value(`inb ${port}`), line: false });
        else {
          assert.is(await client.ask(`outb ${port} ${value}`), 'OK');
          results.push({ line: false });
        }
      }
      answers.push(comparable(results, script));
    }
    for (const [i, answer] of (answers[0] ?? []).entries()) assert.equal(answer, answers[1]?.[i], `seed ${seed}, ${i}`);
  }
  await ours.stop();
  await theirs.stop();
});

besideQemu('virtio transports are probed as those of QEMU', async () => {
  const modern = ['-global', 'virtio-mmio.force-legacy=off'];
  const theirs = start(QEMU, ['-M', 'microvm,acpi=off', '-device', 'virtio-rng-device', ...modern, ...stopped]);
  const ours = enclave('-device', 'virtio-rng-device');
  const find = async ({ client }: Driven): Promise<number> => {
    for (let base = TRANSPORT; base < TRANSPORT + 8 * 512; base += 512) {
      if ((await client.value(`readl ${base + 8}`)) === 4) return base;
    }
    throw new Error('there is no virtio-rng');
  };
  const [there, here] = [await find(theirs), await find(ours)];
  // Not the same: the sizes of queues, which QEMU says are 1024, and the upper features, where it has RING_RESET.
  const steps = [
    ...[0x000, 0x004, 0x008, 0x00c, 0x044, 0x060, 0x070, 0x0fc].map((offset) => [offset] as const),
    ...([[0x014, 0], [0x010]] as const),
    ...([1, 3] as const).flatMap((status) => [[0x070, status], [0x070]] as const),
    ...([[0x024, 1], [0x020, 1], [0x070, 0xb], [0x070], [0x030, 5], [0x034], [0x030, 0]] as const),
    ...([[0x038, 4], [0x080, 0x2000], [0x090, 0x3000], [0x0a0, 0x4000], [0x044, 1], [0x044]] as const),
    ...([[0x070, 0xf], [0x070], [0x064, 3], [0x060], [0x070, 0], [0x070], [0x044]] as const),
  ];
  for (const [offset, value] of steps) {
    const command = (base: number) =>
      value === undefined ? `readl ${base + offset}` : `writel ${base + offset} ${value}`;
    const answer = await ours.client.ask(command(here));
    assert.is(answer, await theirs.client.ask(command(there)), `0x${offset.toString(16)} ${value}`);
  }
  await ours.stop();
  await theirs.stop();
});

test('devices of the enclave machine are driven without a CPU', async () => {
  const { client, stop, file } = bind(enclave('-serial', 'file:DIR/console'));
  assert.is(await client.ask(`read ${KERNEL} 10`), `OK 0x${Buffer.from('the kernel').toString('hex')}`);

  for (const letter of Buffer.from('hello\n')) await client.ask(`outb 0x3f8 ${letter}`);
  await eventually('the console', () => readFileSync(file('console'), 'utf8') === 'hello\n');
  assert.is(await client.ask('irq_intercept_in ioapic'), 'OK');
  await client.ask('outb 0x3f9 2');
  await client.ask('inb 0x3fa');
  assert.equal(client.irqs, ['raise 4', 'lower 4']);

  // PIT: mode 2 every millisecond; virtual time passes only by command.
  for (const [port, value] of [
    [0x43, 0x34],
    [0x40, 0xa9],
    [0x40, 0x04],
  ] as const) {
    await client.ask(`outb ${port} ${value}`);
  }
  client.irqs.length = 0;
  assert.is(await client.value('clock_step 3000000'), 3_000_000);
  assert.equal(client.irqs.filter((line) => line === 'raise 0').length, 3);
  assert.is(await client.value('clock_step'), Math.ceil((4 * 1193 - 1) * (1e9 / 1193182)));

  // The real-time clock goes by the clock of the host.
  await client.ask('outb 0x70 0x32');
  const century = await client.value('inb 0x71');
  assert.is(century, 0x20);

  // Interrupts come to the PIC, and a poll takes them.
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x30],
    [0x21, 4],
    [0x21, 1],
    [0x21, 0xef],
  ] as const) {
    await client.ask(`outb ${port} ${value}`);
  }
  assert.is(await client.ask('set_irq_in ioapic unnamed-gpio-in 4 1'), 'OK');
  await client.ask('outb 0x20 0x0c');
  assert.is(await client.value('inb 0x20'), 0x84);

  // The local APIC's page and the I/O APIC, with the pin as it is.
  assert.is(await client.value('readl 0xfee00030'), 0x50014);
  await client.ask('writel 0xfec00000 0x18');
  await client.ask('writel 0xfec00010 0x8041');
  assert.is(await client.value('readl 0xfee00220'), 2);
  await stop();
});

test('the NSM answers a request that a test puts into its queue', async () => {
  const { client, stop } = bind(enclave());
  const nsm = TRANSPORT + 6 * 512;
  assert.is(await client.value(`readl ${nsm + 8}`), 33);
  await client.ask('irq_intercept_in ioapic');
  const writes = [
    [0x70, 0],
    [0x70, 3],
    [0x24, 1],
    [0x20, 1],
    [0x70, 0xb],
    [0x30, 0],
    [0x38, 2],
  ] as const;
  const queue = [
    [0x80, 0x200000],
    [0x90, 0x201000],
    [0xa0, 0x202000],
    [0x44, 1],
    [0x70, 0xf],
  ] as const;
  for (const [offset, value] of [...writes, ...queue]) await client.ask(`writel ${nsm + offset} ${value}`);

  // The text "GetRandom" in CBOR to the device, and a second chain for the answer.
  const request = Buffer.concat([Buffer.of(0x69), Buffer.from('GetRandom')]);
  await client.ask(`write 0x210000 ${request.length} 0x${request.toString('hex')}`);
  const descriptor = (address: number, length: number, flags: number) => {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32LE(address);
    bytes.writeUInt32LE(length, 8);
    bytes.writeUInt16LE(flags, 12);
    return bytes.toString('hex');
  };
  await client.ask(`write 0x200000 32 0x${descriptor(0x210000, request.length, 0)}${descriptor(0x220000, 0x3000, 2)}`);
  await client.ask('write 0x201000 8 0x0000020000000100');
  await client.ask(`writel ${nsm + 0x50} 0`);
  await eventually('the interrupt of the NSM', () => client.irqs.includes('raise 11'), 20_000);
  // Index 2; the request with 0 bytes written, the answer with some.
  assert.match(await client.ask('read 0x202000 16'), /^OK 0x00000200000000000000000001000000$/);
  const answer = Buffer.from((await client.ask('read 0x220000 19')).slice(5), 'hex');
  assert.equal(answer, Buffer.concat([Buffer.of(0xa1), request, Buffer.of(0xa1, 0x66), Buffer.from('random')]));
  await stop();
});

test('the monitor is there: registers of the first instruction, reset of chips, RAM and devices', async () => {
  const driven = enclave('-serial', 'null', '-smp', '2', '-qmp', 'unix:DIR/qmp,server=on,wait=off');
  const { client } = driven;
  await client.ask('outb 0x21 0x5a');
  await client.ask('outb 0x3ff 0x77');
  await client.ask(`writeb ${KERNEL} 0`);
  const qmp = await connectQmp(driven.file('qmp'), driven.exited);
  assert.match(await qmp.hmp('info registers'), /^RIP=0000000000100000 .* HLT=1$/m);
  assert.match(await qmp.hmp('xp /1bx 0x100000'), /0x00/);
  await qmp.run('system_reset');
  await qmp.event('RESET');
  assert.is(await client.value('inb 0x21'), 0);
  assert.is(await client.value('inb 0x3ff'), 0);
  assert.is(await client.value(`readb ${KERNEL}`), 't'.charCodeAt(0));
  qmp.close();
  await driven.stop();
});

test('a guest that resets ends the program with -no-reboot', async () => {
  const driven = enclave('-no-reboot');
  await driven.client.ask('outb 0x64 0xfe');
  const [status] = await deadline('the end', driven.exited, 30_000);
  assert.is(status, 0, driven.stderr);
  await driven.client.close();
});

test('-qtest wants the accelerator qtest, and a device it can open', async () => {
  for (const [args, sentence] of [
    [['-M', 'none', '-accel', 'tcg'], /accelerator can't be driven by tests\n.*use -accel qtest/],
    [['-M', 'none', '-accel', 'qtest', '-qtest', 'nonsense'], /Failed to initialize device for qtest: "nonsense"/],
  ] as const) {
    const driven = start(emulatorPath(), args);
    const [status] = await deadline('the end', driven.exited, 30_000);
    assert.is(status, 1);
    assert.match(driven.stderr, sentence);
    await driven.client.close();
  }
});

function bind(driven: Driven) {
  return { client: driven.client, stop: () => driven.stop(), file: (name: string) => driven.file(name) };
}

test.run();
