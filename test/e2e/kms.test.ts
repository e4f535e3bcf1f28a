import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';

const test = suite('nitro-kms against python and openssl');

const tool = (name: string) => fileURLToPath(new URL(`../../bundle/src/bin/${name}.js`, import.meta.url));
const client = fileURLToPath(new URL('../../../test/support/kms_client.py', import.meta.url));
const has = (program: string) => (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, program)));
const missing = ['python3', 'openssl'].find((program) => !has(program));
const pcr0 = 'ab'.repeat(48);

let dir = '';
let server: ChildProcess | undefined;
const path = (name: string) => join(dir, name);

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kms-e2e-'));
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  await writeFile(path('enclave-key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  await writeFile(path('enclave-key.der'), publicKey.export({ format: 'der', type: 'spki' }));
  const Condition = { StringEqualsIgnoreCase: { 'kms:RecipientAttestation:PCR0': pcr0 } };
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*', Condition }];
  await writeFile(path('policy.json'), JSON.stringify({ Statement }));
});
test.after(() => rm(dir, { recursive: true }));
test.after.each(() => {
  server?.kill();
  server = undefined;
});

/** Starts the server. @returns its addresses, or undefined when it ends before it has `count` */
async function serve(count: number, ...argv: string[]): Promise<string[] | undefined> {
  run('nitro-attest', 'root', '--dir', path('ca'));
  const options = ['serve', '--root', path('ca/root.pem'), '--dir', path('tls'), ...argv];
  const child = spawn(process.execPath, [tool('nitro-kms'), ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  server = child;
  const urls: string[] = [];
  await deadline(
    'the addresses',
    (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        urls.push(line);
        if (urls.length === count) return;
      }
    })(),
    30_000,
  );
  return urls.length === count ? urls : undefined;
}

function run(name: string, ...argv: string[]): string {
  return execFileSync(process.execPath, [tool(name), ...argv], { encoding: 'utf8', timeout: 60_000 });
}

function call(url: string | undefined, operation: string, input: object, ...ca: string[]): Record<string, string> {
  const argv = [client, url ?? '', operation, ...ca];
  return JSON.parse(execFileSync('python3', argv, { input: JSON.stringify(input), encoding: 'utf8', timeout: 60_000 }));
}

function recipient(value: string): object {
  const parts = ['--pcr0', value, '--public-key', `@${path('enclave-key.der')}`];
  const document = run('nitro-attest', 'make', '--dir', path('ca'), '--base64', ...parts).trim();
  return { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: document };
}

test('openssl reads what is meant for the recipient, over HTTP and HTTPS', async () => {
  if (missing !== undefined) return console.log(`SKIP ${missing} is not installed`);
  const keys = path('keys.json');
  const KeyId = run('nitro-kms', 'create-key', '--keys', keys, '--policy', path('policy.json')).trim();
  const urls = await serve(2, '--keys', keys, '--listen', '0', '--https', '0');
  const ca = path('tls/root.pem');
  assert.is(await readFile(ca, 'utf8'), run('nitro-kms', 'root', '--dir', path('tls')));
  const [http, https] = urls ?? [];
  const made = call(https, 'GenerateDataKey', { KeyId, KeySpec: 'AES_256', Recipient: recipient(pcr0) }, ca);
  const { CiphertextBlob } = made;
  const again = call(http, 'Decrypt', { CiphertextBlob, Recipient: recipient(pcr0) });
  const open = async ({ CiphertextForRecipient: text }: Record<string, string>): Promise<string> => {
    await writeFile(path('cms'), Buffer.from(text ?? '', 'base64'));
    const argv = [
      'cms',
      '-decrypt',
      '-inform',
      'DER',
      '-in',
      path('cms'),
      '-inkey',
      path('enclave-key.pem'),
      '-binary',
    ];
    const { status, stdout, stderr } = spawnSync('openssl', argv, { timeout: 60_000 });
    assert.is(status, 0, String(stderr));
    return stdout.toString('hex');
  };
  const dataKey = await open(made);
  assert.is(dataKey.length, 64);
  assert.is(await open(again), dataKey);
  const printed = execFileSync('openssl', ['cms', '-cmsout', '-print', '-inform', 'DER', '-in', path('cms')], {
    encoding: 'utf8',
  });
  for (const text of ['pkcs7-envelopedData', 'rsaesOaep', 'aes-256-cbc', 'sha256'])
    assert.ok(printed.includes(text), text);
});

test('the document of another image is refused with the condition that failed', async () => {
  if (missing !== undefined) return console.log(`SKIP ${missing} is not installed`);
  const urls = await serve(1, '--key', `app,policy=${path('policy.json')}`, '--listen', '0');
  const other = { KeyId: 'alias/app', KeySpec: 'AES_256', Recipient: recipient('cd'.repeat(48)) };
  const { __type, message } = call(urls?.[0], 'GenerateDataKey', other);
  assert.is(__type, 'AccessDeniedException');
  assert.match(message ?? '', /condition StringEqualsIgnoreCase kms:RecipientAttestation:PCR0 is (cd)+, not (ab)+/);
});

test('it is served on a vsock port', async () => {
  if (missing !== undefined) return console.log(`SKIP ${missing} is not installed`);
  if (!existsSync('/dev/vsock')) return console.log('SKIP there is no /dev/vsock');
  const urls = await serve(1, '--key', 'app', '--listen', 'vsock:1:28180');
  if (urls === undefined) return console.log('SKIP vsock has no loopback here');
  const { Plaintext } = call('http://vsock:1:28180', 'GenerateRandom', { NumberOfBytes: 10 });
  assert.is(Buffer.from(Plaintext ?? '', 'base64').length, 10);
});

test.run();
