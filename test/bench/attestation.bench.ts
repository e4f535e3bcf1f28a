import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAttester } from '../../src/attestation/attester.js';
import { readCertificate } from '../../src/attestation/certificate.js';
import { createRoot } from '../../src/attestation/chain.js';
import { decodeSign1, verifyEs384 } from '../../src/attestation/cose.js';
import { decodeDocument } from '../../src/attestation/document.js';
import { NitroSecureModule, RESPONSE_LIMIT } from '../../src/attestation/nsm.js';
import { verifyDocument } from '../../src/attestation/verify.js';
import { awsDocument, awsDocumentTime } from '../support/attestation.js';
import { deadline } from '../support/deadline.js';
import { threadMachine } from '../support/device-thread.js';

const bench = suite('attestation');

/** Many short rounds: on a busy host some of them run without being interrupted. */
const rounds = 300;
const warmUp = 30;
const perRound = 2;

/**
 * Milliseconds of one operation of each side, in its fastest round: a busy host delays a thread that was woken far more
 * than one that runs. The sides take turns.
 */
async function compare(ours: () => unknown, bare: () => unknown): Promise<[ours: number, bare: number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [side, run] of [ours, bare].entries()) {
      const started = performance.now();
      for (let i = 0; i < perRound; i++) await run();
      if (round >= warmUp) times[side]?.push((performance.now() - started) / perRound);
    }
  }
  return [Math.min(...times[0]), Math.min(...times[1])];
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

const SIGNED = { mode: 'signed', root: createRoot(Date.now()) } as const;

bench('the module answers attestation requests at 0.7 of the rate of bare P-384 signatures', async () => {
  const attest = createAttester(SIGNED);
  const nsm = new NitroSecureModule({ moduleId: 'i-1-enc2', attest, random: randomBytes, strict: true });
  for (let index = 0; index < 16; index++) nsm.pcrs.lock(index);
  const answer = await deadline('the first answer', nsm.handle(request));
  const figures = await compare(() => nsm.handle(request), bareSignature(answer));
  assert.ok(report('request to the module', figures) >= 0.7);
});

bench('so does the device in its thread, from the ring to the interrupt', async () => {
  const mind = { moduleId: 'i-1-enc2', strict: true, pcrs: new Map(), locked: 16, attester: SIGNED };
  const machine = await threadMachine([{ kind: 'nsm', mind }]);
  const [driver] = machine.drivers;
  assert.ok(driver);
  driver.start();
  const buffers = [
    { at: machine.guest.alloc(4096), length: request.length, flags: 0 },
    { at: machine.guest.alloc(RESPONSE_LIMIT), length: RESPONSE_LIMIT, flags: 2 },
  ] as const;
  machine.guest.memory.write(buffers[0].at, request);
  let answer: Uint8Array = new Uint8Array();
  // As a vCPU would: this thread sleeps until the interrupt.
  const ask = (): void => {
    const queue = driver.queue(0);
    for (const buffer of buffers) queue.addPlaced('', [buffer]);
    driver.kick(0);
    const used = [];
    while (used.length < 2) {
      if (Atomics.wait(machine.irqs.kickWord, 0, 0, 10_000) === 'timed-out') throw new Error('no interrupt');
      machine.irqs.take();
      driver.acknowledge();
      used.push(...queue.takeAll());
    }
    answer = used[1]?.bytes ?? answer;
  };
  ask();
  assert.ok(answer.length > 4000);
  const figures = await compare(ask, bareSignature(answer));
  await machine.close();
  assert.ok(report('request to the device', figures) >= 0.7);
});

/** What no attestation can do without. */
function bareSignature(bytes: Uint8Array): () => unknown {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return () => sign('sha384', bytes, { key, dsaEncoding: 'ieee-p1363' });
}

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
