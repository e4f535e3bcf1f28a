import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('attestation against python and openssl');

const bin = fileURLToPath(new URL('../../bundle/src/bin/nitro-attest.js', import.meta.url));
const maker = fileURLToPath(new URL('../../../test/support/attestation_maker.py', import.meta.url));
const library = fileURLToPath(new URL('../../bundle/src/attestation/index.js', import.meta.url));
const has = (program: string) => (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, program)));
const missing = ['python3', 'openssl'].find((program) => !has(program));

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attestation-e2e-'));
});
test.after(() => rm(dir, { recursive: true }));

const attest = (...argv: string[]) =>
  spawnSync(process.execPath, [bin, ...argv], { encoding: 'utf8', timeout: 60_000 });
const python = (...argv: string[]) =>
  execFileSync('python3', [maker, ...argv], {
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });

const pcr0 = 'aa'.repeat(48);

test('a document that python and openssl have made verifies', () => {
  if (missing !== undefined) return console.log(`SKIP ${missing} is not installed`);
  python('make', dir);
  const parts = ['--pcr0', pcr0, '--nonce', '0102', '--user-data', Buffer.from('ud').toString('hex')];
  const good = attest('verify', join(dir, 'doc'), '--root', join(dir, 'root.pem'), ...parts);
  assert.is(good.status, 0, good.stdout + good.stderr);
  const wrong = attest('verify', join(dir, 'doc'), '--root', join(dir, 'upper.pem'));
  assert.is(wrong.status, 12, wrong.stdout + wrong.stderr);
});

test('python and openssl accept chain and signature of a document of ours', () => {
  if (missing !== undefined) return console.log(`SKIP ${missing} is not installed`);
  const ca = join(dir, 'ca');
  const id = 'i-0123456789abcdef0-enc0123456789abcdef';
  const made = attest(
    'make',
    '--dir',
    ca,
    '--output',
    join(dir, 'ours'),
    '--pcr0',
    pcr0,
    '--nonce',
    '07',
    '--module-id',
    id,
  );
  assert.is(made.status, 0, made.stderr);
  const content = JSON.parse(python('check', join(dir, 'ours'), join(ca, 'root.pem')));
  assert.is(content.module_id, id);
  assert.is(content.pcrs[0], pcr0);
  assert.is(content.nonce, '07');
  assert.is(content.subjects.length, 5);
  assert.match(content.subjects[4], new RegExp(`CN = ${id}.us-east-1.aws$`));
});

test('the library that packages import makes and verifies documents', async () => {
  await writeFile(
    join(dir, 'use.mjs'),
    `import { createRoot, DocumentSigner, verifyDocument } from ${JSON.stringify(library)};
const root = createRoot(Date.now());
const pcrs = new Map([[0, Buffer.alloc(48, 1)]]);
const parts = { pcrs, nonce: undefined, userData: undefined, publicKey: undefined };
const document = new DocumentSigner({ root, moduleId: 'i-1-enc2' }).sign(parts, Date.now());
console.log(verifyDocument(document, { root: root.certificate, pcrs }).ok);`,
  );
  assert.is(execFileSync(process.execPath, [join(dir, 'use.mjs')], { encoding: 'utf8', timeout: 60_000 }), 'true\n');
});

test.run();
