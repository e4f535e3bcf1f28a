import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { libc } from '../../src/host/libc.js';
import { openPty, PtyStream } from '../../src/host/pty.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('host/pty');
const CLIENT_FLAGS = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;

/** Opens the slave as a terminal program would, and waits until the stream has seen it. */
async function client(stream: PtyStream): Promise<number> {
  const connected = once(stream, 'connect');
  const fd = openSync(stream.path, CLIENT_FLAGS);
  await deadline('connect', connected);
  return fd;
}

function readFrom(fd: number): string {
  const buffer = Buffer.alloc(64 * 1024);
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer));
  } catch {
    return '';
  }
}

test('the slave is a terminal in raw mode, as stty sees it', () => {
  const pty = openPty();
  assert.match(pty.path, /^\/dev\/pts\/\d+$/);
  assert.ok(statSync(pty.path).isCharacterDevice());
  const ours = execFileSync('stty', ['-a', '-F', pty.path], { encoding: 'utf8' });
  execFileSync('stty', ['sane', '-F', pty.path]);
  assert.is.not(execFileSync('stty', ['-a', '-F', pty.path], { encoding: 'utf8' }), ours);
  execFileSync('stty', ['raw', '-echo', '-echonl', '-iexten', '-F', pty.path]);
  const theirs = execFileSync('stty', ['-a', '-F', pty.path], { encoding: 'utf8' });
  // GNU stty's raw goes further than cfmakeraw in input flags that have no effect once these are off.
  const flags = (text: string) =>
    /cs8|[-]?(icanon|isig|iexten|echo|echonl|opost|icrnl|inlcr|igncr|ixon|istrip|parmrk)\b/g[Symbol.match](text);
  assert.equal(flags(ours), flags(theirs));
  assert.match(readFileSync(`/proc/self/fdinfo/${pty.master}`, 'utf8'), /^flags:\s+02104002$/m);
  libc.close(pty.master);
});

test('bytes pass unchanged in both directions', async () => {
  const stream = new PtyStream(openPty());
  const received: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => received.push(chunk));
  const fd = await client(stream);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  writeSync(fd, bytes);
  await eventually('the bytes', () => Buffer.concat(received).length === 256);
  assert.ok(Buffer.concat(received).equals(bytes));
  stream.write(bytes);
  const back = Buffer.alloc(300);
  assert.is(readSync(fd, back), 256);
  assert.ok(back.subarray(0, 256).equals(bytes));
  closeSync(fd);
  stream.destroy();
});

test('a client that leaves is no end, and what it sent last is read', async () => {
  const stream = new PtyStream(openPty());
  const received: string[] = [];
  stream.on('data', (chunk: Buffer) => received.push(chunk.toString()));
  stream.on('end', () => assert.unreachable());
  for (const text of ['first client', 'second client']) {
    const fd = await client(stream);
    assert.ok(stream.connected);
    const left = once(stream, 'disconnect');
    writeSync(fd, text);
    closeSync(fd);
    await deadline('disconnect', left);
    assert.not(stream.connected);
  }
  assert.equal(received, ['first client', 'second client']);
  stream.destroy();
});

test('what is written without a client is dropped, and nothing waits', async () => {
  const stream = new PtyStream(openPty());
  const written = new Promise((resolve) => stream.write(Buffer.alloc(1_000_000, 'x'), resolve));
  await deadline('the write', written);
  const fd = await client(stream);
  assert.is(readFrom(fd), '');
  stream.write('for you');
  assert.is(readFrom(fd), 'for you');
  closeSync(fd);
  stream.destroy();
});

test('a write notices a new client at once', () => {
  const stream = new PtyStream(openPty());
  const fd = openSync(stream.path, CLIENT_FLAGS);
  stream.write('hello');
  assert.ok(stream.connected);
  assert.is(readFrom(fd), 'hello');
  closeSync(fd);
  stream.destroy();
});

test('a client that does not read holds the writer back until it leaves', async () => {
  const stream = new PtyStream(openPty());
  const fd = await client(stream);
  let done = false;
  stream.write(Buffer.alloc(1_000_000, 'y'), () => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.not(done);
  assert.ok(readFrom(fd).startsWith('yyyy'));
  closeSync(fd);
  await eventually('the end of the write', () => done);
  stream.destroy();
});

test('a pty without a client uses no CPU', async () => {
  const streams = Array.from({ length: 10 }, () => new PtyStream(openPty()).resume());
  await new Promise((resolve) => setTimeout(resolve, 50));
  const start = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 100_000, `${user + system} us of CPU in 1.5 s`);
  for (const stream of streams) stream.destroy();
});

test.run();
