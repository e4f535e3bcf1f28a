import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { connect, type Endpoint, QmpConnectionError, QmpTimeoutError } from '../../../qmp/client/index.js';
import { listenUnix, type UnixSocket } from '../../../src/host/unix.js';
import { deadline } from '../../support/deadline.js';
import { FakeDispatcher } from '../../support/qmp-peer.js';
import { rejection, serve } from '../../support/qmp-wire.js';

const connecting = suite('connect');
const folder = mkdtempSync(join(tmpdir(), 'qmp-client-'));
connecting.after(() => rmSync(folder, { recursive: true }));

async function listening(server: Server, where: string | undefined): Promise<Server> {
  server.on('connection', (socket: Socket) => serve(socket));
  await new Promise<void>((resolve) => {
    if (where === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(where, resolve);
  });
  return server;
}

async function works(endpoint: string | Endpoint): Promise<void> {
  await using client = await deadline('the connection', connect(endpoint));
  assert.equal(await deadline('the reply', client.execute('query-status')), { status: 'running', running: true });
}

connecting('by a path, as text and as object', async () => {
  const path = join(folder, 'unix');
  const server = await listening(createServer(), path);
  await works(path);
  await works(`unix:${path}`);
  await works({ path });
  server.close();
});

connecting('over TCP', async () => {
  const server = await listening(createServer(), undefined);
  const { port } = server.address() as AddressInfo;
  await works(`127.0.0.1:${port}`);
  await works({ host: '127.0.0.1', port });
  server.close();
});

connecting('over WebSocket, with a bearer token, the project’s subprotocol first', async () => {
  const http = createHttpServer();
  const sockets = new WebSocketServer({
    server: http,
    verifyClient: ({ req }: { req: IncomingMessage }) => {
      return req.headers.authorization === 'Bearer letmein';
    },
  });
  sockets.on('connection', (socket) => {
    assert.is(socket.protocol, 'qmp');
    serve(createWebSocketStream(socket));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  await works({ url, token: 'letmein' });
  const refused = await deadline('the refusal', rejection(connect(url)));
  assert.instance(refused, QmpConnectionError);
  assert.is(refused.message, `${url}: Unexpected server response: 401`);
  http.close();
});

for (const [name, endpoint] of Object.entries({
  'a path': { path: join(folder, 'descriptors'), descriptors: true },
  'an abstract name': { abstract: `qmp-client-${process.pid}` },
  'a padded abstract name': { abstract: `qmp-client-padded-${process.pid}`, tight: false },
})) {
  connecting(`passes descriptors by ${name}`, async () => {
    const received: string[] = [];
    const server = listenUnix(endpoint);
    server.on('connection', (socket: UnixSocket) => {
      const getfd = () => {
        const fd = socket.takeFd();
        if (fd === undefined) throw new Error('no descriptor');
        const text = Buffer.alloc(100);
        received.push(text.toString('utf8', 0, readSync(fd, text, 0, 100, 0)));
        closeSync(fd);
        return {};
      };
      serve(socket, new FakeDispatcher({ getfd: { run: getfd } }));
    });
    await using client = await deadline('the connection', connect(endpoint));
    const fd = openSync('package.json', 'r');
    const before = client.execute('query-status');
    await deadline('getfd', client.execute<string>('getfd', {}, { fds: [fd] }));
    closeSync(fd);
    await before;
    assert.is(received.length, 1);
    assert.match(received[0] ?? '', '"name": "nitro-emu"');
    server.close();
  });
}

connecting('descriptors need a connection that passes them', async () => {
  const path = join(folder, 'plain');
  const server = await listening(createServer(), path);
  await using client = await connect(path);
  const error = await rejection(client.execute('getfd', { fdname: 'x' }, { fds: [0] }));
  assert.instance(error, TypeError);
  assert.match(error.message, 'descriptors: true');
  assert.equal(await client.execute('query-status'), { status: 'running', running: true });
  server.close();
});

connecting('what cannot be connected to is a QmpConnectionError with the system’s error', async () => {
  for (const endpoint of [{ path: join(folder, 'absent') }, { path: join(folder, 'absent'), descriptors: true }]) {
    const error = await deadline('the error', rejection(connect(endpoint)));
    assert.instance(error, QmpConnectionError);
    assert.is((error.cause as NodeJS.ErrnoException).code, 'ENOENT');
  }
  const server = await listening(createServer(), undefined);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  for (const endpoint of [`127.0.0.1:${port}`, `localhost:${port}`, `ws://127.0.0.1:${port}/`]) {
    const error = await deadline('the error', rejection(connect(endpoint)));
    assert.instance(error, QmpConnectionError);
    assert.match(error.message, 'ECONNREFUSED');
    assert.is((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  }
  assert.instance(await rejection(connect('tcp:nowhere')), TypeError);
});

connecting('a server that accepts and says nothing ends in a time-out, and abort ends the wait sooner', async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (const endpoint of [`127.0.0.1:${port}`, `ws://127.0.0.1:${port}/`]) {
    const late = await deadline('the limit', rejection(connect(endpoint, { timeoutMs: 20 })));
    assert.instance(late, QmpTimeoutError);
    const abort = new AbortController();
    const attempt = rejection(connect(endpoint, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 20);
    assert.is((await deadline('the abort', attempt)).name, 'AbortError');
  }
  server.close();
});

connecting.run();
