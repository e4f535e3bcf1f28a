import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketPair } from '../../src/host/fd.js';
import type { HostError } from '../../src/host/libc.js';
import { SocketStream } from '../../src/host/socket.js';
import { FdStream } from '../../src/host/stream.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('host/stream');

/** Our stream and, as the other end, Node's own socket. */
function withNodePeer(options = {}): { ours: SocketStream; peer: Socket } {
  const [a, b] = socketPair();
  return { ours: new SocketStream(a, options), peer: new Socket({ fd: b, allowHalfOpen: true }) };
}

/** Everything up to the end. Async iteration would destroy the other direction with it. */
async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test('bytes arrive as they were sent, in both directions at once', async () => {
  const { ours, peer } = withNodePeer({ allowHalfOpen: true });
  const there = randomBytes(3_000_001);
  const back = randomBytes(2_000_003);
  ours.end(there);
  peer.end(back);
  const [received, returned] = await deadline('both directions', Promise.all([readAll(peer), readAll(ours)]), 30_000);
  assert.ok(received.equals(there));
  assert.ok(returned.equals(back));
  assert.is(ours.bytesWritten, there.length);
  assert.is(ours.bytesRead, back.length);
});

test('many small writes keep their order', async () => {
  const { ours, peer } = withNodePeer();
  const expected: string[] = [];
  ours.cork();
  for (let i = 0; i < 5000; i++) {
    const line = `line ${i} ${'x'.repeat(i % 200)}\n`;
    expected.push(line);
    ours.write(line);
    if (i === 2500) ours.uncork();
  }
  ours.end();
  const received = await deadline('the lines', readAll(peer));
  assert.is(received.toString(), expected.join(''));
});

test('a peer that does not read stops the writer, and reading lets it go on', async () => {
  const { ours, peer } = withNodePeer();
  peer.pause();
  const block = randomBytes(64 * 1024);
  let accepted = 0;
  let blocked = 0;
  while (blocked < 3) {
    if (ours.write(block)) blocked = 0;
    else blocked++;
    accepted++;
    await wait(1);
    assert.ok(accepted < 1000, 'the writer was never stopped');
  }
  assert.ok(ours.bytesWritten < accepted * block.length);
  assert.ok(ours.writableLength > 0);
  ours.end();
  const received = await deadline('the rest', readAll(peer));
  assert.is(received.length, accepted * block.length);
});

test('a reader that does not read buffers a bounded amount', async () => {
  const { ours, peer } = withNodePeer({ highWaterMark: 32 * 1024 });
  const total = 8 * 2 ** 20;
  peer.end(Buffer.alloc(total, 7));
  ours.once('readable', () => {});
  await eventually('a full buffer', () => ours.readableLength >= 32 * 1024);
  await wait(50);
  assert.ok(ours.readableLength <= 96 * 1024, `${ours.readableLength} bytes buffered`);
  assert.ok(ours.bytesRead <= 96 * 1024);
  ours.removeAllListeners('readable');
  assert.is((await deadline('the rest', readAll(ours))).length, total);
});

test('a paused reader with a peer that hung up uses no CPU', async () => {
  const { ours, peer } = withNodePeer({ allowHalfOpen: true });
  ours.pause();
  ours.read(0);
  peer.write(Buffer.alloc(200_000));
  await eventually('a full buffer', () => ours.readableLength > 0);
  peer.destroy();
  await wait(50);
  const start = process.cpuUsage();
  await wait(300);
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 100_000, `${user + system} us of CPU in 300 ms`);
  ours.destroy();
});

test('end() leaves the reading side open', async () => {
  const { ours, peer } = withNodePeer({ allowHalfOpen: true });
  ours.end('question');
  const question = await deadline('the question', readAll(peer));
  assert.is(question.toString(), 'question');
  peer.end('answer');
  assert.is((await deadline('the answer', readAll(ours))).toString(), 'answer');
});

test('the end of the peer ends a stream that is not half-open', async () => {
  const { ours, peer } = withNodePeer();
  const closed = once(ours, 'close');
  ours.resume();
  peer.end();
  await deadline('close', closed);
  assert.ok(ours.writableFinished);
  assert.ok(ours.destroyed);
});

test('writing to a peer that is gone is EPIPE, and no signal', async () => {
  const { ours, peer } = withNodePeer();
  peer.destroy();
  await deadline('the peer', once(peer, 'close'));
  const failed = once(ours, 'error');
  ours.write('x');
  const [error] = (await deadline('the error', failed)) as [HostError];
  assert.is(error.code, 'EPIPE');
  assert.is(error.message, 'Broken pipe');
  assert.is(error.syscall, 'write');
});

test('destroy fails the writes that wait and closes the descriptor', async () => {
  const { ours, peer } = withNodePeer();
  const { fd } = ours;
  const inode = readlinkSync(`/proc/self/fd/${fd}`);
  peer.pause();
  const results: (Error | null | undefined)[] = [];
  for (let i = 0; i < 20; i++) ours.write(Buffer.alloc(100_000), (error) => results.push(error));
  await wait(10);
  const before = results.length;
  ours.destroy();
  await deadline('close', once(ours, 'close'));
  assert.is(results.length, 20);
  assert.ok(results.slice(before).every((error) => error instanceof Error));
  let now = '';
  try {
    now = readlinkSync(`/proc/self/fd/${fd}`);
  } catch {}
  assert.is.not(now, inode);
  peer.destroy();
});

test('a stream over a pipe reads to the end', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
  const path = join(directory, 'fifo');
  execFileSync('mkfifo', [path]);
  const reader = new FdStream(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  const writer = openSync(path, constants.O_WRONLY);
  writeSync(writer, 'through');
  closeSync(writer);
  assert.is((await deadline('the end', readAll(reader))).toString(), 'through');
  rmSync(directory, { recursive: true });
});

test('a pipeline of two streams carries everything', async () => {
  const [a, b] = socketPair();
  const [c, d] = socketPair();
  const source = new Socket({ fd: a });
  const sink = new Socket({ fd: d });
  const data = randomBytes(5_000_000);
  const moved = pipeline(new SocketStream(b), new SocketStream(c));
  source.end(data);
  const received = await deadline('the pipeline', readAll(sink), 30_000);
  await deadline(
    'its end',
    moved.catch(() => {}),
  );
  assert.is(sha(received), sha(data));
});

test('300 streams at once carry their own bytes', async () => {
  const pairs = Array.from({ length: 300 }, () => withNodePeer());
  const work = pairs.map(async ({ ours, peer }, i) => {
    const text = `stream ${i} `.repeat(500);
    ours.end(text);
    assert.is((await readAll(peer)).toString(), text);
    peer.destroy();
  });
  await deadline('all streams', Promise.all(work), 30_000);
});

test('an unreferenced stream and a closed one leave no descriptor behind', async () => {
  const before = openDescriptors();
  for (let i = 0; i < 50; i++) {
    const { ours, peer } = withNodePeer();
    ours.unref().ref();
    ours.destroy();
    peer.destroy();
  }
  await eventually('the same number of descriptors', () => openDescriptors() === before);
});

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function sha(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

test('a descriptor that is not open is refused', () => {
  assert.throws(
    () => new FdStream(-1),
    (error: HostError) => error.code === 'EBADF',
  );
});

test.run();
