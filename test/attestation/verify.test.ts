import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSign1 } from '../../src/attestation/cose.js';
import { decodeDocument } from '../../src/attestation/document.js';
import { issue, usage } from '../../src/attestation/issue.js';
import {
  type Expectations,
  type VerificationStep,
  verificationSteps,
  verifyDocument,
} from '../../src/attestation/verify.js';
import {
  awsDocument,
  awsDocumentTime,
  awsRootSha256,
  certificateRequest,
  otherKey,
  type Plain,
  payloadFields,
  plainCbor,
  plainSign1,
  testChain,
} from '../support/attestation.js';

const test = suite('verification of attestation documents');

const chain = testChain();
const sound = plainSign1(plainCbor(payloadFields(chain)), chain.leaf.key);
const expected: Expectations = {
  root: chain.root.certificate,
  pcrs: new Map([[0, Buffer.alloc(48, 1)]]),
  nonce: Buffer.from('nonce'),
  userData: Buffer.from('user data'),
  publicKey: null,
  maxAge: 600_000,
};

function failure(document: Uint8Array, more: Partial<Expectations> = {}): [VerificationStep | undefined, string] {
  const result = verifyDocument(document, { ...expected, ...more });
  if (result.ok) return [undefined, ''];
  assert.not('document' in result);
  const index = verificationSteps.indexOf(result.failed);
  assert.ok(result.steps.slice(0, index).every(({ result: outcome }) => outcome === 'passed' || outcome === 'skipped'));
  assert.ok(result.steps.slice(index + 1).every(({ result: outcome }) => outcome === 'unreached'));
  assert.equal(
    result.steps.map(({ step }) => step),
    [...verificationSteps],
  );
  return [result.failed, result.steps[index]?.detail ?? ''];
}

test('a document of the real Nitro Hypervisor verifies under the root that AWS publishes, at its time and not now', () => {
  const { cabundle } = decodeDocument(decodeSign1(awsDocument).payload);
  const [root] = cabundle;
  assert.ok(root);
  assert.is(createHash('sha256').update(root).digest('hex'), awsRootSha256);
  const result = verifyDocument(awsDocument, { root, at: awsDocumentTime });
  assert.ok(result.ok);
  assert.is(result.document.moduleId, 'i-0650273423ff67567-enc019ce4e28d9371fc');
  assert.is(result.document.timestamp, awsDocumentTime);
  const year = 365 * 24 * 3_600_000;
  assert.equal(failure(awsDocument, { root, at: awsDocumentTime + year })[0], 'validity');
  assert.equal(failure(awsDocument, { root, at: awsDocumentTime - year })[0], 'validity');
  assert.equal(failure(awsDocument, { root: chain.root.certificate, at: awsDocumentTime })[0], 'chain');
});

test('a sound document passes every step that was asked for', () => {
  const result = verifyDocument(sound, expected);
  assert.ok(result.ok);
  assert.ok(result.steps.every(({ result: outcome }) => outcome === 'passed'));
  const tagged = Buffer.concat([Buffer.from([0xd2]), sound]);
  assert.ok(verifyDocument(tagged, expected).ok);
});

test('what nobody asked for is reported as not compared', () => {
  const { root } = expected;
  const result = verifyDocument(sound, { root });
  assert.ok(result.ok);
  assert.equal(
    result.steps.filter(({ result: outcome }) => outcome === 'skipped').map(({ step }) => step),
    ['pcrs', 'nonce', 'user-data', 'public-key'],
  );
});

test('each wrong expectation fails at its own step', () => {
  const wrong = Buffer.from('wrong');
  const cases: [VerificationStep, Partial<Expectations>][] = [
    ['chain', { root: testChain().root.certificate }],
    ['validity', { at: Date.now() + 2 * 3_600_000 }],
    ['validity', { at: Date.now() - 2 * 3_600_000 }],
    ['timestamp', { at: Date.now() + 1_200_000 }],
    ['timestamp', { at: Date.now() - 1_200_000 }],
    ['pcrs', { pcrs: new Map([[0, Buffer.alloc(48, 2)]]) }],
    ['pcrs', { pcrs: new Map([[16, Buffer.alloc(48)]]) }],
    ['pcrs', { pcrs: new Map([[0, Buffer.alloc(32, 1)]]) }],
    ['nonce', { nonce: wrong }],
    ['nonce', { nonce: null }],
    ['user-data', { userData: wrong }],
    ['public-key', { publicKey: wrong }],
  ];
  for (const [step, more] of cases) assert.is(failure(sound, more)[0], step);
});

test('of several faults the first in the order of steps is reported', () => {
  const bad = { nonce: Buffer.from('x'), userData: null, pcrs: new Map([[0, Buffer.alloc(48)]]) };
  assert.is(failure(sound, bad)[0], 'pcrs');
  assert.is(failure(sound, { nonce: bad.nonce, userData: null })[0], 'nonce');
  const forged = plainSign1(plainCbor(payloadFields(chain)), otherKey());
  assert.is(failure(forged, bad)[0], 'signature');
});

/** A document with one field of its payload changed, properly signed. */
function changed(key: string, value: Plain | undefined): Buffer {
  const fields = payloadFields(chain);
  if (value === undefined) fields.delete(key);
  else fields.set(key, value);
  return plainSign1(plainCbor(fields), chain.leaf.key);
}

test('a payload that breaks a rule of AWS fails at the document step, naming the field', () => {
  const registers = (count: number, size: number, from = 0) =>
    new Map(Array.from({ length: count }, (_, index): [Plain, Plain] => [from + index, Buffer.alloc(size)]));
  const cases: [key: string, value: Plain | undefined][] = [
    ['module_id', undefined],
    ['module_id', ''],
    ['module_id', 1],
    ['digest', 'SHA256'],
    ['timestamp', 0],
    ['timestamp', -1],
    ['pcrs', new Map()],
    ['pcrs', registers(1, 47)],
    ['pcrs', registers(1, 48, 32)],
    ['pcrs', registers(33, 48)],
    ['certificate', Buffer.alloc(0)],
    ['certificate', Buffer.alloc(1025)],
    ['cabundle', []],
    ['cabundle', [Buffer.alloc(0)]],
    ['cabundle', [Buffer.alloc(1025)]],
    ['public_key', Buffer.alloc(0)],
    ['public_key', Buffer.alloc(1025)],
    ['user_data', Buffer.alloc(513)],
    ['nonce', Buffer.alloc(513)],
    ['nonce', 'text'],
    ['more', 1],
  ];
  for (const [key, value] of cases) {
    const [step, detail] = failure(changed(key, value));
    assert.is(step, 'document', key);
    assert.ok(detail.includes(key) || (key === 'pcrs' && detail.includes('PCR')), `${key}: ${detail}`);
  }
  for (const [key, value] of [
    ['public_key', Buffer.alloc(1024)],
    ['user_data', Buffer.alloc(0)],
    ['nonce', Buffer.alloc(512)],
    ['nonce', undefined],
  ] as const) {
    assert.is.not(failure(changed(key, value))[0], 'document', key);
  }
});

test('a field that is there twice fails at the document step', () => {
  const once = plainCbor(payloadFields(chain));
  const twice = Buffer.concat([Buffer.from([0xaa]), once.subarray(1), plainCbor('nonce'), plainCbor(null)]);
  assert.equal(failure(plainSign1(twice, chain.leaf.key)), ['document', 'field "nonce" is there twice']);
});

test('a message that is no ES384 COSE_Sign1 fails at the cbor step', () => {
  const payload = plainCbor(payloadFields(chain));
  const { key } = chain.leaf;
  const es256 = plainCbor(new Map<Plain, Plain>([[1, -7]]));
  const extra = plainCbor(
    new Map<Plain, Plain>([
      [1, -35],
      [4, Buffer.from('kid')],
    ]),
  );
  const parts: Plain[] = [plainCbor(new Map([[1, -35]])), new Map(), payload, Buffer.alloc(96)];
  const without = (index: number, value: Plain) => plainCbor(parts.map((part, at) => (at === index ? value : part)));
  const cases: Uint8Array[] = [
    new Uint8Array(),
    Buffer.from('text'),
    sound.subarray(0, 1000),
    Buffer.concat([sound, Buffer.from([0])]),
    Buffer.concat([Buffer.from([0xd1]), sound]),
    plainSign1(payload, key, es256),
    plainSign1(payload, key, extra),
    plainSign1(payload, key, Buffer.alloc(0)),
    plainCbor(parts.slice(0, 3)),
    without(0, null),
    without(1, new Map<Plain, Plain>([[4, 'kid']])),
    without(2, null),
    without(2, Buffer.alloc(16_385)),
    without(3, Buffer.alloc(95)),
    without(3, null),
    new Uint8Array(20_000),
  ];
  for (const [index, document] of cases.entries()) assert.is(failure(document)[0], 'cbor', `case ${index}`);
});

test('a chain with one certificate that may not be where it is fails at the chain step', () => {
  const hour = 3_600_000;
  const cases: [string, Parameters<typeof testChain>[0]][] = [
    ['is not a certificate authority', { authority: { subject: [['CN', 'a']], pathLength: undefined as never } }],
    ['may not sign certificates', { authority: { usage: usage.leaf } }],
    ['allows 0 authorities', { root: { pathLength: 0 } }],
    ['the end certificate is a certificate authority', { leaf: { pathLength: 0 } }],
    ['the end certificate may not sign', { leaf: { usage: usage.instance } }],
  ];
  for (const [text, change] of cases) {
    const bad = testChain(change);
    const document = plainSign1(plainCbor(payloadFields(bad)), bad.leaf.key);
    const [step, detail] = failure(document, { root: bad.root.certificate });
    assert.is(step, 'chain', detail);
    assert.ok(detail.includes(text), detail);
  }
  for (const change of [
    { leaf: { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - hour } },
    { authority: { notBefore: Date.now() + hour, notAfter: Date.now() + 2 * hour } },
    { root: { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - hour } },
  ]) {
    const bad = testChain(change);
    const document = plainSign1(plainCbor(payloadFields(bad)), bad.leaf.key);
    assert.is(failure(document, { root: bad.root.certificate })[0], 'validity');
  }
});

test('certificates that do not sign one another fail at the chain step', () => {
  const other = testChain();
  const { root, authority, leaf } = chain;
  const bundles: [Plain, Uint8Array][] = [
    [[root.certificate], leaf.certificate],
    [[root.certificate, other.authority.certificate], leaf.certificate],
    [[authority.certificate, root.certificate], leaf.certificate],
    [[root.certificate, authority.certificate], other.leaf.certificate],
    [[root.certificate, Buffer.from('3000', 'hex')], leaf.certificate],
    [[root.certificate, authority.certificate, authority.certificate], leaf.certificate],
  ];
  for (const [bundle, certificate] of bundles) {
    const fields = payloadFields(chain).set('cabundle', bundle).set('certificate', certificate);
    assert.is(failure(plainSign1(plainCbor(fields), leaf.key))[0], 'chain');
  }
});

test('a certificate of the right name whose issuer has another key fails at the chain step', () => {
  const impostor = issue(certificateRequest('authority', { pathLength: 0 }), issue(certificateRequest('root')));
  const fields = payloadFields(chain).set('cabundle', [chain.root.certificate, impostor.certificate]);
  assert.is(failure(plainSign1(plainCbor(fields), chain.leaf.key))[0], 'chain');
});

test('documents of debug mode are refused unless they are asked for', () => {
  const zeros = new Map(Array.from({ length: 16 }, (_, index): [Plain, Plain] => [index, Buffer.alloc(48)]));
  const document = changed('pcrs', zeros);
  const { root } = expected;
  const step = (more: Partial<Expectations>) => {
    const result = verifyDocument(document, { root, ...more });
    return result.ok ? undefined : result.failed;
  };
  assert.is(step({}), 'pcrs');
  assert.is(step({ debugMode: true }), undefined);
  assert.is(step({ pcrs: new Map([[0, Buffer.alloc(48)]]) }), undefined);
  assert.is(step({ pcrs: new Map([[1, Buffer.alloc(48)]]) }), 'pcrs');
});

test('a document without PCR0 tells nothing about the image', () => {
  const document = changed('pcrs', new Map<Plain, Plain>([[1, Buffer.alloc(48, 1)]]));
  const result = verifyDocument(document, { root: chain.root.certificate });
  assert.is(result.ok ? '' : result.failed, 'pcrs');
});

test('no change of a single byte goes unnoticed', () => {
  fc.assert(
    fc.property(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] ?? 0) ^ change;
      assert.not(verifyDocument(bytes, expected).ok);
    }),
    { numRuns: 300 },
  );
});

test('whatever comes in, the verdict is a report and never an exception', () => {
  const cut = fc.nat(sound.length - 1).map((length) => sound.subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), cut), (bytes) => {
      assert.is.not(failure(bytes)[0], undefined);
    }),
    { numRuns: 500 },
  );
});

test.run();
