import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { JsonReader, JsonSyntaxError, qemuLimits } from '../../../qmp/json/reader.js';
import { writeJson } from '../../../qmp/json/writer.js';
import { type JsonValue, QFloat } from '../../../src/system/json.js';
import { jsonValue, strangeText } from '../../support/json-text.js';

type Message = JsonValue | JsonSyntaxError;

function readAll(chunks: Iterable<string | Uint8Array>, reader = new JsonReader()): Message[] {
  const messages: Message[] = [];
  for (const chunk of chunks) {
    reader.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  }
  return messages;
}

function same(actual: Message[], expected: Message[], input: string): void {
  if (!isDeepStrictEqual(actual, expected)) {
    assert.equal(actual, expected, JSON.stringify(input));
    assert.unreachable(`different in a way that uvu does not see: ${JSON.stringify(input)}`);
  }
}

const error = (desc: string): JsonSyntaxError => new JsonSyntaxError(desc);

const reading = suite('reader');

reading('reads what the writer writes, in one piece and byte by byte', () => {
  fc.assert(
    fc.property(jsonValue, fc.boolean(), (value, pretty) => {
      const written = `${writeJson(value, pretty)}\n`;
      same(readAll([written]), [value], written);
      same(readAll([...written]), [value], written);
    }),
    { numRuns: 2000 },
  );
});

reading('gives the same for every cut of strange input: JSON.parse never shows', () => {
  fc.assert(
    fc.property(strangeText, fc.nat(100), (input, at) => {
      const expected = readAll([...input, '\xff']);
      same(readAll([`${input}\xff`]), expected, input);
      same(readAll([input, '\xff']), expected, input);
      same(readAll([input.slice(0, at), input.slice(at), '\xff']), expected, input);
    }),
    { numRuns: 5000 },
  );
});

reading('tells integers from doubles with an integral value', () => {
  const values = readAll([
    '2\n2.0\n1E2\n-0\n-0.0\n18446744073709551616\n18446744073709551615\n-9223372036854775808\n1.5\n',
  ]);
  same(
    values,
    [
      2,
      new QFloat(2),
      new QFloat(100),
      0,
      new QFloat(-0),
      new QFloat(2 ** 64),
      18446744073709551615n,
      -9223372036854775808n,
      1.5,
    ],
    'numbers',
  );
  // The same within lines that JSON.parse could read.
  same(
    readAll(['{"a": 2.0}\n{"a": 2}\n{"a": -0}\n{"a": 1e2}\n{"a": 1.5}\n{"a": 9007199254740993}\n']),
    [{ a: new QFloat(2) }, { a: 2 }, { a: 0 }, { a: new QFloat(100) }, { a: 1.5 }, { a: 9007199254740993n }],
    'objects',
  );
});

reading('judges escaped characters the same in lines and in pieces', () => {
  const lines = ['{"a": "\\ude00"}\n', '{"a": "\\ufffe"}\n', '{"a": "\\u00e9"}\n'];
  const expected = [
    error('JSON parse error, \\ude00 is not a valid Unicode character'),
    error('JSON parse error, \\ufffe is not a valid Unicode character'),
    { a: '\u00e9' },
  ];
  same(readAll(lines), expected, 'lines');
  same(readAll([lines.join('')]), expected, 'one chunk');
  same(readAll([...lines.join('')]), expected, 'bytes');
});

reading('keeps a member called __proto__ a member', () => {
  for (const chunks of [['{"__proto__": {"x": 1}}'], [...'{"__proto__": {"x": 1}}']]) {
    const [value] = readAll(chunks);
    assert.equal(Object.keys(value as object), ['__proto__']);
    assert.is((value as { x?: unknown }).x, undefined);
  }
});

reading('finds duplicate keys also when colons in strings make up for them', () => {
  const duplicate = error('JSON parse error, duplicate key');
  same(readAll(['{"a": 1, "a": 2}\n']), [duplicate], 'plain');
  same(readAll(['{"a": ":", "a": 2}\n']), [duplicate], 'colon');
  same(readAll(['{"a": {"b": 1, "b": 1}}\n']), [duplicate], 'inner');
  same(readAll(['{"\\u0061": 1, "a": 2}\n']), [duplicate], 'escaped');
  same(readAll(['{"a:b": ":"}\n']), [{ 'a:b': ':' }], 'colons only');
});

reading('tells the first error of a value and nothing else of it', () => {
  // Recorded from qemu-system-x86_64 7.2.
  const cases: [string, string][] = [
    ['{{}:1}', 'key is not a string in object'],
    ['{1:2}', 'key is not a string in object'],
    ['{[1 2]:1}', 'expected separator in list'],
    ['{"a":1,"a":tru}', "invalid keyword 'tru'"],
    ['{"a":1,}', 'expecting value'],
    ['[1,]', 'expecting value'],
    ['{"a" "b"}', 'missing : in object pair'],
    ['{"a":}', 'expecting value'],
    ['[}', 'expecting value'],
    ['truefalse ', "invalid keyword 'truefalse'"],
    ['"a\x7f\xef\xbf\xbe"', 'invalid UTF-8 sequence in string'],
    ['"\xf8\x88\x80\x80\x80"', 'invalid UTF-8 sequence in string'],
    ['"\\ufffe"', '\\ufffe is not a valid Unicode character'],
    ['"\\ud83d\\u0041"', '\\ud83d is not a valid Unicode character'],
    ['"\\u\xc3\xa9\xc3"', '\\u\u00e9\ufffd" is not a valid Unicode character'],
    ['"ab\xff', "stray '\"ab\ufffd'"],
    ['"ab\n', "stray '\"ab\n'"],
    ['"\\\xc3\x01x', "stray '\"\\\ufffd\x01'"],
    ['-x', "stray '-x'"],
    ['%', "stray '%'"],
    ['\0', "stray ''"],
  ];
  for (const [input, why] of cases) same(readAll([input]), [error(`JSON parse error, ${why}`)], input);
});

reading('goes on behind an error where QEMU does', () => {
  // Recorded from qemu-system-x86_64 7.2.
  const expecting = error('JSON parse error, expecting value');
  same(
    readAll(['{"id":01,"execute":"query-name"}']),
    [error("JSON parse error, stray '01'"), expecting, 'execute', expecting, 'query-name', expecting],
    'leading zero',
  );
  same(readAll(['1.5.5\n{}']), [1.5, error("JSON parse error, stray '.'"), {}], 'two points');
  same(readAll(['"a""b"']), ['a', 'b'], 'strings side by side');
});

reading('forgets an unfinished value at a byte 0xFF', () => {
  same(
    readAll(['{"execute": ["abc', '\xff', '{"a": 1}\n']),
    [error("JSON parse error, stray '\"abc\ufffd'"), { a: 1 }],
    '',
  );
});

reading('cuts the sentence of an endless word as QEMU does', () => {
  const [word] = readAll([`${'z'.repeat(5000)} `]);
  assert.is((word as JsonSyntaxError).desc, `JSON parse error, invalid keyword '${'z'.repeat(988)}`);
});

const limits = suite('reader: limits');

limits('accepts nesting to the limit and complains once beyond it', () => {
  const reader = (): JsonReader => new JsonReader({ ...qemuLimits, nesting: 3 });
  const tooDeep = error('JSON nesting depth limit exceeded');
  for (const cut of [(input: string) => [input], (input: string) => [...input]]) {
    same(readAll(cut('[[[]]]\n{"a":[{}]}\n'), reader()), [[[[]]], { a: [{}] }], 'at the limit');
    same(
      readAll(cut('{"a":[[{}]]}\n'), reader()),
      [tooDeep, ...new Array(4).fill(error('JSON parse error, expecting value'))],
      'beyond',
    );
  }
});

limits('counts the tokens of one value', () => {
  const reader = (): JsonReader => new JsonReader({ ...qemuLimits, tokens: 5 });
  same(readAll(['[1,2]', '{"a":1}\n'], reader()), [[1, 2], { a: 1 }], 'at the limit');
  same(
    readAll(['{"a":[1]}\n'], reader()),
    [error('JSON token count limit exceeded'), error('JSON parse error, expecting value')],
    'beyond',
  );
});

limits('counts the bytes of the tokens of one value, not the white space', () => {
  const reader = (): JsonReader => new JsonReader({ ...qemuLimits, bytes: 12 });
  same(readAll([`[${' '.repeat(100)}"abcdefg"]`], reader()), [['abcdefg']], 'at the limit');
  const tooBig = error('JSON token size limit exceeded');
  same(readAll(['["abcdefghi"', ']'], reader()), [tooBig, error('JSON parse error, expecting value')], 'beyond');
  // A token that does not end is given up, and what comes next begins a token.
  same(
    readAll(['"abcdefghijkl', 'mnop '], reader()),
    [tooBig, error("JSON parse error, invalid keyword 'mnop'")],
    'one token',
  );
  same(
    readAll([...'"abcdefghijklmnop '], reader()),
    [tooBig, error("JSON parse error, invalid keyword 'mnop'")],
    'by bytes',
  );
});

limits.run();
reading.run();
