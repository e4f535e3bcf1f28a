import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as qapi from '../../src/qom/qapi.js';
import { visit, visitMembers } from '../../src/qom/visitor.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonValue } from '../../src/system/json.js';

const test = suite('qapi visitor');

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof QemuError ? error.message : `not a QemuError: ${String(error)}`;
  }
  return 'no error';
}

test('integers keep to the range of their type in both modes', () => {
  const ranges = [
    ['uint8', qapi.uint8, 0n, 255n],
    ['uint16', qapi.uint16, 0n, 65535n],
    ['uint32', qapi.uint32, 0n, 2n ** 32n - 1n],
    ['int8', qapi.int8, -128n, 127n],
    ['int32', qapi.int32, -(2n ** 31n), 2n ** 31n - 1n],
  ] as const;
  for (const [name, type, low, high] of ranges) {
    for (const value of [low, high]) {
      assert.is(visit(type, Number(value), 'n'), Number(value));
      assert.is(visit(type, String(value), 'n', 'keyval'), Number(value));
    }
    for (const value of [low - 1n, high + 1n]) {
      assert.is(
        message(() => visit(type, Number(value), 'n')),
        `Parameter 'n' expects ${name}_t`,
      );
      assert.is(
        message(() => visit(type, String(value), 'n', 'keyval')),
        `Parameter 'n' expects ${name}_t`,
      );
    }
  }
});

test('64-bit integers are exact: numbers where they can be, bigint beyond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const back = visit(qapi.uint64, value.toString(), 'n', 'keyval');
      assert.is(BigInt(back as number | bigint), value);
      assert.is(typeof back, value <= BigInt(Number.MAX_SAFE_INTEGER) ? 'number' : 'bigint');
    }),
  );
  assert.is(visit(qapi.int64, -(2n ** 63n), 'n'), -(2n ** 63n));
  assert.is(
    message(() => visit(qapi.int64, 2n ** 63n, 'n')),
    "Invalid parameter type for 'n', expected: integer",
  );
  assert.is(
    message(() => visit(qapi.uint64, 1.5, 'n')),
    "Parameter 'n' expects uint64",
  );
  assert.is(visit(qapi.uint64, -1, 'n'), 2n ** 64n - 1n);
});

test('option text turns into typed values', () => {
  assert.is(visit(qapi.bool, 'on', 'b', 'keyval'), true);
  assert.is(visit(qapi.bool, 'no', 'b', 'keyval'), false);
  assert.is(
    message(() => visit(qapi.bool, 'maybe', 'b', 'keyval')),
    "Parameter 'b' expects 'on' or 'off'",
  );
  assert.is(visit(qapi.size, '1.5G', 's', 'keyval'), 1.5 * 2 ** 30);
  assert.is(
    message(() => visit(qapi.size, 'abc', 's', 'keyval')),
    "Parameter 's' expects size",
  );
  assert.equal(visit(qapi.list(qapi.uint16), ['1', '2'], 'l', 'keyval'), [1, 2]);
  assert.is(
    message(() => visit(qapi.list(qapi.uint16), '0-3', 'l', 'keyval')),
    "Invalid parameter type for 'l', expected: array",
  );
});

test('flat option groups have texts of their own, ranges, and the last of several scalars', () => {
  assert.equal(visit(qapi.list(qapi.uint16), '0-3', 'l', 'opts'), [0, 1, 2, 3]);
  assert.equal(visit(qapi.list(qapi.uint16), ['1', '4-5'], 'l', 'opts'), [1, 4, 5]);
  assert.is(visit(qapi.size, ['1', '2K'], 's', 'opts'), 2048);
  const texts: [qapi.QapiType, string, string][] = [
    [qapi.list(qapi.uint16), '3-1', "Parameter 'x' expects a uint64 value or range"],
    [qapi.list(qapi.uint16), '0-65536', "Parameter 'x' expects a uint64 value or range"],
    [qapi.size, 'abc', "Parameter 'x' expects a size value"],
    [qapi.uint32, '-1', "Parameter 'x' expects a uint64 value"],
    [qapi.int, 'a', "Parameter 'x' expects an int64 value"],
  ];
  for (const [type, text, sentence] of texts)
    assert.is(
      message(() => visit(type, text, 'x', 'opts')),
      sentence,
    );
  assert.is(
    message(() => visitMembers(qapi.struct('S', {}), { y: 'z' }, 'opts')),
    "Invalid parameter 'y'",
  );
});

test('structs want their members, no others, and name them by path', () => {
  const inner = qapi.struct('Inner', { out: qapi.str, append: qapi.optional(qapi.bool) });
  const outer = qapi.struct('Outer', { backend: inner, n: qapi.optional(qapi.list(qapi.int)) });
  assert.equal(visitMembers(outer, { backend: { out: 'x' }, n: [1] }), { backend: { out: 'x' }, n: [1] });
  assert.is(
    message(() => visitMembers(outer, { backend: {} })),
    "Parameter 'backend.out' is missing",
  );
  assert.is(
    message(() => visitMembers(outer, {})),
    "Parameter 'backend' is missing",
  );
  assert.is(
    message(() => visitMembers(outer, { backend: { out: 'x', y: 1 } })),
    "Parameter 'backend.y' is unexpected",
  );
  assert.is(
    message(() => visitMembers(outer, { backend: [] })),
    "Invalid parameter type for 'backend', expected: object",
  );
  assert.is(
    message(() => visitMembers(outer, { backend: { out: 'x' }, n: ['a'] })),
    "Invalid parameter type for 'n[0]', expected: integer",
  );
});

test('a flat union checks the members of the variant its tag names', () => {
  const kind = qapi.enumeration('Kind', ['file', 'null']);
  const union = qapi.union('U', { type: kind }, 'type', { file: qapi.struct('F', { out: qapi.str }) });
  assert.equal(visit(union, { type: 'null' }, ''), { type: 'null' });
  assert.is(
    message(() => visit(union, { type: 'file' }, '')),
    "Parameter 'out' is missing",
  );
  assert.is(
    message(() => visit(union, { type: 'null', out: 'x' }, '')),
    "Parameter 'out' is unexpected",
  );
  assert.is(
    message(() => visit(union, { type: 'x' }, '')),
    "Parameter 'type' does not accept value 'x'",
  );
});

test('whatever comes in, the answer is a value or a QemuError', () => {
  const types: qapi.QapiType[] = [
    qapi.str,
    qapi.bool,
    qapi.int,
    qapi.uint8,
    qapi.size,
    qapi.number,
    qapi.nil,
    qapi.any,
    qapi.list(qapi.uint32),
    qapi.OnOffAuto,
    qapi.alternate('A', [qapi.nil, qapi.str, qapi.int]),
    qapi.struct('S', { a: qapi.int, b: qapi.optional(qapi.list(qapi.str)) }),
  ];
  const value = fc.letrec<{ json: JsonValue }>((tie) => ({
    json: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<JsonValue>(null, true, false, 0, -1, 1.5, 2n ** 63n, '', '1', 'on', '0x10', '1-2'),
      fc.double(),
      fc.string(),
      fc.array(tie('json')),
      fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'c'), tie('json')),
    ),
  })).json;
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      value,
      fc.constantFrom('json' as const, 'keyval' as const),
      (type, v, mode) => {
        try {
          visit(type, v, 'p', mode);
        } catch (error) {
          assert.instance(error, QemuError);
        }
      },
    ),
  );
});

test.run();
