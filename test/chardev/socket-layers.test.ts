import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev } from '../../src/chardev/create.js';
import type { JsonObject } from '../../src/system/json.js';
import type { TlsCredsX509 } from '../../src/system/tls-creds.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { createChardevSystem, Pump, pattern, Recorder, receivedBytes } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('chardev/socket-layers');
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const MB = 1024 * 1024;
const inet = (port: number, host = '127.0.0.1'): JsonObject => ({ type: 'inet', data: { host, port: String(port) } });

async function withCreds() {
  const { system } = createChardevSystem();
  const objects = createUserObjects(system);
  for (const endpoint of ['server', 'client']) {
    await objects.add({ 'qom-type': 'tls-creds-x509', id: endpoint, dir: fixtures, endpoint });
  }
  const clientCreds = system.tree.objects.component('client') as TlsCredsX509;
  const server = await addChardev(system, 's', {
    type: 'socket',
    data: { addr: inet(0), server: true, wait: false, 'tls-creds': 'server' },
  });
  const port = Number(((await server.get('addr')) as JsonObject).port);
  return { system, server, port, clientCreds };
}

test('our client and our server talk through TLS, 4 MB each way', async () => {
  const { system, server, port } = await withCreds();
  const bytes = pattern(4 * MB);
  const far = new Pump(server, bytes);
  const client = await deadline(
    'the client',
    addChardev(system, 'c', {
      type: 'socket',
      data: { addr: inet(port, 'localhost'), server: false, 'tls-creds': 'client' },
    }),
  );
  const near = new Pump(client, bytes);
  await eventually('the server to see the client', () => server.connected);
  near.start();
  far.start();
  assert.ok((await receivedBytes(near, bytes.length)).equals(bytes));
  assert.ok((await receivedBytes(far, bytes.length)).equals(bytes));
  await system.dispose();
});

test('a client of node:tls with a certificate is served, one without is not', async () => {
  const { system, server, port, clientCreds } = await withCreds();
  const frontend = new Recorder(server);
  const { ca, cert, key } = clientCreds.material;
  const bare = connect({ port, host: 'localhost', servername: 'localhost', ca });
  bare.on('error', () => {});
  await deadline('the refusal', new Promise((resolve) => bare.once('close', resolve)));
  assert.equal(frontend.events, []);
  assert.ok(cert !== undefined && key !== undefined);
  const good = connect({ port, host: 'localhost', servername: 'localhost', ca, cert: cert ?? '', key: key ?? '' });
  good.write('hello');
  assert.is((await receivedBytes(frontend, 5)).toString(), 'hello');
  good.destroy();
  await eventually('closed', () => frontend.events.at(-1) === 'closed');
  await system.dispose();
});

test('a peer that does not speak TLS gives way to the next', async () => {
  const { system, server, port } = await withCreds();
  const frontend = new Recorder(server);
  const plain = connectPlain(port, '127.0.0.1');
  plain.on('error', () => {});
  plain.write('GET / HTTP/1.0\r\n\r\n');
  plain.resume();
  await deadline('its end', new Promise((resolve) => plain.once('close', resolve)));
  assert.equal(frontend.events, []);
  const client = await deadline(
    'the next client',
    addChardev(system, 'c', {
      type: 'socket',
      data: { addr: inet(port, 'localhost'), server: false, 'tls-creds': 'client' },
    }),
  );
  client.write(Buffer.from('x'));
  await receivedBytes(frontend, 1);
  await system.dispose();
});

test('credentials for the other end and other objects are refused', async () => {
  const { system } = await withCreds();
  await createUserObjects(system).add({ 'qom-type': 'secret', id: 'secret', data: 'x' });
  for (const [id, sentence] of [
    ['client', 'Expected TLS credentials for a server endpoint'],
    ['secret', "Object with id 'secret' is not TLS credentials"],
    ['nope', "No TLS credentials with id 'nope'"],
  ] as const) {
    let message = '';
    await addChardev(system, 'x', {
      type: 'socket',
      data: { addr: inet(0), server: true, wait: false, 'tls-creds': id },
    }).catch((error: Error) => {
      message = error.message;
    });
    assert.is(message, sentence);
  }
  await system.dispose();
});

test.run();
