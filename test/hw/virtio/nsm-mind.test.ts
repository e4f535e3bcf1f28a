import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NsmMind } from '../../../src/hw/virtio/nsm-mind.js';

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

test.run();
