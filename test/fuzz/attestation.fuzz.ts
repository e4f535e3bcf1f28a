import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCertificate } from '../../src/attestation/certificate.js';
import { decodeSign1Parts, ShapeError } from '../../src/attestation/cose.js';
import { decodeDocument } from '../../src/attestation/document.js';
import { awsDocument } from '../support/attestation.js';

const test = suite('fuzz/attestation');
const numRuns = 1_000_000;

/** A copy of `bytes` with some of them changed, or cut off. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  return fc.tuple(fc.array(change, { maxLength: 6 }), fc.option(fc.nat(bytes.length))).map(([changes, length]) => {
    const copy = bytes.slice(0, length ?? bytes.length);
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });
}

/** Runs a reader of untrusted bytes. It either reads or says what is wrong. */
function readsOrRefuses(read: (bytes: Uint8Array) => unknown) {
  return (bytes: Uint8Array): void => {
    try {
      read(bytes);
    } catch (error) {
      assert.instance(error, ShapeError);
    }
  };
}

const payload = decodeSign1Parts(awsDocument).payload;
const { certificate } = decodeDocument(payload);

test('damaged messages and payloads are read or refused', () => {
  fc.assert(fc.property(damaged(awsDocument), readsOrRefuses(decodeSign1Parts)), { numRuns: numRuns / 4 });
  fc.assert(fc.property(damaged(payload), readsOrRefuses(decodeDocument)), { numRuns: numRuns / 4 });
});

test('damaged certificates are read or refused', () => {
  fc.assert(fc.property(damaged(certificate), readsOrRefuses(readCertificate)), { numRuns: numRuns / 2 });
});

test.run();
