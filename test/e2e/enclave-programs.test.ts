import { createConnection } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import { type EnclaveOptions, EnclaveProcess } from '../support/enclave-process.js';

/** The guest programs under the software CPU; enclave-machine.test.ts has them under KVM, with all that the machine does. */
const test = suite('nitro-enclave: guest programs on the software CPU');
const WAIT_MS = 60_000;

function onTcg(name: string, options: EnclaveOptions, body: (machine: EnclaveProcess) => Promise<void>) {
  test(name, async () => {
    const machine = new EnclaveProcess({ accel: 'tcg', ...options });
    try {
      await body(machine);
    } finally {
      await machine.stop();
    }
  });
}

const programs: [program: 'hello' | 'memory' | 'smp', cmdline: string, args: string[], says: string][] = [
  ['hello', 'say=word', [], 'hello from the enclave\nword\n'],
  ['memory', '', [], 'range 0 9fc00 type 1\nrange 9fc00 60400 type 2\nrange 100000 3f00000 type 1\nbad 0\n'],
  ['smp', 'cpus=3', ['-smp', '3'], 'cpus 3 sum of ids 3\n'],
];
for (const [program, cmdline, args, says] of programs) {
  onTcg(`${program} runs to its reset`, { program, cmdline, args: ['-no-reboot', ...args] }, async (machine) => {
    assert.is(await machine.status(), 0);
    assert.is(machine.console, says);
    assert.is(machine.stderr, '');
  });
}

onTcg(
  'the serial port interrupts for output and input, and an NMI comes from the monitor',
  { program: 'interrupts', cmdline: 'nmi=1', args: ['-no-reboot'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('interrupts came\n', WAIT_MS);
    machine.type('typed at the console\n');
    await machine.says('line: typed at the console\nwaiting for an NMI\n', WAIT_MS);
    await qmp.run('inject-nmi');
    assert.is(await machine.status(), 0);
    assert.match(machine.console, /NMI\n$/);
  },
);

onTcg(
  'the NSM and entropy starvation: GetRandom is answered with InternalError as often as asked for',
  // {"GetRandom"} as CBOR text; the program shows the answer.
  { program: 'nsm', cmdline: 'request=6947657452616e646f6d', args: ['-no-reboot', '-S'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await qmp.run('x-nitro-inject', { fault: 'entropy-starvation' });
    await qmp.run('cont');
    assert.is(await machine.status(), 0);
    const error = `a1${'65'}${Buffer.from('Error').toString('hex')}6d${Buffer.from('InternalError').toString('hex')}`;
    assert.is(machine.console.trim(), error);
  },
);

onTcg(
  'vsock carries the heartbeat and a connection of a unix socket, over a pause of the machine',
  { program: 'vsock', cmdline: 'connections=1', machine: 'vsock-uds=DIR/vsock', args: ['-no-reboot'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('heartbeat\nready\n', WAIT_MS);
    const socket = createConnection(join(machine.dir, 'vsock'));
    let received = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      received += piece;
    });
    socket.write('CONNECT 5000\n');
    await eventually('OK', () => /^OK \d+\n$/.test(received), WAIT_MS);
    await qmp.run('stop');
    received = '';
    socket.write('while it stands still');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.is(received, '');
    await qmp.run('cont');
    await eventually('the echo', () => received === 'while it stands still', WAIT_MS);
    socket.end();
    await deadline('the end', new Promise((resolve) => socket.once('close', resolve)), WAIT_MS);
    assert.is(await machine.status(), 0);
  },
);

for (const [how, cmdline, machine] of [
  ['a triple fault', 'end=triple', ''],
  ["ACPI's reset register", 'end=acpi', 'acpi=on'],
] as const) {
  onTcg(`${how} resets the machine, which starts anew`, { program: 'hello', cmdline, machine }, async (process) => {
    const qmp = await process.qmp();
    await process.says('hello from the enclave\nhello from the enclave\n', WAIT_MS);
    assert.equal(await qmp.event('RESET'), { guest: true, reason: 'guest-reset' });
    await qmp.run('quit');
    assert.is(await process.status(), 0);
  });
}

onTcg(
  'a guest that powers off ends the process; with -no-shutdown it can be reset',
  { program: 'hello', cmdline: 'end=off', machine: 'acpi=on', args: ['-no-shutdown'] },
  async (machine) => {
    const qmp = await machine.qmp();
    assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
    await qmp.event('STOP');
    assert.is(((await qmp.run('query-status')) as { status: string }).status, 'shutdown');
    await qmp.run('set-action', { shutdown: 'poweroff' });
    await qmp.run('system_reset');
    await qmp.run('cont');
    assert.is(await machine.status(), 0);
    assert.is(machine.console, 'hello from the enclave\nhello from the enclave\n');
  },
);

test.run();
