import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';
import { TlsCredsX509 } from '../../src/system/tls-creds.js';
import { tlsVersions } from '../../src/system/tls-priority.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { deadline } from '../support/deadline.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('system/tls-creds');
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const directories: string[] = [];
test.after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

/** A directory with files of the fixtures under other names. */
function credentials(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'tls-'));
  directories.push(directory);
  for (const [name, source] of Object.entries(files)) copyFileSync(join(fixtures, source), join(directory, name));
  return directory;
}

const server = {
  'ca-cert.pem': 'ca-cert.pem',
  'server-cert.pem': 'server-cert.pem',
  'server-key.pem': 'server-key.pem',
};

async function load(options: JsonObject): Promise<TlsCredsX509> {
  const objects = createUserObjects(createTestSystem().system);
  await objects.add({ 'qom-type': 'secret', id: 'password', data: 'sesame' });
  await objects.add({ 'qom-type': 'secret', id: 'wrong', data: 'mustard' });
  const creds = await objects.add({ 'qom-type': 'tls-creds-x509', id: 'tls0', ...options });
  assert.instance(creds, TlsCredsX509);
  return creds as TlsCredsX509;
}

test('a server and a client with these credentials trust each other', async () => {
  const serverCreds = await load({ dir: fixtures, endpoint: 'server' });
  const clientCreds = await load({ dir: fixtures, priority: 'NORMAL:-VERS-TLS1.2' });
  const listener = createServer({ ...serverCreds.material, requestCert: serverCreds.verifyPeer }, (socket) => {
    socket.end(socket.authorized ? 'welcome' : 'no');
  });
  await deadline('listen', new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve)));
  const address = listener.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const socket = connect({ ...clientCreds.material, port, host: 'localhost', servername: 'localhost' });
  let text = '';
  await deadline(
    'the answer',
    (async () => {
      for await (const chunk of socket) text += chunk;
    })(),
  );
  assert.is(text, 'welcome');
  assert.is(clientCreds.material.minVersion, 'TLSv1.3');
  await deadline('close', new Promise((resolve) => listener.close(resolve)));
});

test('an encrypted key needs its password', async () => {
  const dir = credentials({ ...server, 'server-key.pem': 'server-key-encrypted.pem' });
  const options = { dir, endpoint: 'server' };
  const creds = await load({ ...options, passwordid: 'password' });
  assert.is(creds.material.passphrase, 'sesame');
  const pair = `Cannot load certificate '${dir}/server-cert.pem' & key '${dir}/server-key.pem'`;
  assert.is((await thrown(() => load(options))).message, `${pair}: Decryption has failed.`);
  assert.is((await thrown(() => load({ ...options, passwordid: 'wrong' }))).message, `${pair}: Decryption has failed.`);
  assert.is((await thrown(() => load({ ...options, passwordid: 'none' }))).message, "No secret with id 'none'");
});

test('credentials that cannot work are refused in QEMU words', async () => {
  const refused = async (files: Record<string, string>, options: JsonObject = { endpoint: 'server' }) => {
    const dir = credentials(files);
    const { message } = await thrown(() => load({ dir, ...options }));
    return message.replaceAll(dir, 'DIR');
  };
  assert.is((await thrown(() => load({}))).message, "Missing 'dir' property value");
  assert.is(await refused({}), 'Unable to access credentials DIR/ca-cert.pem: No such file or directory');
  assert.is(
    await refused({ 'ca-cert.pem': 'ca-cert.pem', 'server-cert.pem': 'server-cert.pem' }),
    'Unable to access credentials DIR/server-key.pem: No such file or directory',
  );
  assert.is(
    await refused({ ...server, 'server-key.pem': 'client-key.pem' }),
    "Cannot load certificate 'DIR/server-cert.pem' & key 'DIR/server-key.pem': The certificate and the given key do not match.",
  );
  assert.is(
    await refused({ ...server, 'ca-cert.pem': 'server-key.pem' }),
    'Unable to import CA certificate list DIR/ca-cert.pem',
  );
  assert.is(
    await refused({ ...server, 'server-cert.pem': 'expired-cert.pem' }),
    'The server certificate DIR/server-cert.pem has expired',
  );
  assert.is(
    await refused({ ...server, 'ca-cert.pem': 'server-cert.pem' }),
    'The certificate DIR/ca-cert.pem is missing basic constraints for a CA',
  );
  assert.is(
    await refused({ ...server, 'ca-cert.pem': 'other-ca-cert.pem' }),
    "Our own certificate DIR/server-cert.pem failed validation against DIR/ca-cert.pem: The certificate hasn't got a known issuer",
  );
});

test('sanity-check=off leaves dates and issuers to the handshake', async () => {
  const dir = credentials({ ...server, 'server-cert.pem': 'expired-cert.pem', 'ca-cert.pem': 'other-ca-cert.pem' });
  assert.ok((await load({ dir, endpoint: 'server', 'sanity-check': false })).material.cert);
});

test('a certificate file of rubbish is one error', async () => {
  const dir = credentials(server);
  const block = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
  writeFileSync(join(dir, 'ca-cert.pem'), block('AAAA'));
  assert.match(
    (await thrown(() => load({ dir, endpoint: 'server' }))).message,
    /^Unable to import CA certificate list/,
  );
});

test('a priority string gives versions or names the token that cannot be followed', () => {
  assert.equal(tlsVersions(undefined), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' });
  assert.equal(tlsVersions('@SYSTEM,NORMAL'), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' });
  assert.equal(tlsVersions('NORMAL:-VERS-ALL:+VERS-TLS1.2'), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  assert.throws(() => tlsVersions('NORMAL:+SRP'), /'\+SRP' is not supported/);
  assert.throws(() => tlsVersions('NORMAL:-VERS-ALL:+VERS-TLS1.0'), /no TLS version is left/);
  const token = fc.oneof(
    fc.string(),
    fc.constantFrom('NORMAL', '-VERS-ALL', '+VERS-TLS1.3', '-VERS-TLS1.2', '!VERS-TLS1.3'),
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 6 }), (tokens) => {
      try {
        const { minVersion, maxVersion } = tlsVersions(tokens.join(':'));
        assert.ok(minVersion <= maxVersion);
      } catch (error) {
        assert.instance(error, QemuError);
      }
    }),
  );
});

test.run();
