import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAttester } from '../../src/attestation/attester.js';
import { readCertificate } from '../../src/attestation/certificate.js';
import { createRoot } from '../../src/attestation/chain.js';
import { decodeSign1, verifyEs384 } from '../../src/attestation/cose.js';
import { decodeDocument } from '../../src/attestation/document.js';
import { NitroSecureModule } from '../../src/attestation/nsm.js';
import { verifyDocument } from '../../src/attestation/verify.js';
import { awsDocument, awsDocumentTime } from '../support/attestation.js';
import { deadline } from '../support/deadline.js';
import { median } from '../support/load-client.js';

const bench = suite('attestation');

const rounds = 15;
const perRound = 20;

/** Medians, ms of one operation of each side; the sides take turns, so that a busy host slows both. */
async function compare(ours: () => unknown, bare: () => unknown): Promise<[ours: number, bare: number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds + 2; round++) {
    for (const [side, run] of [ours, bare].entries()) {
      const started = performance.now();
      for (let i = 0; i < perRound; i++) await run();
      // The first rounds warm up.
      if (round >= 2) times[side]?.push((performance.now() - started) / perRound);
    }
  }
  return [median(times[0]), median(times[1])];
}

function report(what: string, [ours, bare]: [number, number]): number {
  const ratio = bare / ours;
  console.log(`${what} ${ours.toFixed(2)} ms, bare ${bare.toFixed(2)} ms, ${ratio.toFixed(2)}x its rate`);
  return ratio;
}

/** {"Attestation": {user_data: null, nonce: "nonce", public_key: null}} */
const request = Buffer.from(
  'a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365456e6f6e63656a7075626c69635f6b6579f6',
  'hex',
);

bench('the module answers attestation requests at 0.7 of the rate of bare P-384 signatures', async () => {
  const attest = createAttester({ mode: 'signed', root: createRoot(Date.now()) });
  const nsm = new NitroSecureModule({ moduleId: 'i-1-enc2', attest, random: randomBytes, strict: true });
  for (let index = 0; index < 16; index++) nsm.pcrs.lock(index);
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const answer = await deadline('the first answer', nsm.handle(request));
  const figures = await compare(
    () => nsm.handle(request),
    () => sign('sha384', answer, { key, dsaEncoding: 'ieee-p1363' }),
  );
  assert.ok(report('attestation request', figures) >= 0.7);
});

bench('a document is verified at half the rate of its bare signature checks', async () => {
  const message = decodeSign1(awsDocument);
  const { cabundle, certificate } = decodeDocument(message.payload);
  const [root = new Uint8Array()] = cabundle;
  const chain = [...cabundle, certificate].map(readCertificate);
  const leaf = chain.at(-1);
  assert.ok(leaf);
  const checks = (): boolean =>
    verifyEs384(message, leaf.publicKey) &&
    chain.slice(1).every(({ signed, signature }, index) => {
      const key = chain[index]?.publicKey;
      return key !== undefined && verify('sha384', signed, { key, dsaEncoding: 'der' }, signature);
    });
  assert.ok(checks());
  const figures = await compare(() => verifyDocument(awsDocument, { root, at: awsDocumentTime }), checks);
  assert.ok(report('verification', figures) >= 0.5);
});

bench.run();
