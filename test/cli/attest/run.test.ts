import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { helpText, runAttest } from '../../../src/cli/attest/run.js';
import { awsDocument, awsRootSha256 } from '../../support/attestation.js';
import { deadline } from '../../support/deadline.js';
import { exampleImage } from '../../support/eif-example.js';

const test = suite('nitro-attest');

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nitro-attest-'));
});
test.after(() => rm(dir, { recursive: true }));

interface Outcome {
  status: number;
  output: Buffer;
  errors: string;
}

async function attest(...argv: string[]): Promise<Outcome> {
  const output: Buffer[] = [];
  let errors = '';
  const status = await deadline(
    argv.join(' '),
    runAttest(argv, {
      write: (bytes) => output.push(Buffer.from(bytes)),
      warn: (text) => {
        errors += `${text}\n`;
      },
    }),
  );
  return { status, output: Buffer.concat(output), errors };
}

const path = (name: string) => join(dir, name);
const pcr0 = 'aa'.repeat(48);

test('the root of a directory is made once, in files of the owner', async () => {
  const ca = path('ca');
  const first = await attest('root', '--dir', ca);
  assert.is(first.status, 0, first.errors);
  assert.equal((await attest('root', '--dir', ca)).output, first.output);
  for (const name of ['root-key.pem', 'root.pem']) assert.is((await stat(join(ca, name))).mode & 0o777, 0o600);
  assert.is((await stat(ca)).mode & 0o777, 0o700);
  const certificate = new X509Certificate(first.output);
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey));
});

test('of several that begin at once all get the same root', async () => {
  const roots = await Promise.all(Array.from({ length: 8 }, () => attest('root', '--dir', path('race'))));
  assert.is(new Set(roots.map(({ output }) => output.toString())).size, 1);
});

test('a document made from options verifies with the same options', async () => {
  const ca = path('ca');
  await writeFile(path('key'), 'a key');
  const parts = ['--pcr0', pcr0, '--nonce', '0102', '--user-data', 'ff', '--public-key', `@${path('key')}`];
  const made = await attest('make', '--dir', ca, '--output', path('doc'), ...parts);
  assert.is(made.status, 0, made.errors);
  const root = ['--root', join(ca, 'root.pem')];
  const verified = await attest('verify', path('doc'), ...root, ...parts);
  assert.is(verified.status, 0, verified.output.toString());
  assert.ok(verified.output.toString().endsWith('\nverified\n'));
  const partly = await attest('verify', path('doc'), ...root);
  assert.match(partly.output.toString(), /verified, without a comparison of pcrs, nonce, user-data, public-key\n$/);
});

test('each step has its exit status', async () => {
  const ca = path('ca');
  const root = ['--root', join(ca, 'root.pem')];
  await attest('root', '--dir', path('other'));
  await attest('make', '--dir', ca, '--output', path('doc'), '--pcr0', pcr0, '--nonce', '01');
  await attest('make', '--dir', ca, '--output', path('debug'));
  const doc = await readFile(path('doc'));
  await writeFile(path('cut'), doc.subarray(0, 2000));
  await writeFile(path('signature'), Buffer.concat([doc.subarray(0, -1), Buffer.from([(doc.at(-1) ?? 0) ^ 1])]));
  const later = new Date(Date.now() + 30 * 24 * 3_600_000).toISOString();
  const cases: [status: number, ...argv: string[]][] = [
    [10, path('cut'), ...root],
    [12, path('doc'), '--root', join(path('other'), 'root.pem')],
    [13, path('doc'), ...root, '--at', later],
    [14, path('signature'), ...root],
    [15, path('doc'), ...root, '--max-age', '0'],
    [16, path('doc'), ...root, '--pcr0', 'bb'.repeat(48)],
    [16, path('debug'), ...root],
    [0, path('debug'), ...root, '--debug-mode'],
    [17, path('doc'), ...root, '--nonce', '02'],
    [18, path('doc'), ...root, '--user-data', '02'],
    [19, path('doc'), ...root, '--public-key', '02'],
  ];
  for (const [status, ...argv] of cases) {
    const outcome = await attest('verify', ...argv);
    assert.is(outcome.status, status, outcome.output.toString());
    assert.is(outcome.output.toString().includes('NOT VERIFIED'), status !== 0);
    const json = await attest('verify', ...argv, '--json');
    assert.is(json.status, status);
    assert.is(JSON.parse(json.output.toString()).ok, status === 0);
  }
});

test('the registers of an image are compared with those of the document', async () => {
  const ca = path('ca');
  await writeFile(path('example.eif'), exampleImage);
  await attest('make', '--dir', ca, '--output', path('doc'), '--eif', path('example.eif'));
  const verify = (...more: string[]) =>
    attest('verify', path('doc'), '--root', join(ca, 'root.pem'), '--eif', path('example.eif'), ...more);
  const { status, output } = await verify();
  assert.is(status, 0, output.toString());
  assert.match(output.toString(), /PCR0, PCR1, PCR2, PCR8 as expected/);
  assert.is((await verify('--pcr2', pcr0)).status, 16);
  const shown = JSON.parse((await attest('show', path('doc'))).output.toString());
  // As AWS's builder measured it (spec eif.md, section 10).
  assert.is(
    shown.pcrs.PCR0,
    '87f0de4f10dd6a84e349caacd97790d87ba002e13f1e7d463c3ee00218ed26d203257d7158e972964932869b535a7ede',
  );
});

test('documents are read as bytes, base64 and hex', async () => {
  await writeFile(path('hex'), Buffer.from(awsDocument).toString('hex').replaceAll(/.{80}/g, '$&\n'));
  await writeFile(path('base64'), Buffer.from(awsDocument).toString('base64').replaceAll(/.{76}/g, '$&\r\n'));
  await writeFile(path('base64url'), Buffer.from(awsDocument).toString('base64url'));
  await writeFile(path('bytes'), awsDocument);
  for (const name of ['hex', 'base64', 'base64url', 'bytes']) {
    const { status, output, errors } = await attest('show', path(name));
    assert.is(status, 0, errors);
    assert.is(errors, 'nothing of this is verified\n');
    const shown = JSON.parse(output.toString());
    assert.is(shown.cabundle[0].sha256.replaceAll(':', '').toLowerCase(), awsRootSha256);
  }
});

test('a command line that makes no sense is explained and has status 2', async () => {
  const cases: [string, ...string[]][] = [
    ['the command is missing'],
    ["there is no command 'x'", 'x'],
    ['the document is missing', 'verify'],
    ["option '--root' is missing", 'verify', 'doc'],
    ["unknown option '--rot'", 'verify', 'doc', '--rot', 'x'],
    ["'b' is one document too many", 'verify', 'a', 'b', '--root', 'x'],
    ["option '--pcr0' takes 48 bytes in hex, not 1", 'verify', 'a', '--root', 'x', '--pcr0', '00'],
    ["option '--nonce' takes hex digits, not 'xy'", 'verify', 'a', '--root', 'x', '--nonce', 'xy'],
    ["option '--at' takes a time such as", 'verify', 'a', '--root', 'x', '--at', 'noon'],
    ["option '--root' is given 2 times", 'verify', 'a', '--root', 'x', '--root', 'y'],
    ["the authority is either '--dir DIR' or '--key PEM --cert PEM'", 'root'],
    ["the authority is either '--dir DIR' or '--key PEM --cert PEM'", 'root', '--dir', 'x', '--key', 'y'],
  ];
  for (const [text, ...argv] of cases) {
    const { status, errors } = await attest(...argv);
    assert.is(status, 2, errors);
    assert.ok(errors.startsWith(text), errors);
  }
  assert.equal(await attest('--help'), { status: 0, output: Buffer.from(helpText), errors: '' });
});

test('files that cannot be used are named and give status 1', async () => {
  await writeFile(path('text'), 'no certificate');
  const doc = path('bytes');
  await writeFile(doc, awsDocument);
  const cases: [string, ...string[]][] = [
    ['no-such-file', 'verify', doc, '--root', path('no-such-file')],
    ['cannot use the root certificate', 'verify', doc, '--root', path('text')],
    ['no-such-doc', 'verify', path('no-such-doc'), '--root', join(path('ca'), 'root.pem')],
    ['longer than any attestation document', 'show', '/dev/zero'],
    ['is not a private key in PEM', 'root', '--key', path('text'), '--cert', path('text')],
    ['failed to read EIF', 'verify', doc, '--root', path('text'), '--eif', path('no-such-image')],
  ];
  for (const [text, ...argv] of cases) {
    const { status, errors } = await attest(...argv);
    assert.is(status, 1, errors);
    assert.ok(errors.includes(text), errors);
  }
});

test('a key that is not that of its certificate is refused', async () => {
  const key = join(path('ca'), 'root-key.pem');
  const { status, errors } = await attest('root', '--key', key, '--cert', join(path('other'), 'root.pem'));
  assert.is(status, 1);
  assert.ok(errors.includes('is not that of the certificate'), errors);
});

test.run();
