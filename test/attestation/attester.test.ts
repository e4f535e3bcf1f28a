import { X509Certificate } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAttester, DocumentSigner } from '../../src/attestation/attester.js';
import { readCbor } from '../../src/attestation/cbor.js';
import { createRoot } from '../../src/attestation/chain.js';
import { decodeSign1, decodeSign1Parts } from '../../src/attestation/cose.js';
import { type AttestationDocument, decodeDocument } from '../../src/attestation/document.js';
import { NitroSecureModule } from '../../src/attestation/nsm.js';
import { verifyDocument } from '../../src/attestation/verify.js';
import { awsDocument } from '../support/attestation.js';
import { deadline } from '../support/deadline.js';

const test = suite('attester');

const moduleId = 'i-0650273423ff67567-enc019ce4e28d9371fc';
const region = 'us-east-2';
const start = Date.parse('2026-01-02T03:04:05.678Z');
const hour = 3_600_000;
const root = createRoot(start);
const nothing = { userData: undefined, nonce: undefined, publicKey: undefined };
const pcrs = new Map([[0, Buffer.alloc(48, 1)]]);

const read = (document: Uint8Array): AttestationDocument => decodeDocument(decodeSign1(document).payload);
const certificates = ({ cabundle, certificate }: AttestationDocument) =>
  [...cabundle, certificate].map((der) => new X509Certificate(der));

test('a document verifies under its root, and under no other', () => {
  const document = new DocumentSigner({ root, moduleId }).sign({ ...nothing, pcrs }, start);
  const result = verifyDocument(document, { root: root.certificate, at: start, pcrs });
  assert.ok(result.ok, JSON.stringify(result));
  assert.is(result.document.timestamp, start);
  assert.not(verifyDocument(document, { root: createRoot(start).certificate, at: start }).ok);
});

test('subjects, lives and extensions of the chain are those of a real document', () => {
  const document = read(new DocumentSigner({ root, moduleId, region }).sign({ ...nothing, pcrs }, start));
  const ours = certificates(document);
  const real = certificates(read(awsDocument));
  assert.is(ours.length, real.length);
  for (const [index, certificate] of ours.entries()) {
    const model = real[index];
    assert.ok(model);
    const anonymous = (subject: string) => subject.replace(/CN=[0-9a-f]{16}\./, 'CN=*.');
    assert.is(anonymous(certificate.subject), anonymous(model.subject));
    assert.is(certificate.ca, model.ca);
    assert.equal(certificate.keyUsage, model.keyUsage);
    assert.equal(certificate.publicKey.asymmetricKeyDetails, model.publicKey.asymmetricKeyDetails);
    const issuer = ours[index - 1];
    if (issuer !== undefined) {
      assert.ok(certificate.checkIssued(issuer));
      assert.ok(certificate.verify(issuer.publicKey));
    }
  }
  const life = (certificate: X509Certificate | undefined) =>
    Date.parse(certificate?.validTo ?? '') - Date.parse(certificate?.validFrom ?? '');
  assert.is(life(ours.at(-1)), life(real.at(-1)));
});

test('the keys of a payload come in the order of a real document', () => {
  const keysOf = (document: Uint8Array) => {
    const { item } = readCbor(decodeSign1(document).payload);
    return item.type === 'map' ? item.entries.map(([key]) => (key.type === 'text' ? key.value : '')) : [];
  };
  const document = new DocumentSigner({ root, moduleId }).sign({ ...nothing, pcrs }, start);
  assert.equal(keysOf(document), keysOf(awsDocument));
  assert.equal(decodeSign1(document).protectedHeader, decodeSign1(awsDocument).protectedHeader);
});

test('certificates are kept while they last and made again before they end, at any time valid', () => {
  const signer = new DocumentSigner({ root, moduleId });
  const serials = new Set<string>();
  const signAt = (time: number) => {
    const document = signer.sign({ ...nothing, pcrs }, time);
    for (const at of [time, time + 0.45 * hour]) {
      assert.ok(verifyDocument(document, { root: root.certificate, at }).ok, new Date(at).toISOString());
    }
    const certificate = certificates(read(document)).at(-1);
    serials.add(certificate?.serialNumber ?? '');
  };
  for (let time = start; time < start + 2 * hour; time += hour / 4) signAt(time);
  assert.is(serials.size, 1);
  for (let day = 0; day < 45; day++) signAt(start + day * 24 * hour);
  assert.is(serials.size, 45);
});

test('a clock that is set back gets certificates of its time', () => {
  const signer = new DocumentSigner({ root: createRoot(start - 100 * hour), moduleId });
  signer.sign({ ...nothing, pcrs }, start);
  const { certificate } = read(signer.sign({ ...nothing, pcrs }, start - 50 * hour));
  assert.ok(Date.parse(new X509Certificate(certificate).validFrom) <= start - 50 * hour);
});

test('long module ids are cut to what a common name holds', () => {
  const signer = new DocumentSigner({ root, moduleId: `i-${'9'.repeat(300)}-enc${'8'.repeat(300)}` });
  const document = signer.sign({ ...nothing, pcrs }, start);
  assert.ok(verifyDocument(document, { root: root.certificate, at: start }).ok);
});

test("a module's answer to an Attestation request is a document of its locked registers", async () => {
  const attest = createAttester({ mode: 'signed', root: createRoot(Date.now()) });
  const nsm = new NitroSecureModule({ moduleId, attest, random: (n) => new Uint8Array(n), strict: true });
  nsm.pcrs.extend(3, Buffer.from('role'));
  nsm.pcrs.extend(17, Buffer.from('application'));
  for (const index of [0, 3, 16]) nsm.pcrs.lock(index);
  const request = Buffer.from('a16b4174746573746174696f6ea369757365725f64617461427564656e6f6e6365', 'hex');
  const rest = Buffer.from('4201026a7075626c69635f6b6579f6', 'hex');
  const response = await deadline('the answer', nsm.handle(Buffer.concat([request, rest])));
  const outer = readCbor(response).item;
  const inner = outer.type === 'map' ? outer.entries[0]?.[1] : undefined;
  const bytes = inner?.type === 'map' ? inner.entries[0]?.[1] : undefined;
  assert.ok(bytes?.type === 'bytes');
  const document = read(bytes.value);
  assert.equal([...document.pcrs.keys()], [0, 3, 16]);
  assert.equal(document.pcrs.get(3), nsm.pcrs.value(3));
  assert.is(Buffer.from(document.userData ?? []).toString(), 'ud');
  assert.is(Buffer.from(document.nonce ?? []).toString('hex'), '0102');
  assert.is(document.publicKey, undefined);
});

test("unsigned mode gives QEMU's bytes", async () => {
  const attest = createAttester({ mode: 'unsigned' }, undefined, () => Date.parse('2025-01-02T03:04:05.678Z'));
  const random = (length: number) => new Uint8Array(length);
  const nsm = new NitroSecureModule({ moduleId: 'i-234-enc5678', attest, random, strict: false });
  for (let index = 0; index < 16; index++) nsm.pcrs.lock(index);
  const request = 'a16b4174746573746174696f6ea369757365725f64617461427564656e6f6e63654201026a7075626c69635f6b6579f6';
  const response = Buffer.from(await deadline('the answer', nsm.handle(Buffer.from(request, 'hex'))));
  const zero = (bytes: number) => '00'.repeat(bytes);
  const registers = Array.from({ length: 16 }, (_, i) => `${i.toString(16).padStart(2, '0')}5830${zero(48)}`).join('');
  const spec = [
    'a16b4174746573746174696f6ea168646f63756d656e74590477',
    '8443a10120a059042ca9696d6f64756c655f69646d692d3233342d656e633536373866646967657374665348413338346974696d657374616d70',
    `1b0000019424f860886470637273b0${registers}`,
    `6b63657274696669636174655840${zero(64)}6863616275 6e646c65815840${zero(64)}`.replace(' ', ''),
    '6a7075626c69635f6b6579f669757365725f646174614275 64656e6f6e6365420102'.replace(' ', ''),
    `5840${zero(64)}`,
  ].join('');
  assert.is(response.toString('hex'), spec);
  assert.is(response.length, 1169);
  assert.is(verifyDocument(decodeDocumentBytes(response), { root: root.certificate }).ok, false);
});

/** The document in a response. */
function decodeDocumentBytes(response: Uint8Array): Uint8Array {
  const document = response.subarray(26);
  assert.is(decodeSign1Parts(document).signature.length, 64);
  return document;
}

test.run();
