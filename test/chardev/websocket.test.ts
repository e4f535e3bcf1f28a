import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ClientOptions, WebSocket } from 'ws';
import { addChardev } from '../../src/chardev/create.js';
import { chardevFromOptions } from '../../src/chardev/options.js';
import type { JsonObject } from '../../src/system/json.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { createChardevSystem, Recorder, receivedBytes } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/websocket');
const dir = scratchDir();
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const token = 'tell-nobody-of-this-token';
const tokenFile = join(dir, 'token');
writeFileSync(tokenFile, `${token}\n`);

/** A WebSocket chardev on a free port, with a front end that keeps what it gets. */
async function endpoint(more: JsonObject = {}, host = '127.0.0.1') {
  const { system, messages } = createChardevSystem();
  const objects = createUserObjects(system);
  await objects.add({ 'qom-type': 'tls-creds-x509', id: 'tls0', dir: fixtures, endpoint: 'server' });
  await objects.add({ 'qom-type': 'secret', id: 'secret0', data: token });
  const addr = { type: 'inet', data: { host, port: '0', ipv4: true } };
  const data = { addr, server: true, wait: false, websocket: true, ...more };
  const chardev = await addChardev(system, 'w', { type: 'socket', data });
  const frontend = new Recorder();
  if (more['x-clients'] === undefined) frontend.port = chardev.attach(frontend);
  const { host: bound, port } = (chardev as unknown as { address: { host: string; port: string } }).address;
  return { chardev, frontend, host: bound, port: Number(port), messages, close: () => system.dispose() };
}

interface Message {
  readonly data: string;
  readonly binary: boolean;
}

/** A client of the package ws. `result` is the subprotocol, or how the handshake was refused. */
async function client(port: number, protocols: string[] = [], options: ClientOptions = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols, options);
  const messages: Message[] = [];
  socket.on('message', (data, binary) => messages.push({ data: String(data), binary }));
  const result = await deadline(
    'a handshake',
    new Promise<string | number>((resolve) => {
      socket.on('open', () => resolve(socket.protocol));
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      socket.on('error', (error) => resolve(error.message));
    }),
  );
  return { socket, messages, result };
}

async function raw(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await deadline('a connection', once(socket, 'connect'));
  return socket;
}

/** All that comes until the connection ends. */
async function untilEnd(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  await deadline('the end of a connection', once(socket, 'close'));
  return text;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: Error) => error.message,
  );
}

test('without a subprotocol and with binary bytes travel in binary messages, as to QEMU', async () => {
  const { port, frontend, close } = await endpoint();
  for (const protocols of [[], ['binary']]) {
    const { socket, messages, result } = await client(port, protocols);
    assert.is(result, protocols[0] ?? '');
    const before = frontend.length;
    socket.send(Buffer.from('one '));
    socket.send('two');
    await receivedBytes(frontend, before + 7);
    frontend.port?.write(Buffer.from('three'));
    await eventually('an answer', () => messages.length > 0);
    assert.equal(messages, [{ data: 'three', binary: true }]);
    socket.close();
    await eventually('its end', () => frontend.events.at(-1) === 'closed');
  }
  assert.is(frontend.text, 'one twoone two');
  await close();
});

test('with qmp and jsonrpc what is written travels in text messages, one each', async () => {
  const { port, frontend, close } = await endpoint();
  for (const protocol of ['qmp', 'jsonrpc']) {
    const { socket, messages } = await client(port, [protocol]);
    await eventually('the front end', () => frontend.events.at(-1) === 'opened');
    assert.is(frontend.port?.subprotocol, protocol);
    frontend.port?.write(Buffer.from('{"a": 1}'));
    frontend.port?.write(Buffer.from('{"b": 2}'));
    await eventually('two messages', () => messages.length === 2);
    assert.equal(messages, [
      { data: '{"a": 1}', binary: false },
      { data: '{"b": 2}', binary: false },
    ]);
    socket.close();
    await eventually('its end', () => frontend.events.at(-1) === 'closed');
  }
  await close();
});

/** A masked frame (RFC 6455, section 5.2). */
function frame(payload: Buffer, { first, last }: { first: boolean; last: boolean }): Buffer {
  const head = [(last ? 0x80 : 0) | (first ? 2 : 0)];
  if (payload.length < 126) head.push(0x80 | payload.length);
  else head.push(0x80 | 126, payload.length >> 8, payload.length & 0xff);
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([Buffer.from(head), mask, Buffer.from(payload.map((byte, i) => byte ^ ((i % 4) + 1)))]);
}

const upgrade =
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';

test('frames cut and fragmented anywhere give the messages that were sent', async () => {
  const { port, frontend, close } = await endpoint();
  const messages = fc.array(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      messages,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      async (fragmented, steps) => {
        const socket = await raw(port);
        const before = frontend.chunks.length;
        const frames = fragmented.flatMap((parts) =>
          parts.map((part, i) => frame(Buffer.from(part), { first: i === 0, last: i === parts.length - 1 })),
        );
        const bytes = Buffer.concat([Buffer.from(`${upgrade}\r\n`), ...frames]);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const step = steps[i % steps.length] ?? 1;
          socket.write(bytes.subarray(at, at + step));
          at += step;
          if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await eventually('all messages', () => frontend.chunks.length >= before + fragmented.length);
        assert.equal(
          frontend.chunks.slice(before).map((chunk) => chunk.toString('hex')),
          fragmented.map((parts) => Buffer.concat(parts).toString('hex')),
        );
        const ended = frontend.events.length;
        socket.destroy();
        await eventually('its end', () => frontend.events.length > ended && frontend.events.at(-1) === 'closed');
      },
    ),
    { numRuns: 25 },
  );
  await close();
});

test('a token is asked for, wherever the client comes from', async () => {
  for (const more of [{ 'x-token-file': tokenFile }, { 'x-token-secret': 'secret0' }]) {
    const { port, close } = await endpoint(more);
    assert.is((await client(port)).result, 401);
    assert.is((await client(port, [], { headers: { Authorization: 'Bearer tell-somebody-of-it' } })).result, 401);
    const { result, socket } = await client(port, [], { headers: { Authorization: `Bearer ${token}` } });
    assert.is(result, '');
    socket.terminate();
    const encoded = `qmp.token.${Buffer.from(token).toString('base64url')}`;
    const page = await client(port, [encoded, 'qmp']);
    assert.is(page.result, 'qmp');
    page.socket.terminate();
    await close();
  }
});

test('a web page needs its origin on the list', async () => {
  const { port, close } = await endpoint({ 'x-origins': ['https://console.example'] });
  assert.is((await client(port, [], { origin: 'https://evil.example' })).result, 403);
  const { result, socket } = await client(port, [], { origin: 'https://console.example' });
  assert.is(result, '');
  socket.terminate();
  await close();
});

test('refusals say why, and a plain HTTP client is told what this is', async () => {
  const { port, frontend, close } = await endpoint();
  const ask = async (text: string): Promise<string> => {
    const socket = await raw(port);
    socket.write(text);
    return untilEnd(socket);
  };
  assert.match(await ask('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 426 [\s\S]*this is a WebSocket endpoint\n$/);
  assert.match(await ask('{"execute": "qmp_capabilities"}\r\n\r\n'), /^HTTP\/1.1 400 /);
  assert.match(
    await ask(`${upgrade}Origin: http://x\r\n\r\n`),
    /^HTTP\/1.1 403 [\s\S]*origin http:\/\/x is not allowed/,
  );
  assert.match(await ask(`${upgrade.replace('Version: 13', 'Version: 12')}\r\n`), /^HTTP\/1.1 400 /);
  assert.match(await ask(`${upgrade}X: ${'x'.repeat(9000)}\r\n\r\n`), /^HTTP\/1.1 400 [\s\S]*Header overflow/);
  assert.equal(frontend.events, []);
  await close();
});

test('who does not finish the handshake is dropped, and holds no place meanwhile', async () => {
  const { port, close } = await endpoint({ 'x-handshake-timeout-ms': 300 });
  const slow = await raw(port);
  slow.write('GET / HTTP/1.1\r\n');
  const ended = untilEnd(slow);
  const { result, socket } = await client(port);
  assert.is(result, '');
  assert.is(await ended, '');
  socket.terminate();
  await close();
});

test('a message beyond the limit ends the connection with status 1009', async () => {
  const { port, frontend, close } = await endpoint({ 'x-max-message': 1000 });
  const { socket } = await client(port);
  socket.send(Buffer.alloc(1000));
  await receivedBytes(frontend, 1000);
  socket.send(Buffer.alloc(1001));
  const [code] = await deadline('the end', once(socket, 'close'));
  assert.is(code, 1009);
  assert.is(frontend.length, 1000);
  await close();
});

test('a client that answers pings stays, one that is silent is dropped', async () => {
  const frontends: Recorder[] = [];
  const many = await endpoint({ 'x-silence-ms': 400, 'x-clients': 2 });
  many.chardev.attachEach((port) => {
    const made = new Recorder();
    made.port = port;
    frontends.push(made);
    return made;
  });
  const lively = await client(many.port);
  const silent = await client(many.port, [], { autoPong: false });
  await deadline('the end of the silent one', once(silent.socket, 'close'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.is(lively.socket.readyState, WebSocket.OPEN);
  assert.equal(
    frontends.map((made) => made.events.filter((event) => event !== 'drained')),
    [['opened'], ['opened', 'closed']],
  );
  lively.socket.terminate();
  await many.close();
});

test('the end of the chardev is an orderly end for the client, after what was written', async () => {
  const { port, frontend, close } = await endpoint();
  const { socket, messages } = await client(port);
  await eventually('the front end', () => frontend.events.includes('opened'));
  for (let i = 0; i < 100; i++) frontend.port?.write(Buffer.alloc(10_000, 'x'));
  const closed = once(socket, 'close');
  await close();
  const [code] = await deadline('the end', closed);
  assert.is(code, 1000);
  assert.is(messages.length, 100);
});

test('an endpoint without a host stays on this one', async () => {
  const { host, close } = await endpoint({}, '');
  assert.is(host, '127.0.0.1');
  await close();
});

test('an endpoint open to other hosts must ask for a token or a certificate', async () => {
  assert.match(
    await refusal(endpoint({}, '0.0.0.0')),
    /^WebSocket endpoint 0.0.0.0:\d+ is open to other hosts and asks for no credentials$/,
  );
  const guarded = await endpoint({ 'x-token-file': tokenFile }, '0.0.0.0');
  assert.match(guarded.messages.join(''), /receives its token unencrypted/);
  await guarded.close();
  const secured = await endpoint({ 'tls-creds': 'tls0' }, '0.0.0.0');
  assert.equal(secured.messages, []);
  await secured.close();
});

test('options that make no sense are refused', async () => {
  const weak = join(dir, 'weak');
  writeFileSync(weak, 'sesame\n');
  const missing = join(dir, 'missing');
  const cases: [JsonObject, string][] = [
    [{ 'x-token-file': weak }, 'The bearer token must have at least 16 characters and no blanks'],
    [{ 'x-token-file': missing }, `Unable to read token file ${missing}: No such file or directory`],
    [{ 'x-token-file': weak, 'x-token-secret': 'a' }, "'x-token-file' and 'x-token-secret' are mutually exclusive"],
    [{ 'x-token-secret': 'nope' }, "No secret with id 'nope'"],
    [
      { 'x-origins': ['example'] },
      "Parameter 'x-origins' expects origins such as https://console.example, not 'example'",
    ],
    [{ 'x-max-message': 0 }, "Parameter 'x-max-message' expects a number greater than zero"],
    [{ websocket: false, 'x-origins': [] }, "'x-origins' option requires 'websocket' option"],
    [{ 'tls-creds': 'secret0' }, "Object with id 'secret0' is not TLS credentials"],
    [{ 'tls-creds': 'nope' }, "No TLS credentials with id 'nope'"],
    [{ 'tls-creds': 'tls0', 'tls-authz': 'a' }, "'tls-authz' is not supported"],
  ];
  for (const [more, sentence] of cases) assert.is(await refusal(endpoint(more)), sentence);
});

test('the options have the same names on the command line', async () => {
  const { system } = createChardevSystem();
  const chardev = await chardevFromOptions(system, 'w', {
    backend: 'socket',
    host: '127.0.0.1',
    port: '0',
    server: 'on',
    wait: 'off',
    websocket: 'on',
    'x-origins': 'https://a.example;http://localhost:8080',
    'x-token-file': tokenFile,
    'x-max-message': '64k',
    'x-silence-ms': '5000',
  });
  const frontend = new Recorder(chardev);
  const { port } = (chardev as unknown as { address: { port: string } }).address;
  const headers = { Authorization: `Bearer ${token}` };
  const { result, socket } = await client(Number(port), ['qmp'], { origin: 'http://localhost:8080', headers });
  assert.is(result, 'qmp');
  socket.send(Buffer.alloc(65_537));
  const [code] = await deadline('the end', once(socket, 'close'));
  assert.is(code, 1009);
  assert.is(frontend.length, 0);
  await system.dispose();
});

test.run();
