import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCbor } from '../../../src/attestation/cbor.js';
import { createRoot } from '../../../src/attestation/chain.js';
import { FaultBoard } from '../../../src/attestation/faults.js';
import { verifyDocument } from '../../../src/attestation/verify.js';
import { NsmMind, type NsmMindPlan } from '../../../src/hw/virtio/nsm-mind.js';
import { type Plain, plainCbor } from '../../support/attestation.js';
import { eventually } from '../../support/deadline.js';
import { threadMachine } from '../../support/device-thread.js';
import type { MmioDriver, UsedBuffer } from '../../support/virtio-driver.js';

const test = suite('hw/virtio/nsm-mind');

const measured = new Uint8Array(48).fill(5);
const plan = {
  moduleId: 'i-1-enc2',
  strict: false,
  pcrs: new Map([[0, measured]]),
  locked: 16,
  attester: { mode: 'unsigned' },
} as const;
const ask = async (mind: NsmMind, hex: string) =>
  Buffer.from(await mind.handle(Buffer.from(hex, 'hex'))).toString('hex');

// Requests of spec nsm.md, section 6.
const extend16 = 'a169457874656e64504352a265696e64657810646461746143010203';
const describe0 = 'a16b4465736372696265504352a165696e64657800';
const attest = 'a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6';

test('registers begin as planned and locked, and do so again after a reset of the machine', async () => {
  const mind = new NsmMind(structuredClone(plan));
  const locked = Array.from({ length: 32 }, (_, i) => i < 16);
  for (let round = 0; round < 2; round++) {
    assert.equal(
      mind.state().map((pcr) => pcr.locked),
      locked,
    );
    assert.equal(mind.state()[0]?.value, measured);
    assert.equal(mind.state()[16]?.value, new Uint8Array(48));
    assert.ok((await ask(mind, describe0)).includes(Buffer.from(measured).toString('hex')));
    await ask(mind, extend16);
    const extended = createHash('sha384')
      .update(new Uint8Array(48))
      .update(Uint8Array.of(1, 2, 3))
      .digest('hex');
    assert.is(Buffer.from(mind.state()[16]?.value ?? []).toString('hex'), extended);
    mind.reset();
  }
});

test('documents are those of the attester', async () => {
  // Unsigned ones end with a signature of 64 zero bytes (spec nsm.md, sections 6 and 7).
  const answer = await ask(new NsmMind(plan), attest);
  assert.match(answer, /^a16b4174746573746174696f6ea168646f63756d656e7459....8443a10120a0.*5840(00){64}$/);
});

const root = createRoot(Date.now());
const pcr0 = Buffer.alloc(48, 9);
const faults = new FaultBoard();
const signing: NsmMindPlan = {
  moduleId: 'i-1-enc2',
  strict: true,
  pcrs: new Map([[0, pcr0]]),
  locked: 16,
  attester: { mode: 'signed', root },
  faults: faults.buffer,
};

async function askDevice(driver: MmioDriver, request: Plain): Promise<Uint8Array> {
  const queue = driver.queue(0);
  queue.add('request', [plainCbor(request)], []);
  queue.add('response', [], [0x3000]);
  driver.kick(0);
  const used: UsedBuffer[] = [];
  await eventually('the response', () => {
    used.push(...queue.takeAll());
    return used.length === 2;
  });
  return used[1]?.bytes ?? new Uint8Array();
}

async function documentFor(driver: MmioDriver, nonce: Uint8Array): Promise<Uint8Array> {
  const parts = new Map<Plain, Plain>([
    ['user_data', null],
    ['nonce', nonce],
    ['public_key', null],
  ]);
  const { item } = readCbor(await askDevice(driver, new Map([['Attestation', parts]])));
  const fields = item.type === 'map' ? item.entries[0]?.[1] : undefined;
  const document = fields?.type === 'map' ? fields.entries[0]?.[1] : undefined;
  return document?.type === 'bytes' ? document.value : new Uint8Array();
}

test('a device in its thread signs under a root of this thread, and faults reach it', async () => {
  const machine = await threadMachine([{ kind: 'nsm', mind: signing }]);
  const [driver] = machine.drivers;
  assert.ok(driver);
  driver.start();
  const nonce = Buffer.from('a nonce');
  const verify = async () => {
    const document = await documentFor(driver, nonce);
    return verifyDocument(document, { root: root.certificate, nonce, pcrs: new Map([[0, pcr0]]) });
  };
  assert.ok((await verify()).ok);
  faults.set('broken-signature', undefined, 1);
  const broken = await verify();
  assert.is(broken.ok ? '' : broken.failed, 'signature');
  assert.equal(faults.active(), []);
  assert.ok((await verify()).ok);
  await machine.close();
});

test.run();
