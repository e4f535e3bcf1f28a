import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev, removeChardev } from '../../src/chardev/create.js';
import { duplicate } from '../../src/host/fd.js';
import { connectUnix, listenUnix } from '../../src/host/unix.js';
import type { JsonObject } from '../../src/system/json.js';
import { createChardevSystem, hasPython, Pump, pattern, python, Recorder, receivedBytes } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/socket');
const dir = scratchDir();
const MB = 1024 * 1024;
let serial = 0;

const unixAddr = (path: string): JsonObject => ({ type: 'unix', data: { path } });
const tcpAddr = (port: number, host = '127.0.0.1'): JsonObject => ({
  type: 'inet',
  data: { host, port: String(port) },
});

function socketBackend(addr: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: 'socket', data: { addr, server: true, wait: false, ...more } };
}

async function connected(where: string | number): Promise<Socket> {
  const client = typeof where === 'string' ? connect(where) : connect(where, '127.0.0.1');
  await deadline('a connection', once(client, 'connect'));
  return client;
}

/** @param sentence the whole message of the error that `work` fails with */
async function refused(sentence: string, work: () => Promise<unknown>): Promise<void> {
  let message = 'no error';
  await deadline(
    'a refusal',
    work().catch((error: Error) => {
      message = error.message;
    }),
  );
  assert.is(message, sentence);
}

/** What a node:net peer receives from now on. */
function collect(client: Socket): { bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.on('error', () => {});
  return { bytes: () => Buffer.concat(chunks) };
}

interface Made {
  system: ReturnType<typeof createChardevSystem>['system'];
  path: string;
  close: () => Promise<void>;
}

async function unixServer(more: JsonObject = {}) {
  const { system, messages } = createChardevSystem();
  const path = join(dir, `s${serial++}`);
  const chardev = await addChardev(system, 'c', socketBackend(unixAddr(path), more));
  const made: Made = { system, path, close: () => system.dispose() };
  return { ...made, chardev, messages };
}

test('a unix server is a file while it lives, and query-chardev names tell who is there', async () => {
  const { chardev, path, system } = await unixServer();
  assert.is(existsSync(path), true);
  assert.is(chardev.filename, `disconnected:unix:${path},server=on`);
  assert.equal(await chardev.get('addr'), { type: 'unix', path });
  assert.is(await chardev.get('connected'), false);
  const client = await connected(path);
  await eventually('the client to be seen', () => chardev.connected);
  assert.is(chardev.filename, `unix:${path},server=on`);
  client.destroy();
  await eventually('its end to be seen, with no front end attached', () => !chardev.connected);
  await removeChardev(system, 'c');
  assert.is(existsSync(path), false);
});

test('a socket file left behind is replaced, another kind of file is not', async () => {
  const path = join(dir, 'stale');
  const stale: Server = createServer().listen(path);
  await once(stale, 'listening');
  const { system } = createChardevSystem();
  await addChardev(system, 'c', socketBackend(unixAddr(path)));
  const client = await connected(path);
  client.destroy();
  await system.dispose();
  stale.close();
  const file = join(dir, 'plain');
  writeFileSync(file, 'keep me');
  await refused(`Failed to bind socket to ${file}: Address already in use`, () =>
    addChardev(createChardevSystem().system, 'c', socketBackend(unixAddr(file))),
  );
  assert.is(existsSync(file), true);
});

test('clients come one after the other, each told by opened and closed', async () => {
  const { chardev, path, close } = await unixServer();
  const frontend = new Recorder(chardev);
  for (const word of ['first', 'second']) {
    const client = await connected(path);
    client.write(word);
    await eventually(`the word ${word}`, () => frontend.text.endsWith(word));
    client.destroy();
    await eventually('closed', () => frontend.events.at(-1) === 'closed');
  }
  assert.equal(frontend.events, ['opened', 'closed', 'opened', 'closed']);
  await close();
});

test('a second client waits without a word until the first has left', async () => {
  const { chardev, path, close } = await unixServer();
  const frontend = new Recorder(chardev);
  const first = await connected(path);
  await eventually('the first client', () => chardev.connected);
  const second = await connected(path);
  const heard = collect(second);
  second.write('early');
  chardev.write(Buffer.from('for the first'));
  await eventually('the first client to be served', () => first.bytesRead === 0 && first.readableLength >= 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(heard.bytes().length, 0);
  assert.is(frontend.text, '');
  first.destroy();
  await eventually('the word sent early', () => frontend.text === 'early');
  chardev.write(Buffer.from('hello'));
  await eventually('an answer', () => heard.bytes().toString() === 'hello');
  second.destroy();
  await close();
});

for (const kind of ['unix', 'tcp'] as const) {
  test(`10 MB reach a slow ${kind} reader whole, and little piles up`, async () => {
    if (!hasPython()) return;
    const { system } = createChardevSystem();
    const path = join(dir, `slow-${kind}`);
    const chardev = await addChardev(
      system,
      'c',
      socketBackend(kind === 'unix' ? unixAddr(path) : tcpAddr(0), { logfile: join(dir, `log-${kind}`) }),
    );
    const port = Number(((await chardev.get('addr')) as JsonObject).port);
    const bytes = pattern(10 * MB);
    const pump = new Pump(chardev, bytes);
    const reader = python(
      `
import socket, sys, time, hashlib
s = socket.socket(socket.AF_UNIX) if sys.argv[1] == 'unix' else socket.socket()
s.connect(sys.argv[2] if sys.argv[1] == 'unix' else ('127.0.0.1', int(sys.argv[2])))
h = hashlib.sha256(); n = 0
while n < int(sys.argv[3]):
    d = s.recv(300000)
    if not d: break
    h.update(d); n += len(d)
    time.sleep(0.002)
print(n, h.hexdigest())
`,
      kind,
      kind === 'unix' ? path : String(port),
      String(bytes.length),
    );
    await eventually('the reader', () => chardev.connected);
    pump.start();
    let out = '';
    reader.stdout?.on('data', (text) => {
      out += text;
    });
    await deadline('the reader to be done', once(reader, 'close'), 60_000);
    assert.is(out.trim(), `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`);
    assert.ok(pump.mostQueued < MB, `${pump.mostQueued} bytes queued at most`);
    await system.dispose();
    assert.ok(readFileSync(join(dir, `log-${kind}`)).equals(bytes), 'the log has the same bytes');
  });
}

test('a front end that pauses holds 10 MB back in the peer, and gets them all', async () => {
  const { chardev, path, close } = await unixServer();
  const bytes = pattern(10 * MB);
  const frontend = new Recorder(chardev);
  const port = frontend.port;
  const client = await connected(path);
  await eventually('the client', () => chardev.connected);
  port?.pause();
  client.write(bytes);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is(frontend.length, 0);
  assert.ok(client.bytesWritten - client.writableLength < 2 * MB, 'the kernel took no more than its buffers hold');
  // Pause again at every chunk.
  frontend.receive = function receive(data: Uint8Array): void {
    Recorder.prototype.receive.call(this, data);
    port?.pause();
    setImmediate(() => port?.resume());
  };
  port?.resume();
  assert.ok((await receivedBytes(frontend, bytes.length)).equals(bytes));
  client.destroy();
  await close();
});

test('bytes sent before anyone attached are kept for the front end', async () => {
  const { chardev, path, close } = await unixServer();
  const client = await connected(path);
  client.write('early words');
  await eventually('the client', () => chardev.connected);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const frontend = new Recorder(chardev);
  assert.equal(frontend.events, ['opened']);
  assert.is((await receivedBytes(frontend, 11)).toString(), 'early words');
  client.destroy();
  await close();
});

test('what was written is sent before a removed chardev closes the connection', async () => {
  const { chardev, path, system } = await unixServer();
  const frontend = new Recorder(chardev);
  const client = await connected(path);
  const heard = collect(client);
  await eventually('the client', () => chardev.connected);
  const bytes = pattern(3 * MB);
  chardev.write(bytes);
  chardev.detach(frontend);
  await removeChardev(system, 'c');
  await deadline('the end', once(client, 'close'));
  assert.ok(heard.bytes().equals(bytes));
});

test('a front end that waits for room is freed when the peer goes', async () => {
  const { chardev, path, close } = await unixServer();
  const pump = new Pump(chardev, pattern(8 * MB));
  const client = await connected(path);
  client.pause();
  await eventually('the client', () => chardev.connected);
  pump.start();
  assert.is(pump.done, false);
  client.destroy();
  await eventually('the rest to be dropped', () => pump.done);
  assert.is(pump.events.includes('closed'), true);
  await close();
});

test('with wait=on the chardev is there only when a client is', async () => {
  const { system, messages } = createChardevSystem();
  const path = join(dir, 'wait');
  let there = false;
  const adding = addChardev(system, 'c', { type: 'socket', data: { addr: unixAddr(path) } }).then((chardev) => {
    there = true;
    return chardev;
  });
  await eventually('the message', () => messages.length > 0);
  assert.is(
    messages.join(''),
    `qemu-system-x86_64: info: QEMU waiting for connection on: disconnected:unix:${path},server=on\n`,
  );
  assert.is(there, false);
  const client = await connected(path);
  const chardev = await deadline('the chardev', adding);
  assert.is(chardev.connected, true);
  client.destroy();
  await system.dispose();
});

test('the end of the process ends a wait for a client', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'wait-end');
  const adding = addChardev(system, 'c', { type: 'socket', data: { addr: unixAddr(path) } });
  await eventually('the socket', () => existsSync(path));
  await system.dispose();
  await deadline(
    'the wait',
    adding.catch(() => {}),
  );
  assert.is(existsSync(path), false);
});

test('a client without a server fails with its sentence, with reconnect-ms it keeps trying', async () => {
  const { system, messages } = createChardevSystem();
  const path = join(dir, 'later');
  const client = { type: 'socket', data: { addr: unixAddr(path), server: false } };
  await refused(`Failed to connect to '${path}': No such file or directory`, () => addChardev(system, 'c', client));
  const chardev = await addChardev(system, 'c', {
    type: 'socket',
    data: { ...client.data, 'reconnect-ms': 20 },
  });
  assert.is(chardev.filename, `disconnected:unix:${path}`);
  const frontend = new Recorder(chardev);
  await eventually('the report', () => messages.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(messages, [
    `qemu-system-x86_64: Unable to connect character device c: Failed to connect to '${path}': No such file or directory\n`,
  ]);
  for (let round = 0; round < 2; round++) {
    const server = createServer().listen(path);
    const [peer] = (await deadline('the chardev to connect', once(server, 'connection'))) as [Socket];
    await eventually('opened', () => chardev.connected);
    assert.is(chardev.filename, `unix:${path}`);
    peer.destroy();
    server.close();
    await eventually('closed', () => frontend.events.at(-1) === 'closed');
  }
  await system.dispose();
});

test('tcp names carry both ends, and to= finds the next free port', async () => {
  const { system } = createChardevSystem();
  const chardev = await addChardev(system, 'c', socketBackend(tcpAddr(0)));
  const address = (await chardev.get('addr')) as JsonObject;
  assert.is(address.host, '127.0.0.1');
  assert.is(address.ipv4, true);
  const port = Number(address.port);
  assert.is(chardev.filename, `disconnected:tcp:127.0.0.1:${port},server=on`);
  const client = await connected(port);
  await eventually('the client', () => chardev.connected);
  assert.is(chardev.filename, `tcp:127.0.0.1:${port},server=on <-> 127.0.0.1:${client.localPort}`);
  client.destroy();
  const taken = { type: 'inet', data: { host: '127.0.0.1', port: String(port) } };
  for (const [more, sentence] of [
    [{}, 'Failed to find an available port: Address already in use'],
    [{ to: port - 1 }, 'Failed to create a socket'],
  ] as const) {
    await refused(sentence, () =>
      addChardev(system, 'd', socketBackend({ ...taken, data: { ...taken.data, ...more } })),
    );
  }
  const next = await addChardev(system, 'd', socketBackend({ ...taken, data: { ...taken.data, to: port + 50 } }));
  assert.ok(Number(((await next.get('addr')) as JsonObject).port) > port);
  await system.dispose();
});

test('abstract names are exact by default, padded with tight=off', async () => {
  if (!hasPython()) return;
  const { system } = createChardevSystem();
  const name = `nitro-test-${process.pid}`;
  const exact = await addChardev(system, 'a', socketBackend({ type: 'unix', data: { path: name, abstract: true } }));
  assert.is(exact.filename, `disconnected:unix:${name},abstract=on,tight=on,server=on`);
  assert.equal(await exact.get('addr'), { type: 'unix', path: name, abstract: true, tight: true });
  const loose = await addChardev(
    system,
    'b',
    socketBackend({ type: 'unix', data: { path: name, abstract: true, tight: false } }),
  );
  assert.is(loose.filename, `disconnected:unix:${name},abstract=on,server=on`);
  const peer = python(
    `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1]); s.send(b'hello')
sys.stdin.read()
`,
    name,
  );
  const frontend = new Recorder(exact);
  assert.is((await receivedBytes(frontend, 5)).toString(), 'hello');
  peer.kill();
  await system.dispose();
});

test('an inherited listening socket is served, and named by its path', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'inherited');
  const bound = listenUnix({ path });
  // This end must not take the client.
  bound.on('connection', (socket) => socket.destroy());
  const fd = duplicate(bound.fd);
  const chardev = await addChardev(system, 'c', socketBackend({ type: 'fd', data: { str: String(fd) } }));
  assert.is(chardev.filename, `disconnected:unix:${path},server=on`);
  assert.equal(await chardev.get('addr'), { type: 'unix', path });
  renameSync(path, `${path}-kept`);
  bound.close();
  const frontend = new Recorder(chardev);
  const client = await connected(`${path}-kept`);
  client.end('over fd');
  assert.is((await receivedBytes(frontend, 7)).toString(), 'over fd');
  await system.dispose();
});

test('an inherited connection is one client', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'pair');
  const server = createServer().listen(path);
  const accepted = once(server, 'connection');
  const ours = await connectUnix({ path });
  const [peer] = (await deadline('the connection', accepted)) as [Socket];
  server.close();
  const addr = { type: 'fd', data: { str: String(duplicate(ours.fd)) } };
  ours.removeAllListeners().destroy();
  const chardev = await addChardev(system, 'c', { type: 'socket', data: { addr, server: false } });
  const frontend = new Recorder(chardev);
  peer.write('hello');
  assert.is((await receivedBytes(frontend, 5)).toString(), 'hello');
  peer.destroy();
  await eventually('closed', () => frontend.events.at(-1) === 'closed');
  await system.dispose();
});

test('a descriptor that is no socket is refused in the words of its source', async () => {
  const { system } = createChardevSystem();
  const fd = String(openSync('/dev/null', 'r'));
  for (const [str, sentence] of [
    ['', 'Unable to parse FD number '],
    ['nope', 'Unable to parse FD number nope'],
    ['99', "File descriptor '99' is not a socket"],
    ['-1', "File descriptor '-1' is not a socket"],
    [fd, `File descriptor '${fd}' is not a socket`],
  ] as const) {
    await refused(sentence, () => addChardev(system, 'd', socketBackend({ type: 'fd', data: { str } })));
  }
  await refused("File descriptor named 'five' has not been found", () =>
    addChardev(system, 'd', socketBackend({ type: 'fd', data: { str: 'five' } }), { takeDescriptor: () => undefined }),
  );
  await system.dispose();
});

test('telnet clients are spoken to in telnet', async () => {
  const { chardev, path, close } = await unixServer({ telnet: true });
  const frontend = new Recorder(chardev);
  const client = await connected(path);
  const heard = collect(client);
  await eventually('the negotiation', () => heard.bytes().length === 12);
  assert.is(heard.bytes().toString('hex'), 'fffb01fffb03fffb00fffd00');
  client.write(Buffer.from([0x61, 0xff, 0xfd, 0x01, 0xff, 0xff, 0xff, 0xf3, 0x62]));
  assert.is((await receivedBytes(frontend, 3)).toString('hex'), '61ff62');
  assert.is(frontend.events.includes('break'), true);
  client.destroy();
  await close();
});

test('with x-clients each client has a port of its own, and a stuck one delays nobody', async () => {
  const { chardev, path, close } = await unixServer({ 'x-clients': 3 });
  const early = await connected(path);
  const frontends: Recorder[] = [];
  chardev.attachEach((port) => {
    const frontend = new Recorder();
    frontend.port = port;
    frontends.push(frontend);
    return frontend;
  });
  assert.is(chardev.busy, true);
  const others = [await connected(path), await connected(path), await connected(path)];
  const clients = [early, ...others];
  const heard = clients.map(collect);
  await eventually('three front ends', () => frontends.length === 3);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.is(frontends.length, 3, 'the fourth waits');
  for (const [i, client] of clients.entries()) client.write(`client ${i}`);
  for (const i of [0, 1, 2]) await eventually(`client ${i}`, () => frontends[i]?.text === `client ${i}`);
  clients[1]?.pause();
  assert.is(frontends[1]?.port?.write(pattern(4 * MB)), false);
  frontends[2]?.port?.write(Buffer.from('to the third'));
  await eventually('the third client', () => heard[2]?.bytes().toString() === 'to the third');
  assert.is(heard[0]?.bytes().length, 0);
  frontends[1]?.port?.disconnect();
  clients[1]?.destroy();
  await eventually('the fourth to get its turn', () => frontends.length === 4);
  await eventually('its word', () => frontends[3]?.text === 'client 3');
  assert.equal(frontends[1]?.events.at(-1), 'closed');
  for (const client of clients) client.destroy();
  await close();
});

test('descriptors sent along reach the front end', async () => {
  if (!hasPython()) return;
  const { chardev, path, close } = await unixServer();
  const frontend = new Recorder(chardev);
  const peer = python(
    `
import socket, sys, array, os
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
r, w = os.pipe(); os.write(w, b'through the pipe')
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [r]))])
sys.stdin.read()
`,
    path,
  );
  await receivedBytes(frontend, 1);
  const fd = frontend.port?.takeDescriptor();
  const buffer = Buffer.alloc(64);
  assert.is(buffer.toString('latin1', 0, readSync(fd ?? -1, buffer)), 'through the pipe');
  closeSync(fd ?? -1);
  assert.is(frontend.port?.takeDescriptor(), undefined);
  peer.kill();
  await close();
});

for (const [more, sentence] of [
  [{ 'reconnect-ms': 5 }, "'reconnect-ms' option is incompatible with socket in server listen mode"],
  [{ 'tls-authz': 'q' }, "'tls_authz' option requires 'tls_creds' option"],
  [{ 'tls-creds': 'q' }, "No TLS credentials with id 'q'"],
  [{ server: false }, "'wait' option is incompatible with socket in client connect mode"],
  [{ server: false, websocket: true }, 'Websocket client is not implemented'],
  [{ addr: { type: 'vsock', data: { cid: 'abc', port: '1' } } }, "Failed to parse cid 'abc'"],
  [{ addr: { type: 'vsock', data: { cid: '2', port: '4294967296' } } }, "Failed to parse port '4294967296'"],
  [
    { addr: { type: 'inet', data: { host: 'localhost', port: 'abc' } } },
    'address resolution failed for localhost:abc: Servname not supported for ai_socktype',
  ],
  [
    { addr: { type: 'inet', data: { host: '', port: '1', ipv4: false, ipv6: false } } },
    'Cannot disable IPv4 and IPv6 at same time',
  ],
  [{ addr: unixAddr('/nonexistent/x') }, 'Failed to bind socket to /nonexistent/x: No such file or directory'],
  [{ addr: unixAddr(`/tmp/${'x'.repeat(120)}`) }, `UNIX socket path '/tmp/${'x'.repeat(120)}' is too long`],
] as [JsonObject, string][]) {
  test(`refused: ${sentence}`, async () => {
    const { system } = createChardevSystem();
    await refused(sentence, () => addChardev(system, 'c', socketBackend(unixAddr(join(dir, 'refused')), more)));
    assert.is(system.tree.chardevs.component('c'), undefined);
    await system.dispose();
  });
}

test.run();
