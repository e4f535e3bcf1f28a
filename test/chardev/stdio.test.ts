import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ioctl } from '../../src/host/fd.js';
import { openPty, PtyStream } from '../../src/host/pty.js';
import { pattern } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/stdio');
const dir = scratchDir();
const MB = 1024 * 1024;
const program = new URL('../support/stdio-child.js', import.meta.url).pathname;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** ISIG, ICANON and ECHO of c_lflag; ICRNL of c_iflag. */
const [ISIG, ICANON, ECHO, ICRNL] = [0o1, 0o2, 0o10, 0o400];

type Stdio = 'pipe' | number;

function start(stdio: [Stdio, Stdio], options: object = {}, count = 0): { child: ChildProcess; log: () => string } {
  const child = spawn(process.execPath, ['--enable-source-maps', program, JSON.stringify(options), String(count)], {
    stdio: [...stdio, 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (text) => {
    log += text;
  });
  return { child, log: () => log };
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = (await deadline('the end of the program', once(child, 'exit'), 60_000)) as [number | null];
  return code;
}

/** A terminal as a shell leaves it, and a program on it. */
async function onTerminal(options: object) {
  const pty = openPty();
  const slave = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
  const found = Buffer.alloc(36);
  ioctl(slave, TCGETS, found);
  found.writeUInt32LE(found.readUInt32LE(0) | ICRNL, 0);
  found.writeUInt32LE(found.readUInt32LE(12) | ISIG | ICANON | ECHO, 12);
  ioctl(slave, TCSETS, found);
  const user = new PtyStream(pty);
  let seen = '';
  user.on('data', (data: Buffer) => {
    seen += data.toString('latin1');
  });
  // setsid -c makes it the controlling terminal, to which Ctrl-C belongs.
  const child = spawn('setsid', ['-c', process.execPath, '--enable-source-maps', program, JSON.stringify(options)], {
    stdio: [slave, slave, 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (text) => {
    log += text;
  });
  await eventually('the program', () => log.includes('ready'), 30_000);
  const flags = (): { input: number; local: number } => {
    const now = Buffer.alloc(36);
    ioctl(slave, TCGETS, now);
    return { input: now.readUInt32LE(0), local: now.readUInt32LE(12) };
  };
  const nonBlocking = (): boolean => {
    const text = readFileSync(`/proc/self/fdinfo/${slave}`, 'latin1');
    return (Number.parseInt(/flags:\s*(\d+)/.exec(text)?.[1] ?? '', 8) & 0o4000) !== 0;
  };
  const done = (): void => {
    closeSync(slave);
    user.destroy();
  };
  return { child, user, flags, nonBlocking, done, seen: () => seen, log: () => log };
}

test('pipes: 10 MB to a slow reader, whole and in bounded memory', async () => {
  const { child, log } = start(['pipe', 'pipe'], {}, 10 * MB);
  const hash = createHash('sha256');
  let length = 0;
  child.stdout?.on('data', (data: Buffer) => {
    hash.update(data);
    length += data.length;
    child.stdout?.pause();
    setTimeout(() => child.stdout?.resume(), 1);
  });
  await eventually('10 MB', () => length >= 10 * MB, 60_000);
  child.stdin?.end();
  assert.is(await ended(child), 0);
  assert.is(
    hash.digest('hex'),
    createHash('sha256')
      .update(pattern(10 * MB))
      .digest('hex'),
  );
  assert.ok(Number(/most (\d+)/.exec(log())?.[1]) < MB, log());
});

test('files: input until its end, output in order', async () => {
  writeFileSync(join(dir, 'in'), 'words in a file');
  const input = openSync(join(dir, 'in'), 'r');
  const output = openSync(join(dir, 'out'), 'w');
  const { child } = start([input, output]);
  assert.is(await ended(child), 0);
  assert.is(readFileSync(join(dir, 'out'), 'latin1'), 'WORDS IN A FILE');
});

test('a terminal is raw while the program runs and as before when it has ended in order', async () => {
  const terminal = await onTerminal({ signal: false });
  assert.is(terminal.flags().local & (ISIG | ICANON | ECHO), 0);
  assert.is(terminal.flags().input & ICRNL, 0);
  terminal.user.write('a\r\x03');
  await eventually('the answer', () => terminal.seen() === 'A\r\x03');
  terminal.user.write('q');
  assert.is(await ended(terminal.child), 0);
  assert.is(terminal.flags().local & (ISIG | ICANON | ECHO), ISIG | ICANON | ECHO);
  assert.is(terminal.flags().input & ICRNL, ICRNL);
  assert.is(terminal.nonBlocking(), false);
  terminal.done();
});

test('a terminal is as before when the program has crashed', async () => {
  const terminal = await onTerminal({});
  terminal.user.write('!');
  assert.is.not(await ended(terminal.child), 0);
  assert.match(terminal.log(), 'on purpose');
  assert.is(terminal.flags().local & (ISIG | ICANON | ECHO), ISIG | ICANON | ECHO);
  assert.is(terminal.nonBlocking(), false);
  terminal.done();
});

test('Ctrl-C is a signal, unless signal=off', async () => {
  const terminal = await onTerminal({ signal: true });
  assert.is(terminal.flags().local & (ISIG | ICANON | ECHO), ISIG);
  terminal.user.write('\x03');
  await eventually('the signal', () => terminal.seen().includes('<SIGINT>'));
  assert.is(await ended(terminal.child), 0);
  terminal.done();
});

test.run();
