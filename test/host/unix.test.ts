import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { duplicate, socketPair } from '../../src/host/fd.js';
import type { HostError } from '../../src/host/libc.js';
import { connectUnix, listenUnix, UnixSocket } from '../../src/host/unix.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('host/unix');
const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
test.after(() => rmSync(directory, { recursive: true }));

let files = 0;
/** A descriptor of a new file with this text. */
function file(text: string): number {
  const path = join(directory, `file${++files}`);
  writeFileSync(path, text);
  return openSync(path, 'r');
}

function textOf(fd: number): string {
  const buffer = Buffer.alloc(100);
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, 100, 0));
}

function pair(options = {}): [UnixSocket, UnixSocket] {
  const [a, b] = socketPair();
  return [new UnixSocket(a, options), new UnixSocket(b, options)];
}

async function collect(stream: UnixSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

function destroy(...sockets: { destroy(): void }[]): void {
  for (const socket of sockets) socket.destroy();
}

test('a server on a path serves our client and the one of node', async () => {
  const path = join(directory, 'both');
  const server = listenUnix({ path });
  server.on('connection', (socket) => socket.pipe(socket));
  const ours = await deadline('connect', connectUnix({ path }));
  ours.end('ours');
  assert.is((await deadline('echo', collect(ours))).toString(), 'ours');
  const theirs = net.connect(path);
  theirs.end('theirs');
  const [echo] = (await deadline('echo', once(theirs, 'data'))) as [Buffer];
  assert.is(echo.toString(), 'theirs');
  server.close();
  await deadline('close', once(server, 'close'));
  assert.not(existsSync(path));
});

test('a left-over socket file is replaced, any other file is not', async () => {
  const path = join(directory, 'stale');
  const first = listenUnix({ path });
  const second = listenUnix({ path });
  const accepted = once(second, 'connection');
  const client = await deadline('connect', connectUnix({ path }));
  const [socket] = (await deadline('the second server', accepted)) as [UnixSocket];
  destroy(client, socket);
  second.close();
  first.close();
  const plain = join(directory, 'plain');
  writeFileSync(plain, 'keep');
  assert.throws(
    () => listenUnix({ path: plain }),
    (error: HostError) => error.code === 'EADDRINUSE',
  );
  assert.is(readFileSync(plain, 'utf8'), 'keep');
});

test('abstract names work, exact and padded', async () => {
  for (const tight of [true, false]) {
    const address = { abstract: `nitro-emu-${process.pid}-${tight}`, tight };
    const server = listenUnix(address);
    const accepted = once(server, 'connection');
    const client = await deadline('connect', connectUnix(address));
    const [socket] = (await deadline('the server', accepted)) as [UnixSocket];
    await deadline(
      'the other form of the name',
      connectUnix({ ...address, tight: !tight }).then(
        () => assert.unreachable(),
        (error: HostError) => assert.is(error.code, 'ECONNREFUSED'),
      ),
    );
    destroy(client, socket);
    server.close();
  }
});

test('an inherited listening socket is served', async () => {
  const path = join(directory, 'inherited');
  const server = net.createServer();
  await deadline('listen', once(server.listen(path), 'listening'));
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const ours = listenUnix({ fd: duplicate(fd) });
  // Node's close() removes the path that it knows.
  renameSync(path, `${path}.kept`);
  server.close();
  const accepted = once(ours, 'connection');
  const client = await deadline('connect', connectUnix({ path: `${path}.kept` }));
  const [socket] = (await deadline('the connection', accepted)) as [UnixSocket];
  socket.end('served');
  assert.is((await deadline('the text', collect(client))).toString(), 'served');
  ours.close();
});

test('a path that is too long or absent has its errno', async () => {
  assert.throws(
    () => listenUnix({ path: join(directory, 'x'.repeat(108)) }),
    (error: HostError) => error.code === 'ENAMETOOLONG',
  );
  for (const [path, code] of [
    [join(directory, 'absent'), 'ENOENT'],
    [join(directory, 'plain'), 'ECONNREFUSED'],
  ] as const) {
    await deadline(
      'connect',
      connectUnix({ path }).then(
        () => assert.unreachable(),
        (error: HostError) => assert.is(error.code, code),
      ),
    );
  }
});

test('descriptors arrive in order, with their bytes, close-on-exec', async () => {
  const [sender, receiver] = pair();
  const fds = ['one', 'two', 'three'].map(file);
  const taken: number[] = [];
  receiver.on('data', () => {
    for (let fd = receiver.takeFd(); fd !== undefined; fd = receiver.takeFd()) taken.push(fd);
  });
  const received = collect(receiver);
  sender.write('before ');
  sender.writeWithFds(Buffer.from('first '), fds.slice(0, 1));
  sender.write('between ');
  sender.writeWithFds(Buffer.from('second '), fds.slice(1));
  sender.end('after');
  assert.is((await deadline('the bytes', received)).toString(), 'before first between second after');
  assert.equal(taken.map(textOf), ['one', 'two', 'three']);
  for (const [i, fd] of taken.entries()) {
    assert.is(fstatSync(fd).ino, fstatSync(fds[i] ?? 0).ino);
    assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /^flags:\s+02\d{6}$/m);
    closeSync(fd);
  }
  for (const fd of fds) closeSync(fd);
});

test('descriptors keep their place behind a blocked writer', async () => {
  const [sender, receiver] = pair();
  const fd = file('late');
  const before = randomBytes(1_000_000);
  sender.write(before);
  sender.writeWithFds(Buffer.from('!'), [fd]);
  const after = randomBytes(1_000_000);
  sender.end(after);
  let seen = 0;
  let arrivedAt = -1;
  let got = 0;
  receiver.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    const taken = receiver.takeFd();
    if (taken === undefined) return;
    arrivedAt = seen;
    got = taken;
  });
  await deadline('the end', once(receiver, 'end'), 30_000);
  assert.is(seen, 2_000_001);
  assert.ok(arrivedAt > 1_000_000 && arrivedAt <= 1_000_001 + 64 * 1024, `arrived at ${arrivedAt}`);
  assert.is(textOf(got), 'late');
  closeSync(got);
  closeSync(fd);
});

test('descriptors beyond the bound and those never taken are closed', async () => {
  const [sender, receiver] = pair({ maxReceivedFds: 4 });
  const fd = file('bounded');
  const inode = fstatSync(fd).ino;
  const holders = () => {
    let count = 0;
    for (let other = 0; other < 256; other++) {
      try {
        if (fstatSync(other).ino === inode) count++;
      } catch {}
    }
    return count;
  };
  receiver.resume();
  sender.writeWithFds(Buffer.from('a'), Array(3).fill(fd));
  sender.writeWithFds(Buffer.from('b'), Array(3).fill(fd));
  await eventually('four descriptors', () => receiver.receivedFds === 4);
  assert.is(holders(), 5);
  destroy(sender, receiver);
  await eventually('only the first one', () => holders() === 1);
  closeSync(fd);
});

test('the most that one message can carry arrives', async () => {
  const [sender, receiver] = pair({ maxReceivedFds: 300 });
  const fd = file('many');
  receiver.resume();
  sender.writeWithFds(Buffer.from('x'), Array(253).fill(fd));
  await eventually('all of them', () => receiver.receivedFds === 253);
  destroy(sender, receiver);
  assert.throws(() => sender.writeWithFds(Buffer.from('x'), Array(254).fill(fd)), RangeError);
  assert.throws(() => sender.writeWithFds(Buffer.alloc(0), [fd]), RangeError);
  assert.throws(() => sender.writeWithFds(Buffer.from('x'), []), RangeError);
  closeSync(fd);
});

test('a descriptor that is not open fails the write', async () => {
  const [sender, receiver] = pair();
  const failed = once(sender, 'error');
  sender.writeWithFds(Buffer.from('x'), [-1]);
  const [error] = (await deadline('the error', failed)) as [HostError];
  assert.is(error.code, 'EBADF');
  destroy(receiver);
});

test.run();
