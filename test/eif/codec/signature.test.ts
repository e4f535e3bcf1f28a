import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseSignature } from '../../../src/eif/codec/signature.js';
import { signerPem } from '../../support/eif-example.js';
import { cborInts, cborText, signatureSection } from '../../support/eif-image.js';
import { thrown } from '../../support/thrown.js';

const test = suite('eif signature');

const pair = (key: string, value: Uint8Array) => Buffer.concat([cborText(key), value]);
const ints = cborInts(Buffer.from('abc'));
const section = (...parts: Uint8Array[]) => Buffer.concat([Buffer.from([0x81, 0xa2]), ...parts]);

test('certificate and signature come back as bytes', () => {
  const [entry, ...rest] = parseSignature(signatureSection(signerPem, Buffer.from([0, 23, 24, 255])));
  assert.is(rest.length, 0);
  assert.is(Buffer.from(entry?.certificate ?? []).toString(), signerPem);
  assert.equal([...(entry?.signature ?? [])], [0, 23, 24, 255]);
});

test('a small integer may be written in two bytes', () => {
  const wide = Buffer.from([0x81, 0x18, 0x05]);
  const [entry] = parseSignature(section(pair('signing_certificate', wide), pair('signature', ints)));
  assert.equal([...(entry?.certificate ?? [])], [5]);
});

const wrong: [title: string, bytes: Uint8Array, message: string, hint: RegExp][] = [
  ['no bytes', Buffer.alloc(0), 'Failed to load signature section data as CBOR', /byte 0/],
  ['an empty array', Buffer.from([0x80]), 'Invalid signature CBOR', /at byte 1 .*empty/],
  ['a map outside', Buffer.from([0xa0]), 'Invalid signature CBOR', /expected array, found map/],
  ['a map of one pair', Buffer.from([0x81, 0xa1]), 'Invalid signature CBOR', /2 pairs/],
  ['an indefinite array', Buffer.from([0x9f, 0xff]), 'Invalid signature CBOR', /form 31/],
  [
    'keys in the other order',
    section(pair('signature', ints), pair('signing_certificate', ints)),
    'Invalid signature CBOR',
    /expected key "signing_certificate"/,
  ],
  [
    'a byte string',
    section(pair('signing_certificate', Buffer.from([0x41, 0x61])), pair('signature', ints)),
    'Invalid signature CBOR',
    /expected array, found byte string/,
  ],
  [
    'an integer of 16 bits',
    section(pair('signing_certificate', Buffer.from([0x81, 0x19, 0, 5])), pair('signature', ints)),
    'Invalid signature CBOR',
    /form 25/,
  ],
  [
    'an empty certificate',
    section(pair('signing_certificate', Buffer.from([0x80])), pair('signature', ints)),
    'Invalid signature CBOR',
    /"signing_certificate" is empty/,
  ],
  [
    'an array longer than the section',
    section(cborText('signing_certificate'), Buffer.from([0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    'Failed to load signature section data as CBOR',
    /ends early/,
  ],
  ['bytes after it', Buffer.concat([signatureSection(), Buffer.alloc(1)]), 'Invalid signature CBOR', /bytes follow/],
];
for (const [title, bytes, message, hint] of wrong) {
  test(`${title}: refused with QEMU's sentence and the place`, async () => {
    const error = await thrown(() => parseSignature(bytes));
    assert.is(error.message, message);
    assert.match(error.hint ?? '', hint);
  });
}

test('every truncation of a good section is refused', async () => {
  const good = signatureSection();
  for (let length = 0; length < good.length; length++) {
    assert.is(
      (await thrown(() => parseSignature(good.subarray(0, length)))).message,
      'Failed to load signature section data as CBOR',
    );
  }
});

test('arbitrary bytes are refused, never crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      await thrown(() => parseSignature(bytes));
    }),
  );
});

test.run();
