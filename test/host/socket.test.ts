import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketPair } from '../../src/host/fd.js';
import { type HostError, libc } from '../../src/host/libc.js';
import { AF_UNIX, connectSocket, SocketStream, socketName, streamSocket } from '../../src/host/socket.js';
import { connectUnix, listenUnix } from '../../src/host/unix.js';
import { deadline } from '../support/deadline.js';

const test = suite('host/socket');
const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
test.after(() => rmSync(directory, { recursive: true }));

test('a server without a free descriptor says so and serves when there is one', async () => {
  const path = join(directory, 'short');
  const module = new URL('../../src/host/unix.js', import.meta.url).href;
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { listenUnix } from ${JSON.stringify(module)};
    const server = listenUnix({ path: ${JSON.stringify(path)} });
    const fds = [];
    let drops = 0;
    server.on('drop', (error) => {
      if (++drops === 2) { console.log(error.code); closeSync(fds.pop()); }
    });
    server.on('connection', (socket) => { socket.end('served'); server.close(); console.log('served'); });
    for (;;) { try { fds.push(openSync('/dev/null')); } catch { break; } }
    process.stdout.write('ready\\n');`;
  const command = `ulimit -n 64; exec "${process.execPath}" --input-type=module -e "$SCRIPT"`;
  const child = spawn('sh', ['-c', command], { env: { ...process.env, SCRIPT: script } });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await deadline('the server', once(child.stdout, 'data'), 30_000);
  const client = await deadline('connect', connectUnix({ path }));
  const [text] = (await deadline('the answer', once(client, 'data'), 30_000)) as [Buffer];
  assert.is(text.toString(), 'served');
  const [code] = await deadline('the end', once(child, 'exit'), 30_000);
  assert.is(code, 0);
  assert.is(output, 'ready\nEMFILE\nserved\n');
});

test('200 clients at once are all accepted', async () => {
  const path = join(directory, 'many');
  const server = listenUnix({ path, backlog: 256 });
  server.on('connection', (socket) => socket.pipe(socket));
  const echo = async (i: number) => {
    const client = await connectUnix({ path });
    client.end(`client ${i}`);
    const [data] = (await once(client, 'data')) as [Buffer];
    assert.is(data.toString(), `client ${i}`);
  };
  await deadline('every echo', Promise.all(Array.from({ length: 200 }, (_, i) => echo(i))), 30_000);
  server.close();
});

test('an unreferenced server does not keep the process, a closed one is silent', async () => {
  const server = listenUnix({ path: join(directory, 'quiet') })
    .unref()
    .ref();
  const closed = once(server, 'close');
  server.close();
  server.close();
  await deadline('close', closed);
  await deadline(
    'connect',
    connectUnix({ path: join(directory, 'quiet') }).then(
      () => assert.unreachable(),
      (error: HostError) => assert.is(error.code, 'ENOENT'),
    ),
  );
});

test('a failed connect leaves the descriptor to the caller', async () => {
  const fd = streamSocket(AF_UNIX);
  const address = Buffer.from(`\x01\0${join(directory, 'nowhere')}\0`);
  await deadline(
    'connect',
    connectSocket(fd, address).then(
      () => assert.unreachable(),
      (error: HostError) => assert.equal([error.code, error.syscall], ['ENOENT', 'connect']),
    ),
  );
  assert.is(socketName(fd).readUInt16LE(), AF_UNIX);
  assert.is(libc.close(fd), 0);
});

test('a reset by the peer is an error of the reader', async () => {
  const [a, b] = socketPair();
  const stream = new SocketStream(a);
  // Closing a unix socket with unread data resets it.
  libc.write(a, Buffer.from('unread'), 6);
  const failed = once(stream, 'error');
  stream.resume();
  libc.close(b);
  const [error] = (await deadline('the reset', failed)) as [HostError];
  assert.equal([error.code, error.syscall], ['ECONNRESET', 'read']);
});

test.run();
