import * as fc from 'fast-check';
import { float, type JsonValue } from '../../src/system/json.js';

/** Strings a QMP text can carry: no lone surrogates, no noncharacters. */
export const text = fc
  .string({ unit: 'binary', maxLength: 12 })
  .filter((s) => !/[\p{Cs}\p{Noncharacter_Code_Point}]/u.test(s));

/** Doubles that are still doubles when written: small integral ones are written as integers. */
const double = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((x) => !Number.isInteger(x) || Math.abs(x) >= 1e17)
  .map(float);

const scalar: fc.Arbitrary<JsonValue> = fc.oneof(
  text,
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
  fc.maxSafeInteger().map((n) => n + 0),
  fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)),
  double,
);

/** Values as the reader makes them. */
export const jsonValue: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('id', '__proto__', 'toString', '7')), tie('value'), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  ),
})).value;

/**
 * Pieces of which most texts are wrong, but often only just: JSON tokens, dialect, near misses, white space, bytes that
 * are not UTF-8. One character a byte.
 */
export const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('{', '}', '[', ']', ':', ',', ' ', '\n', '\r\n', '\t', '{}', '[]') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...['"a"', '"b"', "'a'", '"a":', '"execute":', '"id":', '"__proto__":', '"a:b"', '"\\u0041"', '"\\ud83d\\ude00"'],
      ...[
        '"\\ude00"',
        '"\\ud83d"',
        '"\\ufffe"',
        '"\\u12"',
        '"\\q"',
        '"\\\\"',
        '"\\""',
        "'\\''",
        '"\x7f"',
        '"\xc3\xa9"',
      ],
      ...[
        '"\xc0\x80"',
        '"\xc0\x81"',
        '"\xed\xa0\x80"',
        '"\xf4\x90\x80\x80"',
        '"\xef\xbf\xbe"',
        '"\xc3"',
        '"',
        "'",
        '\\',
      ],
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...['0', '1', '-1', '-0', '-', '+1', '01', '0.0', '-0.0', '2.0', '1.5', '1.', '.5', '1e2', '1E+2', '1e', '0e1'],
      ...['9007199254740991', '9007199254740992', '9223372036854775807', '9223372036854775808', '18446744073709551616'],
      ...['-9223372036854775808', '-9223372036854775809', '1e999', '1e-999', '123456789012345678901234567890'],
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'true',
      'false',
      'null',
      'tru',
      'TRUE',
      'nul\n',
      '%d',
      '\xff',
      '\xfe',
      '\0',
      '\x01',
      '\x80',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: fc.nat(255).map((byte) => String.fromCharCode(byte)), maxLength: 3 }) },
);

/** Damaged or strange requests, one character a byte. */
export const strangeText: fc.Arbitrary<string> = fc.oneof(
  fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join('')),
  // A request with one piece put somewhere.
  fc
    .tuple(
      fc.constantFrom('{"execute": "query-name", "id": [1, {"a": "b"}]}\n', '{"execute":"nonesuch"}'),
      fc.nat(50),
      piece,
    )
    .map(([request, at, inserted]) => request.slice(0, at) + inserted + request.slice(at) + request),
  // Objects on lines of their own, as clients send them.
  fc
    .array(fc.tuple(fc.json({ maxDepth: 3 }), fc.constantFrom('\n', '\r\n', '', ' ')), { maxLength: 4 })
    .map((values) => Buffer.from(values.map(([value, end]) => `{"a": ${value}}${end}`).join('')).toString('latin1')),
);
