import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cbor, readCbor } from '../../src/attestation/cbor.js';
import { NitroSecureModule, RESPONSE_LIMIT } from '../../src/attestation/nsm.js';
import { deadline } from '../support/deadline.js';
import {
  anyRequest,
  damagedRequest,
  encodeRequest,
  moduleId,
  NsmModel,
  plainDocument,
  randomByte,
} from '../support/nsm-model.js';

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function nsm(strict = true): NitroSecureModule {
  return new NitroSecureModule({
    moduleId: 'i-234-enc5678',
    attest: (_, { userData, nonce }) => Buffer.concat([hex('84'), userData ?? hex(''), nonce ?? hex('')]),
    random: (length) => new Uint8Array(length).fill(7),
    strict,
  });
}

/** Requests and responses that came out of QEMU's own handler. */
const zero = '00'.repeat(48);
const recorded: [name: string, request: string, response: string][] = [
  [
    'DescribePCR of a fresh register',
    'a16b4465736372696265504352a165696e64657810',
    `a16b4465736372696265504352a264646174615830${zero}646c6f636bf4`,
  ],
  ['DescribePCR 32', 'a16b4465736372696265504352a165696e6465781820', 'a1654572726f726c496e76616c6964496e646578'],
  [
    'ExtendPCR 16 with 010203',
    'a169457874656e64504352a265696e64657810646461746143010203',
    'a169457874656e64504352a164646174615830cb178fcd3f328244c05c6248723fd068b3a1dda878e1ab8be911098f199958add55d0c27f04826d27b44d949a650694e',
  ],
  ['LockPCR 16', 'a1674c6f636b504352a165696e64657810', '674c6f636b504352'],
  ['LockPCRs 17', 'a1684c6f636b50435273a16572616e676511', '684c6f636b50435273'],
];

function errorOf(answer: Cbor): string | undefined {
  if (answer.type !== 'map') return undefined;
  const [key, value] = answer.entries[0] ?? [];
  return key?.type === 'text' && key.value === 'Error' && value?.type === 'text' ? value.value : undefined;
}

async function errorFor(module: NitroSecureModule, request: Uint8Array): Promise<string | undefined> {
  return errorOf(readCbor(await module.handle(request)).item);
}

const test = suite('Nitro Secure Module');

for (const [name, request, response] of recorded) {
  test(`${name} answers byte for byte as recorded`, async () => {
    assert.is(show(await nsm().handle(hex(request))), response);
  });
}

test('DescribeNSM lists locked registers, with the keys in the recorded order', async () => {
  const module = nsm();
  for (let index = 0; index < 16; index++) module.pcrs.lock(index);
  assert.is(
    show(await module.handle(hex('6b44657363726962654e534d'))),
    'a16b44657363726962654e534da76664696765737466534841333834686d61785f706372731820696d6f64756c655f69646d692d3233342d656e63353637386b6c6f636b65645f7063727390000102030405060708090a0b0c0d0e0f6d76657273696f6e5f6d616a6f72016d76657273696f6e5f6d696e6f72006d76657273696f6e5f706174636800',
  );
});

test('GetRandom gives 256 bytes behind the 18 bytes that Linux expects', async () => {
  const answer = await nsm().handle(hex('6947657452616e646f6d'));
  assert.is(answer.length, 278);
  assert.is(show(answer.subarray(0, 22)), 'a16947657452616e646f6da16672616e646f6d590100');
});

test('each misuse has its error name', async () => {
  const cases: [request: string, error: string][] = [
    ['a16b4465736372696265504352a165696e646578190100', 'InvalidOperation'],
    ['a16b44657363726962654e534da0', 'InvalidOperation'],
    ['6b4465736372696265504352', 'InvalidOperation'],
    ['', 'InvalidOperation'],
    ['a0', 'InvalidOperation'],
    ['a1684c6f636b50435273a16572616e67651821', 'InvalidIndex'],
    ['a16b4174746573746174696f6ea1656e6f6e636501', 'InvalidOperation'],
  ];
  for (const [request, error] of cases) assert.is(await errorFor(nsm(), hex(request)), error, request);
  const module = nsm();
  module.pcrs.lock(0);
  assert.is(await errorFor(module, hex('a1674c6f636b504352a165696e64657800')), 'ReadOnlyIndex');
  assert.is(await errorFor(module, new Uint8Array(4097)), 'InputTooLarge');
});

test('AWS limits the parts of an attestation request, QEMU does not', async () => {
  const request = (name: string, size: number) =>
    Buffer.concat([
      hex('a16b4174746573746174696f6ea1'),
      Buffer.from([0x60 + name.length]),
      Buffer.from(name),
      Buffer.from([0x59, size >> 8, size & 255]),
      Buffer.alloc(size),
    ]);
  for (const [name, limit] of [
    ['user_data', 512],
    ['nonce', 512],
    ['public_key', 1024],
  ] as const) {
    assert.is(await errorFor(nsm(), request(name, limit)), undefined);
    assert.is(await errorFor(nsm(), request(name, limit + 1)), 'InputTooLarge');
    assert.is(await errorFor(nsm(false), request(name, limit + 1)), undefined);
  }
});

/** The module under test beside the model: the same attester and the same random bytes. */
function besideModel(strict: boolean): NitroSecureModule {
  return new NitroSecureModule({
    moduleId,
    attest: ({ pcrs }, { userData, nonce, publicKey }) =>
      plainDocument(pcrs.lockedIndices(), [userData, nonce, publicKey]),
    random: (length) => new Uint8Array(length).fill(randomByte),
    strict,
  });
}

test('any sequence of requests gets the bytes that an independent model answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(anyRequest, { maxLength: 30 }), async (strict, requests) => {
      const module = besideModel(strict);
      const model = new NsmModel(strict);
      for (const request of requests) {
        const answer = await deadline('an answer', module.handle(encodeRequest(request)));
        assert.is(show(answer), show(model.answer(request)), JSON.stringify(request));
      }
      for (let i = 0; i < 32; i++) assert.is(show(module.pcrs.value(i)), show(model.values[i] ?? hex('')));
    }),
    { numRuns: 300 },
  );
});

test('whatever bytes come in, the answer is CBOR within the limit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(damagedRequest, fc.uint8Array({ maxLength: 100 })), async (bytes) => {
      const answer = await deadline('an answer', nsm().handle(bytes));
      assert.ok(answer.length <= RESPONSE_LIMIT);
      assert.is(readCbor(answer).end, answer.length);
    }),
    { numRuns: 2000 },
  );
});

test.run();
