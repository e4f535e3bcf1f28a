import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GdbStub } from '../../src/gdbstub/stub.js';
import { deadline } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';
import { TOY_BASE, ToyMachine } from '../support/toy-target.js';

const test = suite('e2e/gdbstub');

function serve(machine: ToyMachine, path: string): Server {
  return createServer((socket) => {
    const stub = new GdbStub(machine, machine, (bytes) => void socket.write(bytes));
    machine.onState = (state) => stub.stateChanged(state);
    machine.state = 'paused';
    socket.on('data', (bytes) => stub.receive(bytes)).on('error', () => {});
  }).listen(path);
}

/** Runs commands in a real gdb that is connected to a machine. @returns what it prints, a command each */
async function gdb(machine: ToyMachine, commands: readonly string[]): Promise<string> {
  const path = join(scratchDir(), 'gdb');
  const server = serve(machine, path);
  await once(server, 'listening');
  const script = ['set pagination off', 'set architecture i386:x86-64', `target remote ${path}`, ...commands];
  const child = spawn('gdb', ['-nx', '-batch', ...script.flatMap((command) => ['-ex', command])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let output = '';
  child.stdout.on('data', (bytes) => (output += bytes));
  child.stderr.on('data', (bytes) => (output += bytes));
  await deadline('gdb', once(child, 'close'), 90_000);
  server.close();
  if (process.env.VERBOSE !== undefined) console.log(output);
  return output;
}

const here = (offset: bigint): string => `0x${(TOY_BASE + offset).toString(16)}`;

test('a real gdb reads and sets registers and memory of the description', async () => {
  if (spawnSync('gdb', ['--version']).status !== 0) {
    console.log('SKIP gdb is not installed');
    return;
  }
  const machine = new ToyMachine();
  machine
    .cpu(0)
    .set('rax', 0x1122334455667788n)
    .set('eflags', 0x246n)
    .set('cr3', 0xabc000n)
    .set('st0', 0x3fff8000000000000000n)
    .set('xmm1', 0x3ff0000000000000n);
  machine.memory.set(Buffer.from('console=ttyS0\0'), 64);
  const output = await gdb(machine, [
    'info registers rax eflags cr3',
    'p $st0',
    'p $xmm1.v2_double[0]',
    `x/s ${here(64n)}`,
    'set $rbx = 0xdeadbeef',
    `set {int} ${here(100n)} = 0x01020304`,
    'p/x $rbx',
    `x/wx ${here(100n)}`,
    'info threads',
    'monitor info status',
  ]);
  assert.match(output, /rax +0x1122334455667788/);
  assert.match(output, /eflags +0x246 +\[ (IOPL=0 )?PF ZF IF \]/);
  assert.match(output, /cr3 +0xabc000/);
  assert.match(output, /\$1 = 1\n/);
  assert.match(output, /\$2 = 1\n/);
  assert.match(output, /"console=ttyS0"/);
  assert.match(output, /\$3 = 0xdeadbeef/);
  assert.match(output, /0x01020304/);
  assert.match(output, /Thread 1 .*CPU#0/);
  assert.match(output, /Thread 2 .*CPU#1/);
  assert.match(output, /you said info status/);
  assert.is(machine.cpu(0).get('rbx'), 0xdeadbeefn);
});

test('a real gdb steps, stops at breakpoints and watchpoints, and detaches', async () => {
  if (spawnSync('gdb', ['--version']).status !== 0) {
    console.log('SKIP gdb is not installed');
    return;
  }
  const machine = new ToyMachine();
  const output = await gdb(machine, [
    'stepi',
    'p/x $rip',
    `break *${here(24n)}`,
    'continue',
    'p/x $rip',
    'delete',
    `watch *(unsigned char *) ${here(0n)}`,
    'continue',
    'delete',
    'thread 2',
    'stepi',
    'p/x $rip',
    'detach',
  ]);
  assert.match(output, new RegExp(`\\$1 = ${here(17n)}`));
  assert.match(output, /Breakpoint 1/);
  assert.match(output, new RegExp(`\\$2 = ${here(24n)}`));
  assert.match(output, /Old value = 8 .*New value = 9 /s);
  assert.match(output, new RegExp(`\\$3 = ${here(17n)}`));
  assert.is(machine.state, 'running');
  assert.equal(machine.breakpoints, []);
});

test.run();
