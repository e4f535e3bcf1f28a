import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isIssuedBy, readCertificate } from '../../src/attestation/certificate.js';
import { decodeSign1, ShapeError } from '../../src/attestation/cose.js';
import { decodeDocument } from '../../src/attestation/document.js';
import { issue, usage } from '../../src/attestation/issue.js';
import { readRoot, toPem } from '../../src/attestation/pem.js';
import { awsDocument, certificateRequest } from '../support/attestation.js';

const test = suite('certificates of attestation chains');

const document = decodeDocument(decodeSign1(awsDocument).payload);
const real = [...document.cabundle, document.certificate];

test('a real chain reads as OpenSSL reads it', () => {
  const chain = real.map(readCertificate);
  for (const [index, certificate] of chain.entries()) {
    const model = new X509Certificate(certificate.raw);
    assert.is(certificate.notBefore, Date.parse(model.validFrom));
    assert.is(certificate.notAfter, Date.parse(model.validTo));
    assert.is(certificate.authority, model.ca);
    assert.ok(certificate.publicKey.equals(model.publicKey));
    const above = chain[index - 1];
    if (above !== undefined) assert.ok(isIssuedBy(certificate, above));
  }
  assert.equal(
    chain.map(({ pathLength }) => pathLength),
    [undefined, 2, 1, 0, undefined],
  );
  assert.equal(
    chain.map(({ canSign }) => canSign),
    [true, true, true, false, true],
  );
});

test('what is issued reads as it was asked for, and as OpenSSL reads it', () => {
  const root = issue(certificateRequest('root', { pathLength: 'any' }));
  const year = 31_557_600_000;
  const request = fc.record({
    name: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
    // UTCTime ends with 2049, GeneralizedTime begins.
    notBefore: fc.integer({ min: 0, max: 60 }).map((years) => Date.UTC(2000) + years * year),
    life: fc.integer({ min: 1000, max: 30 * year }),
    pathLength: fc.constantFrom(undefined, 'any' as const, 0, 1, 127, 128, 70_000),
    flags: fc.constantFrom(...Object.values(usage)),
  });
  fc.assert(
    fc.property(request, ({ name, notBefore, life, pathLength, flags }) => {
      const asked = { subject: [['CN', name]] as const, notBefore, notAfter: notBefore + life, usage: flags };
      const { certificate: raw, key } = issue(pathLength === undefined ? asked : { ...asked, pathLength }, root);
      const read = readCertificate(raw);
      const model = new X509Certificate(raw);
      assert.is(read.notBefore, Math.floor(notBefore / 1000) * 1000);
      assert.is(read.notAfter, Math.floor((notBefore + life) / 1000) * 1000);
      assert.is(read.notBefore, Date.parse(model.validFrom));
      assert.is(read.notAfter, Date.parse(model.validTo));
      assert.is(read.authority, pathLength !== undefined);
      // OpenSSL calls it one only if it may sign certificates, too.
      assert.is(read.authority && read.canSignCertificates, model.ca);
      assert.is(read.pathLength, typeof pathLength === 'number' ? pathLength : undefined);
      assert.is(read.canSign, flags !== usage.instance);
      assert.is(read.canSignCertificates, flags !== usage.leaf);
      assert.ok(model.checkPrivateKey(key));
      assert.ok(model.verify(new X509Certificate(root.certificate).publicKey));
      assert.ok(isIssuedBy(read, readCertificate(root.certificate)));
    }),
    { numRuns: 40 },
  );
});

test('hosts of a server are those that it was asked for', () => {
  const hosts = { dns: ['kms.us-east-1.amazonaws.com', 'localhost'], ip: ['127.0.0.1', '::1'] };
  const server = issue(certificateRequest('server', { usage: usage.leaf, hosts }));
  const model = new X509Certificate(server.certificate);
  assert.is(model.checkHost('kms.us-east-1.amazonaws.com'), 'kms.us-east-1.amazonaws.com');
  assert.is(model.checkHost('kms.eu-west-1.amazonaws.com'), undefined);
  assert.is(model.checkIP('127.0.0.1'), '127.0.0.1');
  assert.is(model.checkIP('::1'), '::1');
});

/** The one place where `from` stands in `bytes` holds `to` instead. */
function replaced(bytes: Uint8Array, from: string, to: string): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(Buffer.from(from, 'hex'));
  assert.ok(at >= 0, `${from} is not there`);
  copy.set(Buffer.from(to, 'hex'), at);
  return copy;
}

test('certificates of another kind are refused', () => {
  const { certificate } = issue(certificateRequest('leaf', { usage: usage.leaf }));
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' });
  const cases: [RegExp, Uint8Array][] = [
    [/cut off/, certificate.subarray(0, -1)],
    [/other DER than expected/, Buffer.concat([certificate, Buffer.from('0500', 'hex')])],
    [/other DER than expected/, Buffer.from('3100', 'hex')],
    [/not a certificate/, Buffer.from('3000', 'hex')],
    [/not of version 3/, replaced(certificate, 'a003020102', 'a003020101')],
    // ecdsa-with-SHA256 instead of SHA384.
    [/ECDSA over SHA-384/, replaced(certificate, '2a8648ce3d040303', '2a8648ce3d040302')],
    // secp521r1's name for a point of P-384.
    [/without a usable public key|not on P-384/, replaced(certificate, '2b81040022', '2b81040023')],
    // keyUsage under a name that is not known, and critical.
    [
      /unknown critical extension 551d1e/,
      replaced(issue(certificateRequest('ca', { pathLength: 0 })).certificate, '551d0f', '551d1e'),
    ],
    // basicConstraints under the name of keyUsage.
    [/extension 551d0f twice/, replaced(certificate, '551d13', '551d0f')],
    [/version|certificate|DER/, p256],
  ];
  for (const [text, bytes] of cases) {
    assert.throws(
      () => readCertificate(bytes),
      (error: Error) => error instanceof ShapeError && text.test(error.message),
      String(text),
    );
  }
});

test('a root is read from PEM and DER, alone', () => {
  const [der = new Uint8Array()] = real;
  const pem = toPem(der);
  assert.is(new X509Certificate(pem).toString(), pem);
  for (const bytes of [der, Buffer.from(pem), Buffer.from(`a comment\n${pem}`)]) {
    assert.is(Buffer.compare(readRoot(bytes), der), 0);
  }
  assert.throws(() => readRoot(Buffer.from(pem + pem)), /more than one certificate/);
  assert.throws(() => readRoot(document.certificate), /may not sign others/);
  assert.throws(() => readRoot(Buffer.from('text')));
});

test.run();
