import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cbor, CborError, cbor, member, readCbor } from '../../src/attestation/cbor.js';
import { type Plain, plainCbor } from '../support/attestation.js';

const test = suite('CBOR');

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');

/** A read value as a plain one, for comparison. */
function plain(item: Cbor): unknown {
  switch (item.type) {
    case 'array':
      return item.items.map(plain);
    case 'map':
      return item.entries.map(([key, value]) => [plain(key), plain(value)]);
    case 'tag':
      return { tag: item.tag, content: plain(item.content) };
    case 'bytes':
      return Buffer.from(item.value).toString('hex');
    case 'null':
    case 'undefined':
      return item.type;
    default:
      return item.value;
  }
}

/** RFC 8949, appendix A. */
const examples: [encoded: string, value: unknown][] = [
  ['00', 0n],
  ['17', 23n],
  ['1818', 24n],
  ['1903e8', 1000n],
  ['1a000f4240', 1_000_000n],
  ['1bffffffffffffffff', 18_446_744_073_709_551_615n],
  ['20', -1n],
  ['3903e7', -1000n],
  ['3bffffffffffffffff', -18_446_744_073_709_551_616n],
  ['f93c00', 1],
  ['f90001', 2 ** -24],
  ['f97bff', 65_504],
  ['f97c00', Number.POSITIVE_INFINITY],
  ['f97e00', Number.NaN],
  ['fa47c35000', 100_000],
  ['fb3ff199999999999a', 1.1],
  ['fbc010666666666666', -4.1],
  ['f4', false],
  ['f5', true],
  ['f6', 'null'],
  ['f7', 'undefined'],
  ['c11a514b67b0', { tag: 1n, content: 1_363_896_240n }],
  ['40', ''],
  ['4401020304', '01020304'],
  ['60', ''],
  ['62c3bc', 'ü'],
  ['64f0908591', '𐅑'],
  ['80', []],
  ['8301820203820405', [1n, [2n, 3n], [4n, 5n]]],
  [
    'a201020304',
    [
      [1n, 2n],
      [3n, 4n],
    ],
  ],
  ['5f42010243030405ff', '0102030405'],
  ['7f657374726561646d696e67ff', 'streaming'],
  ['9fff', []],
  ['9f018202039f0405ffff', [1n, [2n, 3n], [4n, 5n]]],
  [
    'bf61610161629f0203ffff',
    [
      ['a', 1n],
      ['b', [2n, 3n]],
    ],
  ],
];
for (const [encoded, value] of examples) {
  test(`${encoded} reads as the RFC says`, () => {
    const bytes = hex(encoded);
    const { item, end } = readCbor(bytes);
    assert.is(end, bytes.length);
    assert.equal(plain(item), value);
  });
}

test('what is cut off, reserved or out of place is refused with its offset', () => {
  const cases: [string, RegExp][] = [
    ['', /cut off at offset 0/],
    ['18', /cut off/],
    ['4401', /the string is cut off at offset 0/],
    ['5bffffffffffffffff00', /cut off/],
    ['1c', /reserved additional information at offset 0/],
    ['1f', /an integer without a value/],
    ['df00', /a tag without a number/],
    ['ff', /a break without its beginning/],
    ['f8ff', /an unassigned simple value/],
    ['61ff', /not UTF-8/],
    ['5f6100ff', /a chunk of another type at offset 1/],
    ['5f5f4100ffff', /a chunk of another type/],
    ['9f01', /cut off/],
    ['bf6161ff', /a break without its beginning at offset 3/],
    ['9affffffff', /too many items/],
    ['81'.repeat(40), /nested too deeply at offset 33/],
  ];
  for (const [encoded, text] of cases) {
    assert.throws(
      () => readCbor(hex(encoded)),
      (error: Error) => error instanceof CborError && text.test(error.message),
      encoded,
    );
  }
});

test('values written by another encoder are read as they were', () => {
  const key = fc.oneof(fc.nat(), fc.string());
  const { value } = fc.letrec<{ value: Plain }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.maxSafeNat(), fc.string(), fc.uint8Array()),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    ),
  }));
  const rewrite = (item: Cbor): Uint8Array => {
    if (item.type === 'uint') return cbor.uint(item.value);
    if (item.type === 'nint') return cbor.nint(item.value);
    if (item.type === 'bytes') return cbor.bytes(item.value);
    if (item.type === 'text') return cbor.text(item.value);
    if (item.type === 'bool') return cbor.bool(item.value);
    if (item.type === 'array') return cbor.array(item.items.map(rewrite));
    if (item.type === 'map') return cbor.map(item.entries.map(([k, v]) => [rewrite(k), rewrite(v)]));
    return cbor.null;
  };
  fc.assert(
    fc.property(value, (original) => {
      const encoded = plainCbor(original);
      assert.is(Buffer.from(rewrite(readCbor(encoded).item)).toString('hex'), encoded.toString('hex'));
    }),
  );
});

test('integers are written in the shortest form, timestamps in eight bytes', () => {
  for (const [value, encoded] of [
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [65_536, '1a00010000'],
    [2 ** 32, '1b0000000100000000'],
    [2n ** 64n - 1n, '1bffffffffffffffff'],
  ] as const) {
    assert.is(cbor.uint(value).toString('hex'), encoded);
  }
  assert.is(cbor.uint64(1).toString('hex'), '1b0000000000000001');
  assert.is(cbor.nint(-35).toString('hex'), '3822');
  assert.is(cbor.nint(-(2n ** 64n)).toString('hex'), '3bffffffffffffffff');
});

test('of a repeated key the first value counts', () => {
  const { item } = readCbor(hex('a2616101616102'));
  assert.equal(member(item, 'a'), { type: 'uint', value: 1n, width: 0 });
  assert.is(member(item, 'b'), undefined);
});

test.run();
