import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionGroups } from '../../src/cli/groups.js';
import type { KeyvalObject } from '../../src/cli/keyval.js';
import { applySection, readConfig } from '../../src/cli/readconfig.js';
import { QemuError } from '../../src/system/errors.js';
import type { Location } from '../../src/system/report.js';
import { thrown } from '../support/thrown.js';

const test = suite('readconfig');
type Nested = [string, KeyvalObject, Location][];

function apply(text: string): { groups: OptionGroups; nested: Nested } {
  const groups = new OptionGroups();
  const nested: Nested = [];
  for (const section of readConfig(text, 'f')) applySection(section, groups, (...what) => nested.push(what));
  return { groups, nested };
}

const sentence = async (text: string) => (await thrown(() => apply(text))).message;
const values = (text: string) => [...readConfig(`[g]\n${text}`, 'f')].flatMap(({ values }) => [...values]);

test('sections become option sets and nested options, each with the line it ends on', () => {
  const { groups, nested } = apply(`# all of it
[chardev "c0"]
  backend = "socket"
  path = "/a,b"

[machine]
  type = "none"
  smp.cpus = "2"
[device]
driver = "x"
[device]
driver = "y"
[object "o"]
`);
  const chardev = groups.get('chardev').find('c0');
  assert.is(chardev?.get('path'), '/a,b');
  assert.equal(chardev?.location, { file: 'f', line: 4 });
  assert.equal(
    groups.get('device').sets.map((set) => [set.get('driver'), set.location]),
    [
      ['x', { file: 'f', line: 10 }],
      ['y', { file: 'f', line: 12 }],
    ],
  );
  assert.equal(nested, [
    ['machine', { type: 'none', smp: { cpus: '2' } }, { file: 'f', line: 8 }],
    ['object', { id: 'o' }, { file: 'f', line: 12 }],
  ]);
});

test('the grammar is as lenient as the original', () => {
  assert.equal(values('a = "b" # not a comment'), [['a', 'b']]);
  assert.equal(values('\ta="b"'), [['a="b"', '']]);
  assert.equal(values('a ="b'), [['a', 'b']]);
  assert.equal(values('a\nb = ""\nc = d'), [
    ['a', ''],
    ['b', ''],
    ['c', ''],
  ]);
  assert.equal(values(`a = "${'x'.repeat(1100)}"`), [
    ['a', 'x'.repeat(1018)],
    ['x'.repeat(63), ''],
  ]);
  assert.equal(
    [...readConfig('[a b]\n[ c "d e" junk\n[e""]\n', 'f')].map(({ group, values }) => [group, values.get('id')]),
    [
      ['a b', undefined],
      ['c', 'd e'],
      ['e""', undefined],
    ],
  );
});

test('faults have the sentences of QEMU, and a line', async () => {
  assert.is(await sentence('[machine\ntype = "none"\n'), "There is no option group 'machine\n'");
  assert.is(await sentence('[nonsense]\nx = "1"\n'), "There is no option group 'nonsense'");
  assert.is(await sentence('[chardev "a"]\nfoo = "1"\n'), "Invalid parameter 'foo'");
  assert.is(await sentence('[machine]\na.b = "1"\na = "2"\n'), 'Cannot mix scalar and non-scalar keys');
  assert.is(await sentence('[machine]\na.0 = "1"\na.b = "2"\n'), 'Cannot mix list and non-list keys');
  assert.is(await sentence('[machine]\n0 = "1"\n'), 'Lists cannot be at top level of a configuration section');
  assert.is(
    await sentence('[machine]\na.0 = "1"\na.2 = "2"\n'),
    'List indices are not contiguous, saw 2 elements but 2 largest index',
  );
  const error = await thrown(() => apply('\n  # c\n'));
  assert.equal([error.message, error.hint], ['no group defined', 'in line 2 of f']);
  assert.is(await sentence('[chardev "a"]\n \n'), 'parse error');
});

test('a doubled dot is a dot, and numbered keys make a list', () => {
  assert.equal(apply('[machine]\na..b.c = "1"\nd.1 = "y"\nd.0 = "x"\n').nested[0]?.[1], {
    'a.b': { c: '1' },
    d: ['x', 'y'],
  });
});

test('any text is read or ends with a QemuError', () => {
  const piece = fc.oneof(
    fc.constantFrom('[', ']', '"', '=', '\n', ' ', '#', '[machine]\n', '[chardev "a"]\n', 'a.0 = "1"\n', '__proto__'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      try {
        apply(pieces.join(''));
      } catch (error) {
        assert.instance(error, QemuError);
      }
    }),
    { numRuns: 2000 },
  );
});

test.run();
