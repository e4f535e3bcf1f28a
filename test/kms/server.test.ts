import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateRandomCommand,
  KMSClient,
  type KMSClientConfig,
} from '@aws-sdk/client-kms';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toPem } from '../../src/attestation/pem.js';
import { helpText, runKms } from '../../src/cli/kms/run.js';
import { type Serving, serve } from '../../src/cli/kms/serve.js';
import { KeyStore } from '../../src/kms/keys.js';
import { createKmsServer } from '../../src/kms/server.js';
import { KmsService } from '../../src/kms/service.js';
import { deadline } from '../support/deadline.js';
import { duplexPair } from '../support/duplex-pair.js';
import { TestEnclave } from '../support/kms.js';

const test = suite('nitro-kms');

const enclave = new TestEnclave();
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const pcr0 = Buffer.alloc(48, 1).toString('hex');
let dir = '';
let serving: Serving | undefined;
let log: string[] = [];
const clients: KMSClient[] = [];
const path = (name: string) => join(dir, name);

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nitro-kms-'));
  await writeFile(path('root.pem'), toPem(enclave.root.certificate));
  await writeFile(path('credentials.json'), JSON.stringify([credentials]));
  const Condition = { StringEquals: { 'kms:RecipientAttestation:ImageSha384': pcr0 } };
  const statement = { Effect: 'Allow', Principal: '*', Resource: '*' };
  const Statement = [
    { ...statement, Action: 'kms:Encrypt' },
    { ...statement, Action: 'kms:*', Condition },
  ];
  await writeFile(path('policy.json'), JSON.stringify({ Version: '2012-10-17', Statement }));
});
test.after(() => rm(dir, { recursive: true }));
test.before.each(() => {
  log = [];
});
test.after.each(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await serving?.close();
  serving = undefined;
});

async function start(...argv: string[]): Promise<readonly string[]> {
  const options = ['--root', path('root.pem'), '--key', `image,policy=${path('policy.json')}`, ...argv];
  const begun = await deadline(
    'the server',
    serve(options, (line) => log.push(line)),
  );
  serving = begun;
  return begun.urls;
}

function client(endpoint: string | undefined, more: KMSClientConfig = {}): KMSClient {
  const made = new KMSClient({ endpoint: endpoint ?? '', region: 'us-east-1', credentials, maxAttempts: 1, ...more });
  clients.push(made);
  return made;
}

const errorName = (work: Promise<unknown>): Promise<string> =>
  deadline('the refusal', work).then(
    () => 'no error',
    (error: Error) => `${error.name}: ${error.message}`,
  );

test("AWS's SDK decrypts for an enclave, over HTTP with verified signatures", async () => {
  const [url] = await start('--listen', '0', '--credentials', path('credentials.json'));
  const kms = client(url);
  const encrypted = await kms.send(new EncryptCommand({ KeyId: 'alias/image', Plaintext: Buffer.from('secret') }));
  const { CiphertextBlob } = encrypted;
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob, Recipient: enclave.recipient() }));
  assert.is(opened.Plaintext, undefined);
  assert.is(enclave.open(opened.CiphertextForRecipient ?? Buffer.alloc(0)).toString(), 'secret');
  const generated = await kms.send(
    new GenerateDataKeyCommand({ KeyId: 'alias/image', KeySpec: 'AES_256', Recipient: enclave.recipient() }),
  );
  assert.is(enclave.open(generated.CiphertextForRecipient ?? Buffer.alloc(0)).length, 32);
  const random = await kms.send(new GenerateRandomCommand({ NumberOfBytes: 24, Recipient: enclave.recipient() }));
  assert.is(enclave.open(random.CiphertextForRecipient ?? Buffer.alloc(0)).length, 24);
  assert.is((await kms.send(new GenerateRandomCommand({ NumberOfBytes: 24 }))).Plaintext?.length, 24);
  assert.ok(
    log.some((line) => line.endsWith(' Decrypt: done')),
    log.join('\n'),
  );
});

test("AWS's SDK sees refusals as those of KMS", async () => {
  const [url] = await start('--listen', '0', '--credentials', path('credentials.json'));
  const kms = client(url);
  const { CiphertextBlob } = await kms.send(
    new EncryptCommand({ KeyId: 'alias/image', Plaintext: Buffer.from('secret') }),
  );
  const wrong = new DecryptCommand({ CiphertextBlob, Recipient: enclave.recipient(2) });
  assert.match(await errorName(kms.send(wrong)), /^AccessDeniedException: .*ImageSha384 is (02)+, not (01)+$/);
  const missing = new EncryptCommand({ KeyId: 'alias/none', Plaintext: Buffer.from('x') });
  assert.match(await errorName(kms.send(missing)), /^NotFoundException/);
  const other = client(url, { credentials: { ...credentials, secretAccessKey: 'wrong' } });
  assert.match(await errorName(other.send(wrong)), /^InvalidSignatureException/);
  const stranger = client(url, { credentials: { ...credentials, accessKeyId: 'AKIDOTHER' } });
  assert.match(await errorName(stranger.send(wrong)), /^UnrecognizedClientException/);
});

test("AWS's SDK trusts the HTTPS server by the root that is kept, for the name of KMS", async () => {
  const ca = path('tls');
  const [url] = await start('--https', '0', '--dir', ca, '--quiet');
  const root = await output('root', '--dir', ca);
  const trusting = client(url, {
    requestHandler: { httpsAgent: new Agent({ ca: root, servername: 'kms.us-east-1.amazonaws.com' }) },
  });
  const { Plaintext } = await trusting.send(new GenerateRandomCommand({ NumberOfBytes: 8 }));
  assert.is(Plaintext?.length, 8);
  assert.match(await errorName(client(url).send(new GenerateRandomCommand({ NumberOfBytes: 8 }))), /certificate/);
  const elsewhere = new Agent({ ca: root, servername: 'kms.eu-west-1.amazonaws.com' });
  const misled = client(url, { requestHandler: { httpsAgent: elsewhere } });
  assert.match(await errorName(misled.send(new GenerateRandomCommand({ NumberOfBytes: 8 }))), /altnames/);
  assert.is(log.length, 1);
});

interface Reply {
  status: number;
  content: { __type?: string; message?: string };
}

function post(socketPath: string, body: string, headers: Record<string, string>, method = 'POST'): Promise<Reply> {
  const reply = new Promise<Reply>((resolve, reject) => {
    let status = 0;
    let text = '';
    const sent = request({ socketPath, method, path: '/', headers }, (response) => {
      status = response.statusCode ?? 0;
      response.on('data', (data) => {
        text += data;
      });
    });
    sent.on('close', () => resolve({ status, content: JSON.parse(text) }));
    sent.on('error', reject);
    sent.end(body);
  });
  return deadline('the reply', reply);
}

test('requests that are not those of KMS are refused on a unix socket too', async () => {
  const socket = path('kms.sock');
  assert.equal(await start('--listen', `unix:${socket}`), [`http://unix:${socket}`]);
  const target = { 'X-Amz-Target': 'TrentService.GenerateRandom' };
  const cases: [type: string | undefined, reply: Promise<Reply>][] = [
    [undefined, post(socket, '{"NumberOfBytes":1}', target)],
    ['UnknownOperationException', post(socket, '{}', {})],
    ['UnknownOperationException', post(socket, '{}', { 'X-Amz-Target': 'Other.GenerateRandom' })],
    ['UnknownOperationException', post(socket, '', target, 'PUT')],
    ['SerializationException', post(socket, '{', target)],
    ['IncompleteSignatureException', post(socket, '{}', { ...target, Authorization: 'x' })],
    ['ValidationException', post(socket, ' '.repeat(600_000), target)],
  ];
  for (const [type, reply] of cases) {
    const { status, content } = await reply;
    assert.is(content.__type, type);
    assert.is(status, type === undefined ? 200 : 400);
  }
});

test('it serves streams of any kind that are handed to it, as vsock needs', async () => {
  const keys = new KeyStore([], 'us-east-1');
  const service = new KmsService({ keys, roots: [enclave.root.certificate] });
  const server = createKmsServer({ service, credentials: [], log: () => undefined });
  const [ours, theirs] = duplexPair();
  server.emit('connection', theirs);
  const reply = new Promise<string>((resolve) => {
    let text = '';
    ours.on('data', (data) => {
      text += data;
      if (text.includes('Plaintext')) resolve(text);
    });
  });
  const body = '{"NumberOfBytes":3}';
  const head = ['POST / HTTP/1.1', 'Host: kms', 'X-Amz-Target: TrentService.GenerateRandom'];
  ours.write([...head, `Content-Length: ${body.length}`, '', body].join('\r\n'));
  assert.match(await deadline('the reply', reply), /^HTTP\/1\.1 200 OK\r\n/);
  ours.destroy();
  server.close();
});

test('a client that sends no HTTP, or nothing, does not disturb others', async () => {
  const socket = path('noise.sock');
  await start('--listen', `unix:${socket}`);
  const noise = connect(socket);
  const silent = connect(socket);
  noise.on('error', () => undefined).end('no http\r\n\r\n');
  await deadline('the end', new Promise((resolve) => noise.resume().once('close', resolve)));
  const { status } = await post(socket, '{"NumberOfBytes":1}', { 'X-Amz-Target': 'TrentService.GenerateRandom' });
  assert.is(status, 200);
  silent.destroy();
});

async function kmsTool(...argv: string[]): Promise<{ status: number; output: string; errors: string }> {
  let text = '';
  let errors = '';
  const status = await deadline(
    argv.join(' '),
    runKms(argv, {
      write: (part) => {
        text += part;
      },
      warn: (line) => {
        errors += `${line}\n`;
      },
      ended: async () => undefined,
    }),
  );
  return { status, output: text, errors };
}

async function output(...argv: string[]): Promise<string> {
  const { status, output: text, errors } = await kmsTool(...argv);
  assert.is(status, 0, errors);
  return text;
}

test('keys that create-key has put into a file are there in every run', async () => {
  const keys = path('keys.json');
  const id = (await output('create-key', '--keys', keys, '--alias', 'app')).trim();
  await output('create-key', '--keys', keys, '--policy', path('policy.json'));
  assert.is((await stat(keys)).mode & 0o777, 0o600);
  assert.is(JSON.parse(await readFile(keys, 'utf8')).keys.length, 2);
  let CiphertextBlob: Uint8Array | undefined;
  for (let run = 0; run < 2; run++) {
    const [url] = await start('--listen', '0', '--keys', keys);
    const kms = client(url);
    const encrypted = await kms.send(new EncryptCommand({ KeyId: 'alias/app', Plaintext: Buffer.from('kept') }));
    CiphertextBlob ??= encrypted.CiphertextBlob;
    const { Plaintext, KeyId } = await kms.send(new DecryptCommand({ CiphertextBlob }));
    assert.is(Buffer.from(Plaintext ?? []).toString(), 'kept');
    assert.ok(KeyId?.endsWith(`:key/${id}`));
    await serving?.close();
  }
});

test('a command line that makes no sense is explained and has status 2, a bad file has status 1', async () => {
  await writeFile(path('text'), 'text');
  await writeFile(path('list.json'), '[]');
  const root = ['--root', path('root.pem')];
  const cases: [number, string, ...string[]][] = [
    [2, 'the command is missing'],
    [2, "there is no command 'x'", 'x'],
    [2, "option '--root' is missing", 'serve'],
    [2, "'x' is not an option", 'serve', 'x'],
    [2, "'0.0.0.0:80' is not an address: [HOST:]PORT on loopback", 'serve', ...root, '--listen', '0.0.0.0:80'],
    [2, "'127.0.0.1:99999' is not an address", 'serve', ...root, '--listen', '127.0.0.1:99999'],
    [2, "'vsock:' is not an address", 'serve', ...root, '--listen', 'vsock:'],
    [2, "'unix:' is not an address", 'serve', ...root, '--listen', 'unix:'],
    [2, "option '--https' needs '--dir DIR'", 'serve', ...root, '--https', '0'],
    [2, "option '--key' takes ALIAS[,policy=FILE]", 'serve', ...root, '--key', ',policy=x'],
    [2, "option '--keys' is missing", 'create-key'],
    [2, "option '--dir' is missing", 'root'],
    [1, 'cannot use the root certificate', 'serve', '--root', path('text')],
    [1, "cannot use '", 'serve', ...root, '--keys', path('text')],
    [1, 'it is not {"keys"', 'serve', ...root, '--keys', path('list.json')],
    [1, "cannot use '", 'serve', ...root, '--credentials', path('text')],
    [1, 'EACCES', 'serve', ...root, '--listen', `unix:${path('text')}/x`],
    [1, 'the policy is not an object', 'create-key', '--keys', path('new.json'), '--policy', path('list.json')],
  ];
  for (const [status, text, ...argv] of cases) {
    const result = await kmsTool(...argv);
    assert.is(result.status, status, result.errors);
    assert.ok(result.errors.includes(text) || /ENOTDIR|EACCES/.test(result.errors), `${text}: ${result.errors}`);
  }
  assert.is(await output('--help'), helpText);
});

test.run();
