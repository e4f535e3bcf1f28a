import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tlsLayer } from '../../src/chardev/tls-layer.js';
import type { TlsCredsX509 } from '../../src/system/tls-creds.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { createChardevSystem } from '../support/chardevs.js';
import { deadline } from '../support/deadline.js';
import { duplexPair } from '../support/duplex-pair.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/tls-layer');
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const pem = (name: string): Buffer => readFileSync(join(fixtures, name));
const ends = { family: 'unix', local: '', remote: '' } as const;

/** The fixtures, but trusting another authority. */
function strangersDirectory(): string {
  const dir = join(scratchDir(), 'tls');
  mkdirSync(dir);
  for (const name of ['server-cert.pem', 'server-key.pem', 'client-cert.pem', 'client-key.pem']) {
    copyFileSync(join(fixtures, name), join(dir, name));
  }
  copyFileSync(join(fixtures, 'other-ca-cert.pem'), join(dir, 'ca-cert.pem'));
  return dir;
}

async function credentials(options: Record<string, string | boolean>): Promise<TlsCredsX509> {
  const objects = createUserObjects(createChardevSystem().system);
  return (await objects.add({ 'qom-type': 'tls-creds-x509', id: 'tls0', dir: fixtures, ...options })) as TlsCredsX509;
}

interface Served {
  /** The server's side once the handshake is done. */
  readonly server: Promise<Duplex>;
  readonly client: Duplex;
}

/** A node:tls client and our layer, joined in memory. */
function serve(creds: TlsCredsX509, options: ConnectionOptions): Served {
  const [near, far] = duplexPair();
  const server = tlsLayer(creds, undefined)({ stream: near, ends }).then((peer) => peer.stream);
  server.catch(() => {});
  const client = connect({ socket: far, ca: pem('ca-cert.pem'), servername: 'localhost', ...options });
  client.on('error', () => {});
  return { server, client };
}

async function failure(work: Promise<unknown>): Promise<string> {
  return deadline(
    'a refusal',
    work.then(
      () => 'no error',
      (error: Error) => error.message,
    ),
  );
}

const certificate = { cert: pem('client-cert.pem'), key: pem('client-key.pem') };

test('bytes go through both ways, in any size', async () => {
  const { server, client } = serve(await credentials({ endpoint: 'server' }), certificate);
  const stream = await deadline('the handshake', server);
  stream.pipe(stream);
  const sent = Buffer.alloc(300_000, 'nitro ');
  client.end(sent);
  const got: Buffer[] = [];
  await deadline('the echo', client.on('data', (chunk: Buffer) => got.push(chunk)) && once(client, 'end'));
  assert.ok(Buffer.concat(got).equals(sent));
});

async function once(stream: Duplex, event: string): Promise<void> {
  await new Promise<void>((resolve) => stream.once(event, () => resolve()));
}

test('with verify-peer=on a client without a certificate is sent away', async () => {
  const { server, client } = serve(await credentials({ endpoint: 'server' }), {});
  assert.match(await failure(server), /peer did not return a certificate/);
  client.destroy();
});

test("with verify-peer=on a client of another authority's is sent away", async () => {
  const creds = await credentials({ endpoint: 'server', dir: strangersDirectory(), 'sanity-check': false });
  const { server, client } = serve(creds, certificate);
  assert.match(await failure(server), /^The certificate of the TLS client is not accepted/);
  client.destroy();
});

test('with verify-peer=off anybody may come', async () => {
  const { server, client } = serve(await credentials({ endpoint: 'server', 'verify-peer': false }), {});
  await deadline('the handshake', server);
  client.destroy();
});

test('what is not TLS ends the connection', async () => {
  const creds = await credentials({ endpoint: 'server' });
  const [near, far] = duplexPair();
  far.on('error', () => {});
  far.write('{"execute": "qmp_capabilities"}\r\n');
  assert.match(await failure(tlsLayer(creds, undefined)({ stream: near, ends })), /went away|wrong version|TLS/i);
  assert.ok(near.destroyed);
});

/** Both ends ours. @param host the name that the client expects of the server */
async function between(client: TlsCredsX509, host: string | undefined): Promise<string> {
  const server = await credentials({ endpoint: 'server', 'verify-peer': false });
  const [near, far] = duplexPair();
  const served = tlsLayer(server, undefined)({ stream: near, ends });
  served.catch(() => {});
  const text = await failure(tlsLayer(client, host)({ stream: far, ends }));
  far.destroy();
  return text;
}

test('our client checks authority and name, and neither with verify-peer=off', async () => {
  const good = await credentials({});
  assert.is(await between(good, 'localhost'), 'no error');
  assert.is(await between(good, undefined), 'no error');
  assert.match(await between(good, 'elsewhere.example'), /does not match certificate's altnames/);
  const dir = strangersDirectory();
  assert.match(
    await between(await credentials({ dir, 'sanity-check': false }), 'localhost'),
    /^self-signed certificate/,
  );
  const careless = await credentials({ dir, 'sanity-check': false, 'verify-peer': false });
  assert.is(await between(careless, 'elsewhere.example'), 'no error');
});

test.run();
