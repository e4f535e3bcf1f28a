import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseLine, ShellSyntaxError, words } from '../../../../qmp/client/shell/grammar.js';
import { writeJson } from '../../../../qmp/json/writer.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../../src/system/json.js';

const grammar = suite('shell grammar');

for (const [line, args] of Object.entries<JsonObject>({
  'c a=1': { a: 1 },
  'c a=-1.5e3x': { a: '-1.5e3x' },
  'c a=1.5': { a: 1.5 },
  'c a=18446744073709551615': { a: 18446744073709551615n },
  'c a=007 b=0x10 c=1_000': { a: '007', b: '0x10', c: '1_000' },
  'c a=true b=false c=null d=True': { a: true, b: false, c: null, d: 'True' },
  'c a=text b= c==': { a: 'text', b: '', c: '=' },
  'c path=/machine/peripheral property=x-y': { path: '/machine/peripheral', property: 'x-y' },
  'c a="1" b=\'two words\' c="\\u00e9\\""': { a: '1', b: 'two words', c: 'é"' },
  'c a=[1,2] b=[ "x y", {"k": 1} ]': { a: [1, 2], b: ['x y', { k: 1 }] },
  'c a={} b={"x=y": "} ]"}': { a: {}, b: { 'x=y': '} ]' } },
  'c a.b=1 a.c.d=x e=2': { a: { b: 1, c: { d: 'x' } }, e: 2 },
  'c a={"b": 1} a.c=2': { a: { b: 1, c: 2 } },
  '  c\ta=1  ': { a: 1 },
  'c a=ünï': { a: 'ünï' },
})) {
  grammar(`${line} gives ${writeJson(args)}`, () => {
    assert.equal(parseLine(line), { command: 'c', args, oob: false });
  });
}

for (const [line, why] of Object.entries({
  'a=1': 'no command',
  'c a': "argument 'a' has no value",
  'c a="x': 'not closed',
  'c a=[1': 'not closed',
  'c a={"b": "}"': 'not closed',
  'c a=[1}': 'not closed',
  'c a=[1]x': 'more than one',
  'c a="x"y': 'more than one',
  'c a={1}': 'JSON parse error',
  'c =1': 'no argument name',
  'c a.=1': 'no argument name',
  'c a..b=1': 'no argument name',
  'c a=1 a=2': 'given twice',
  'c a=1 a.b=2': 'cannot both be given',
  'c a.b=1 a=2': 'given twice',
  '{"execute": "a"': 'not complete',
  '{"execute": "a"} {': 'more than one',
  '{"execute": "a"} null': 'more than one',
  '{"arguments": {}}': "QMP input lacks member 'execute'",
  '{"execute": "a", "arguments": []}': "QMP input member 'arguments' must be an object",
  '{"execute": "a", "more": 1}': "QMP input member 'more' is unexpected",
})) {
  grammar(`${line} is refused: ${why}`, () => {
    try {
      parseLine(line);
    } catch (error) {
      assert.instance(error, ShellSyntaxError);
      assert.match((error as Error).message, why);
      return;
    }
    assert.unreachable('it was accepted');
  });
}

grammar('a blank line is nothing', () => {
  assert.is(parseLine(''), undefined);
  assert.is(parseLine(' \t '), undefined);
});

grammar('a line in JSON may be out of band and have an id', () => {
  assert.equal(parseLine('{"execute": "a", "arguments": {"b": 1}, "id": [1]}'), {
    command: 'a',
    args: { b: 1 },
    oob: false,
    id: [1],
  });
  assert.equal(parseLine(" {'exec-oob': 'a'}"), { command: 'a', args: {}, oob: true });
});

grammar('__proto__ is a name like any other', () => {
  const request = parseLine('c __proto__.x=1');
  assert.equal(Object.keys(request?.args ?? {}), ['__proto__']);
  assert.is(({} as { x?: number }).x, undefined);
});

/** A line for these arguments: nested objects as paths, text bare where it can be. */
function print(command: string, args: JsonObject): string {
  const words = [command];
  const add = (path: string, value: JsonValue): void => {
    if (isJsonObject(value) && Object.keys(value).length > 0) {
      for (const [key, member] of Object.entries(value)) add(`${path}.${key}`, member);
    } else if (typeof value === 'string' && /^[a-z/][a-z0-9/=.-]*$/.test(value) && !/^(true|false|null)$/.test(value)) {
      words.push(`${path}=${value}`);
    } else words.push(`${path}=${writeJson(value)}`);
  };
  for (const [key, value] of Object.entries(args)) add(key, value);
  return words.join(' ');
}

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,10}$/);
const { value: argument } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<JsonValue>(null, true, false),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter((one) => !Number.isInteger(one)),
    fc.string({ unit: 'grapheme' }),
    fc.stringMatching(/^[a-z/][a-z0-9/=.-]*$/),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(name, tie('value'), { maxKeys: 3 }) as fc.Arbitrary<JsonObject>,
}));

grammar('whatever is printed is read back', () => {
  fc.assert(
    fc.property(name, fc.dictionary(name, argument, { maxKeys: 4 }), (command, args) => {
      const read = parseLine(print(command, args as JsonObject));
      assert.is(read?.command, command);
      assert.is(writeJson(read?.args ?? null), writeJson(args as JsonObject));
    }),
    { numRuns: 500 },
  );
});

const anyLine = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(' ', '=', '.', '"', "'", '\\', '{', '}', '[', ']', ',', ':', 'a', '1') }),
);

grammar('any line is read or refused with a sentence', () => {
  fc.assert(
    fc.property(anyLine, (line) => {
      try {
        parseLine(line);
      } catch (error) {
        assert.instance(error, ShellSyntaxError);
      }
    }),
    { numRuns: 3000 },
  );
});

grammar('the words of any line are apart, in order, and cover all that is not blank', () => {
  fc.assert(
    fc.property(anyLine, (line) => {
      let at = 0;
      for (const { start, end, equals } of words(line)) {
        assert.is(line.slice(at, start).trim(), '');
        assert.ok(end > start && (equals === undefined || (equals >= start && equals < end)));
        at = end;
      }
      assert.is(line.slice(at).trim(), '');
    }),
    { numRuns: 3000 },
  );
});

grammar.run();
