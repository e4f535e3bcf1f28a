import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConnect, UnixBackend } from '../../../../src/hw/virtio/vsock/backend-unix.js';
import { deadline, eventually } from '../../../support/deadline.js';
import { ModelGuest, vsockMachine } from '../../../support/vsock-guest.js';

const test = suite('hw/virtio/vsock/backend-unix');
const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
test.after(() => rmSync(directory, { recursive: true }));
let count = 0;

async function machine() {
  count += 1;
  const path = join(directory, `v${count}.sock`);
  const backend = new UnixBackend(path);
  const parts = vsockMachine(backend);
  await backend.listen(parts.muxer);
  const guest = new ModelGuest(parts);
  const stop = () => {
    guest.stop();
    backend.close();
  };
  return { path, backend, parts, guest, stop };
}

/** All that a socket sends until its end. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (data: Buffer) => chunks.push(data));
  await deadline('end', once(socket, 'end'));
  return Buffer.concat(chunks).toString();
}

test('a client of the host reaches a guest port by CONNECT, and early bytes belong to the stream', async () => {
  const { path, guest, stop } = await machine();
  guest.listen(52, (socket) => {
    socket.onData = (data) => {
      socket.write(data);
      socket.finish();
    };
  });
  for (const command of ['CONNECT 52\nearly', 'connect   52 \nearly']) {
    const client = connect({ path, allowHalfOpen: true });
    client.write(command.slice(0, 5));
    await new Promise((resolve) => setTimeout(resolve, 10));
    client.end(command.slice(5));
    const text = await readAll(client);
    assert.match(text, /^OK 10737418\d\d\nearly$/);
  }
  stop();
});

test('a port without listener and a bad command close the socket without text', async () => {
  const { path, stop } = await machine();
  for (const command of ['CONNECT 53\n', 'HELLO 52\n', 'CONNECT\n', `CONNECT ${'1'.repeat(40)}\n`, 'x'.repeat(100)]) {
    const client = connect(path);
    client.write(command);
    assert.is(await readAll(client), '');
  }
  stop();
});

test('the guest reaches PATH_PORT, half closes and all', async () => {
  const { path, guest, stop } = await machine();
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(`${path}_5000`);
  await once(server, 'listening');
  const socket = guest.connect(5000);
  const data = randomBytes(500_000);
  socket.write(data);
  socket.finish();
  await eventually('echo', () => (socket.peerShut & 2) !== 0 && socket.receivedBytes === data.length, 30_000);
  assert.ok(socket.received.equals(data));
  const refused = guest.connect(5001);
  await eventually('refused', () => refused.state === 'reset');
  server.close();
  stop();
});

test('a directory that is not there is told as such', async () => {
  const path = join(directory, 'absent', 'v.sock');
  const listening = new UnixBackend(path).listen({ dial: () => {} });
  const error = await deadline(
    'the error',
    listening.then(
      () => 'none',
      (failure: Error) => failure.message,
    ),
  );
  assert.is(error, `Failed to bind socket to ${path}: No such file or directory`);
});

test('a file that a gone process left is replaced, a socket in use is not', async () => {
  const first = await machine();
  const second = new UnixBackend(first.path);
  const error = await deadline(
    'error',
    second.listen(first.parts.muxer).then(
      () => 'none',
      (failure: Error) => failure.message,
    ),
  );
  assert.is(error, `Failed to bind socket to ${first.path}: Address already in use`);
  first.stop();
  const path = join(directory, 'left.sock');
  const { spawnSync } = await import('node:child_process');
  const left = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', left]);
  const third = new UnixBackend(path);
  await deadline('listen', third.listen(first.parts.muxer));
  third.close();
});

test('the command is read as Firecracker reads it', () => {
  assert.equal(
    ['CONNECT 1\n', 'connect 4294967294\n', 'CoNnEcT\t7\n', ' CONNECT 7 \r\n'].map(parseConnect),
    [1, 4294967294, 7, 7],
  );
  const wrong = ['CONNECT1\n', 'CONNECT 1', 'CONNECT -1\n', 'CONNECT 1 2\n', 'CONNECT 4294967295\n', 'CONNECT 0x10\n'];
  for (const command of [
    ...wrong,
    `CONNECT ${' '.repeat(30)}1\n`,
    'CONNECT 1\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n',
  ]) {
    assert.is(parseConnect(command), undefined, JSON.stringify(command));
  }
  fc.assert(fc.property(fc.string(), (text) => (parseConnect(`${text}\n`) ?? 0) >= 0));
});

test.run();
