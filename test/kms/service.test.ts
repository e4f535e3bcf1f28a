import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KmsError, type KmsErrorName } from '../../src/kms/errors.js';
import { KeyStore, newKey, openKey } from '../../src/kms/keys.js';
import { KmsService } from '../../src/kms/service.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { TestEnclave } from '../support/kms.js';

const test = suite('KMS operations');

const enclave = new TestEnclave();
const caller = 'arn:aws:iam::111122223333:root';
const pcr = (byte: number) => Buffer.alloc(48, byte).toString('hex');

function policy(conditions: JsonObject): JsonValue {
  return {
    Statement: [
      { Effect: 'Allow', Principal: '*', Action: 'kms:Encrypt', Resource: '*' },
      {
        Effect: 'Allow',
        Principal: '*',
        Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
        Resource: '*',
        Condition: conditions,
      },
    ],
  };
}

const keys = new KeyStore(
  [
    newKey('open', undefined),
    newKey(
      'image',
      policy({ StringEqualsIgnoreCase: { 'kms:RecipientAttestation:ImageSha384': pcr(1).toUpperCase() } }),
    ),
    newKey('pcr3', policy({ StringEquals: { 'kms:RecipientAttestation:PCR3': pcr(4) } })),
  ].map(openKey),
  'us-east-1',
);
const service = new KmsService({ keys, roots: [new TestEnclave().root.certificate, enclave.root.certificate] });

const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as Uint8Array).toString('base64');
const bytes = (value: JsonValue | undefined): Buffer => Buffer.from(String(value), 'base64');

function refusal(operation: string, input: JsonValue, from = service): [KmsErrorName, string] {
  try {
    from.call(operation, input, caller);
  } catch (error) {
    if (!(error instanceof KmsError)) throw error;
    return [error.name, error.message];
  }
  throw new Error(`${operation} was not refused`);
}

const encrypt = (alias: string, text: string, more: JsonObject = {}) =>
  String(service.call('Encrypt', { KeyId: `alias/${alias}`, Plaintext: b64(text), ...more }, caller).CiphertextBlob);

function recipient(document: Uint8Array = enclave.document()): JsonObject {
  return { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: b64(document) };
}

test('what was encrypted is decrypted, for its encryption context only', () => {
  const EncryptionContext = { a: '1', b: '2' };
  const CiphertextBlob = encrypt('open', 'secret', { EncryptionContext });
  const reordered = { b: '2', a: '1' };
  const answer = service.call('Decrypt', { CiphertextBlob, EncryptionContext: reordered }, caller);
  assert.is(bytes(answer.Plaintext).toString(), 'secret');
  assert.is(answer.KeyId, keys.arn(keys.find('alias/open')));
  assert.is(refusal('Decrypt', { CiphertextBlob })[0], 'InvalidCiphertextException');
  assert.is(refusal('Decrypt', { CiphertextBlob, EncryptionContext: { a: '1' } })[0], 'InvalidCiphertextException');
});

test('a key is found by id, alias and both ARNs', () => {
  const key = keys.find('alias/open');
  const arn = keys.arn(key);
  for (const name of [key.id, arn, 'alias/open', 'arn:aws:kms:us-east-1:111122223333:alias/open']) {
    assert.is(keys.find(name), key);
  }
  const CiphertextBlob = encrypt('open', 'x');
  assert.ok(service.call('Decrypt', { CiphertextBlob, KeyId: arn }, caller));
  assert.is(refusal('Decrypt', { CiphertextBlob, KeyId: 'alias/image' })[0], 'IncorrectKeyException');
  assert.is(refusal('Decrypt', { CiphertextBlob, KeyId: 'alias/none' })[0], 'NotFoundException');
});

test('a recipient gets what only it can read, and no plaintext', () => {
  const CiphertextBlob = encrypt('image', 'for the enclave');
  const answer = service.call('Decrypt', { CiphertextBlob, Recipient: recipient() }, caller);
  assert.not('Plaintext' in answer);
  assert.is(enclave.open(bytes(answer.CiphertextForRecipient)).toString(), 'for the enclave');
});

test('a data key comes encrypted under its key and for the recipient', () => {
  for (const [spec, size] of [
    [{ KeySpec: 'AES_256' }, 32],
    [{ KeySpec: 'AES_128' }, 16],
    [{ NumberOfBytes: 7 }, 7],
  ] as const) {
    const input = { KeyId: 'alias/image', ...spec };
    const answer = service.call('GenerateDataKey', { ...input, Recipient: recipient() }, caller);
    const key = enclave.open(bytes(answer.CiphertextForRecipient));
    assert.is(key.length, size);
    const CiphertextBlob = String(answer.CiphertextBlob);
    const again = service.call('Decrypt', { CiphertextBlob, Recipient: recipient() }, caller);
    assert.equal(enclave.open(bytes(again.CiphertextForRecipient)), key);
  }
  assert.is(
    bytes(service.call('GenerateDataKey', { KeyId: 'alias/open', NumberOfBytes: 9 }, caller).Plaintext).length,
    9,
  );
});

test('random bytes come plain, or for the recipient', () => {
  assert.is(bytes(service.call('GenerateRandom', { NumberOfBytes: 1024 }, caller).Plaintext).length, 1024);
  const answer = service.call('GenerateRandom', { NumberOfBytes: 24, Recipient: recipient() }, caller);
  assert.is(enclave.open(bytes(answer.CiphertextForRecipient)).length, 24);
});

test('a policy that wants registers refuses others, saying which condition failed', () => {
  const CiphertextBlob = encrypt('image', 'x');
  const [name, message] = refusal('Decrypt', { CiphertextBlob, Recipient: recipient(enclave.document(2)) });
  assert.is(name, 'AccessDeniedException');
  assert.ok(
    message.includes(`condition StringEqualsIgnoreCase kms:RecipientAttestation:ImageSha384 is ${pcr(2)}`),
    message,
  );
  assert.match(refusal('Decrypt', { CiphertextBlob })[1], /the request has no value/);
  assert.is(refusal('GenerateDataKey', { KeyId: 'alias/image', KeySpec: 'AES_256' })[0], 'AccessDeniedException');
  const pcr3 = encrypt('pcr3', 'x');
  assert.ok(service.call('Decrypt', { CiphertextBlob: pcr3, Recipient: recipient(enclave.document(9)) }, caller));
});

test('a document that does not verify is refused with the step that failed', () => {
  const CiphertextBlob = encrypt('open', 'x');
  const sound = enclave.document();
  const broken = Buffer.from(sound);
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  const cases: [RegExp, Uint8Array][] = [
    [/step chain: cabundle\[0\] is not the trusted root/, new TestEnclave().document()],
    [/step signature/, broken],
    [/step cbor/, sound.subarray(0, 500)],
    [/no public key/, enclave.document(1, Date.now(), null)],
    [/not a SubjectPublicKeyInfo/, enclave.document(1, Date.now(), Buffer.from('key'))],
  ];
  for (const [text, document] of cases) {
    const [name, message] = refusal('Decrypt', { CiphertextBlob, Recipient: recipient(document) });
    assert.is(name, 'ValidationException');
    assert.match(message, text);
  }
  const late = new KmsService({ keys, roots: [enclave.root.certificate], clock: () => Date.now() + 400_000 });
  const old = refusal('Decrypt', { CiphertextBlob, Recipient: recipient(sound) }, late)[1];
  assert.match(old, /step timestamp: the document is 4\d\d s old, more than 300 s/);
  const small = new TestEnclave(1024);
  const weak = new KmsService({ keys, roots: [small.root.certificate] });
  const [, message] = refusal('GenerateRandom', { NumberOfBytes: 1, Recipient: recipient(small.document()) }, weak);
  assert.match(message, /not RSA of 2048 bits/);
});

test('a damaged ciphertext is refused', () => {
  const ciphertext = Buffer.from(encrypt('open', 'secret'), 'base64');
  for (const at of [0, 40, 50, ciphertext.length - 1]) {
    const damaged = Buffer.from(ciphertext);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.is(refusal('Decrypt', { CiphertextBlob: b64(damaged) })[0], 'InvalidCiphertextException');
  }
  assert.is(refusal('Decrypt', { CiphertextBlob: b64(ciphertext.subarray(0, 60)) })[0], 'InvalidCiphertextException');
});

test('requests that make no sense are refused, naming the member', () => {
  const cases: [string, JsonValue, KmsErrorName, string][] = [
    ['Sign', {}, 'UnknownOperationException', "'Sign'"],
    ['toString', {}, 'UnknownOperationException', "'toString'"],
    ['Decrypt', [], 'SerializationException', 'JSON object'],
    ['Decrypt', {}, 'ValidationException', "'CiphertextBlob'"],
    ['Decrypt', { CiphertextBlob: '!' }, 'ValidationException', "'CiphertextBlob'"],
    ['Encrypt', {}, 'ValidationException', "'KeyId' is missing"],
    ['Encrypt', { KeyId: 1 }, 'ValidationException', "'KeyId'"],
    ['Encrypt', { KeyId: 'alias/none', Plaintext: 'AA==' }, 'NotFoundException', 'alias/none'],
    ['Encrypt', { KeyId: 'alias/open', Plaintext: '' }, 'ValidationException', "'Plaintext' has not 1 to 4096"],
    [
      'Encrypt',
      { KeyId: 'alias/open', Plaintext: 'AA==', EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' },
      'ValidationException',
      "'EncryptionAlgorithm'",
    ],
    [
      'Encrypt',
      { KeyId: 'alias/open', Plaintext: 'AA==', EncryptionContext: { a: 1 } },
      'ValidationException',
      "'EncryptionContext'",
    ],
    ['GenerateDataKey', { KeyId: 'alias/open' }, 'ValidationException', "'KeySpec' or 'NumberOfBytes'"],
    [
      'GenerateDataKey',
      { KeyId: 'alias/open', KeySpec: 'AES_256', NumberOfBytes: 1 },
      'ValidationException',
      "'KeySpec'",
    ],
    ['GenerateDataKey', { KeyId: 'alias/open', KeySpec: 'AES_512' }, 'ValidationException', "'KeySpec'"],
    ['GenerateRandom', {}, 'ValidationException', "'NumberOfBytes' is missing"],
    ['GenerateRandom', { NumberOfBytes: 1025 }, 'ValidationException', "'NumberOfBytes'"],
    ['GenerateRandom', { NumberOfBytes: 1, Recipient: 'x' }, 'ValidationException', "'Recipient'"],
    ['GenerateRandom', { NumberOfBytes: 1, Recipient: {} }, 'ValidationException', "'KeyEncryptionAlgorithm'"],
  ];
  for (const [operation, input, name, text] of cases) {
    const [found, message] = refusal(operation, input);
    assert.is(found, name, message);
    assert.ok(message.includes(text), message);
  }
});

test('keys of a file that cannot be used are refused, naming the key', () => {
  const key = newKey('a', undefined);
  const cases: [RegExp, object][] = [
    [/KeyId is not a UUID/, { ...key, KeyId: 'x' }],
    [/Alias is not/, { ...key, Alias: 'x' }],
    [/Material is not 32 bytes/, { ...key, Material: 'AA==' }],
    [/statement 1 is not an object/, { ...key, Policy: {} }],
  ];
  for (const [text, stored] of cases) {
    assert.throws(
      () => openKey(stored as typeof key),
      (error: Error) => text.test(error.message),
    );
  }
  const one = openKey(key);
  assert.throws(() => new KeyStore([one, one], 'x'), /is there twice/);
  assert.throws(() => new KeyStore([one, openKey(newKey('a', undefined))], 'x'), /alias 'alias\/a' is there twice/);
});

test.run();
