import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAttester } from '../../src/attestation/attester.js';
import { createRoot } from '../../src/attestation/chain.js';
import { FaultBoard, type FaultName, faultNames, faultValues } from '../../src/attestation/faults.js';
import { NitroSecureModule, nsmErrors } from '../../src/attestation/nsm.js';
import { type VerificationStep, verifyDocument } from '../../src/attestation/verify.js';
import { deadline } from '../support/deadline.js';

const test = suite('fault injection');

const root = createRoot(Date.now());
const pcr = Buffer.alloc(48, 7);

function machine(): { nsm: NitroSecureModule; faults: FaultBoard; attest: (nonce: string) => Uint8Array } {
  const faults = new FaultBoard();
  const attest = createAttester({ mode: 'signed', root }, faults);
  const random = (length: number) => new Uint8Array(length).fill(5);
  const nsm = new NitroSecureModule({ moduleId: 'i-1-enc2', attest, random, strict: true, faults });
  for (let index = 0; index < 16; index++) {
    nsm.pcrs.load(index, pcr);
    nsm.pcrs.lock(index);
  }
  const request = (nonce: string) => ({ userData: undefined, nonce: Buffer.from(nonce), publicKey: undefined });
  return { nsm, faults, attest: (nonce) => attest(nsm, request(nonce)) };
}

function failedStep(document: Uint8Array, nonce: string): VerificationStep | undefined {
  const pcrs = new Map(Array.from({ length: 16 }, (_, index) => [index, pcr]));
  const result = verifyDocument(document, { root: root.certificate, pcrs, nonce: Buffer.from(nonce) });
  return result.ok ? undefined : result.failed;
}

const documentFaults: [FaultName, VerificationStep, value?: number][] = [
  ['leaf-expired', 'validity'],
  ['leaf-not-yet-valid', 'validity'],
  ['other-root', 'chain'],
  ['broken-signature', 'signature'],
  ['truncated-document', 'cbor'],
  ['truncated-document', 'cbor', 2000],
  ['truncated-document', 'cbor', 12_288],
  ['wrong-pcr', 'pcrs'],
  ['wrong-pcr', 'pcrs', 15],
  ['replayed-nonce', 'nonce'],
  ['clock-jump', 'validity'],
  ['clock-jump', 'validity', -86_400],
  ['clock-jump', 'timestamp', 600],
];

for (const [name, step, value] of documentFaults) {
  test(`${name}${value === undefined ? '' : ` ${value}`} fails verification at step ${step}, and only while it is on`, () => {
    const { faults, attest } = machine();
    assert.is(failedStep(attest('first'), 'first'), undefined);
    faults.set(name, value, 2);
    assert.is(failedStep(attest('second'), 'second'), step);
    assert.is(failedStep(attest('third'), 'third'), step);
    assert.is(failedStep(attest('fourth'), 'fourth'), undefined);
  });
}

test('a nonce that is replayed before there was one is missing', () => {
  const { faults, attest } = machine();
  faults.set('replayed-nonce');
  assert.is(failedStep(attest('first'), 'first'), 'nonce');
});

const getRandom = Buffer.from('6947657452616e646f6d', 'hex');
const errorOf = (name: string) =>
  Buffer.concat([Buffer.from('a1654572726f72', 'hex'), Buffer.from([0x60 + name.length]), Buffer.from(name)]);

test('nsm-error answers the next requests with the error of that number', async () => {
  for (const [index, name] of nsmErrors.entries()) {
    const { nsm, faults } = machine();
    faults.set('nsm-error', index + 1, 2);
    for (let i = 0; i < 2; i++) {
      assert.equal(Buffer.from(await deadline('an answer', nsm.handle(getRandom))), errorOf(name));
    }
    assert.is((await deadline('an answer', nsm.handle(getRandom))).length, 278);
  }
});

test('entropy-starvation refuses random bytes and nothing else', async () => {
  const { nsm, faults } = machine();
  faults.set('entropy-starvation');
  assert.equal(Buffer.from(await deadline('an answer', nsm.handle(getRandom))), errorOf('InternalError'));
  const describe = Buffer.from('6b44657363726962654e534d', 'hex');
  assert.ok((await deadline('an answer', nsm.handle(describe))).length > 100);
});

test('slow-answer delays an answer by its milliseconds', async () => {
  const { nsm, faults } = machine();
  faults.set('slow-answer', 150, 1);
  const start = performance.now();
  await deadline('the slow answer', nsm.handle(getRandom));
  assert.ok(performance.now() - start >= 145);
});

test('faults that are on are listed with what is left of them', () => {
  const { faults } = machine();
  assert.equal(faults.active(), []);
  faults.set('wrong-pcr', 3, 2);
  faults.set('heartbeat-lost');
  faults.set('clock-jump', -5);
  assert.equal(faults.active(), [
    { name: 'wrong-pcr', value: 3, remaining: 2 },
    { name: 'clock-jump', value: -5, remaining: undefined },
    { name: 'heartbeat-lost', value: 0, remaining: undefined },
  ]);
  assert.is(faults.take('wrong-pcr'), 3);
  assert.is(faults.active()[0]?.remaining, 1);
  for (const name of faultNames) faults.off(name);
  assert.equal(faults.active(), []);
  for (const name of faultNames) assert.is(faults.take(name), undefined);
});

test('values and counts out of their range are refused and change nothing', () => {
  const faults = new FaultBoard();
  for (const [name, range] of Object.entries(faultValues)) {
    for (const value of [range.least - 1, range.most + 1, 1.5, Number.NaN]) {
      assert.throws(() => faults.set(name as FaultName, value), /value of fault/);
    }
  }
  assert.throws(() => faults.set('leaf-expired', 1), /takes no value/);
  for (const count of [0, -1, 1.5, 2 ** 31])
    assert.throws(() => faults.set('leaf-expired', undefined, count), /cannot/);
  assert.equal(faults.active(), []);
});

test('another thread uses up the times of a fault, each once', async () => {
  const faults = new FaultBoard();
  const module = new URL('../../src/attestation/faults.js', import.meta.url).href;
  const code = `const { workerData, parentPort } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then(({ FaultBoard }) => {
      const board = new FaultBoard(workerData);
      let taken = 0;
      for (let i = 0; i < 100_000; i++) if (board.take('wrong-pcr') === 9) taken++;
      parentPort.postMessage(taken);
    });`;
  faults.set('wrong-pcr', 9, 40_000);
  const workers = [0, 1].map(() => new Worker(code, { eval: true, workerData: faults.buffer }));
  const counts = workers.map((worker) => new Promise<number>((resolve) => worker.once('message', resolve)));
  const [a = 0, b = 0] = await deadline('both threads', Promise.all(counts));
  assert.is(a + b, 40_000);
  assert.equal(faults.active(), []);
});

test.run();
