import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionGroups } from '../../src/cli/groups.js';
import { type GroupSpec, OptsGroup } from '../../src/cli/opts.js';
import { QemuError } from '../../src/system/errors.js';
import { thrown } from '../support/thrown.js';

const test = suite('option groups');
const here = { text: '-x' };
const silent = () => {};
const free: GroupSpec = { name: 'free', keys: [] };
const typed: GroupSpec = {
  name: 'typed',
  implied: 'path',
  keys: [
    { name: 'path', type: 'string' },
    { name: 'mux', type: 'bool' },
    { name: 'cols', type: 'number' },
    { name: 'size', type: 'size', default: '64k' },
  ],
};

function parse(text: string, spec = typed): [string, string][] {
  return [...(new OptsGroup(spec).parse(text, here, silent)?.entries() ?? [])];
}

test('what was written comes back: keys in order, commas doubled', () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/).filter((name) => name !== 'id' && !name.startsWith('no'));
  const value = fc.string({ unit: fc.oneof(fc.constantFrom(...',=-"'), fc.string({ unit: 'binary', maxLength: 1 })) });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 8 }), (pairs) => {
      const text = pairs.map(([name, content]) => `${name}=${content.replaceAll(',', ',,')}`).join(',');
      assert.equal(parse(text, free), pairs);
    }),
  );
});

test('any text is read or ends with a QemuError', () => {
  const piece = fc.oneof(
    fc.constantFrom(',', ',,', '=', 'id', 'no', 'mux', 'cols', 'size', 'help', '?', '1'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      for (const spec of [typed, free, { ...typed, merge: true }]) {
        try {
          parse(pieces.join(''), spec);
        } catch (error) {
          assert.instance(error, QemuError);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('the first value may do without its key, and takes all of its text', () => {
  assert.equal(parse('a,,b,mux=on'), [
    ['path', 'a,b'],
    ['mux', 'on'],
  ]);
  assert.equal(parse('help'), [['path', 'help']]);
});

test('the last of several values counts, and a default stands in for none', () => {
  const set = new OptsGroup(typed).parse('cols=1,cols=0x10,mux=no', here, silent);
  assert.is(set?.number('cols', 0n), 16n);
  assert.is(set?.bool('mux', true), false);
  assert.is(set?.size('size', 0n), 65536n);
  assert.is(set?.get('path'), undefined);
});

test('a key without a value is a switch, and warns', () => {
  const warnings: string[] = [];
  const parsed = new OptionGroups()
    .get('chardev')
    .parse('null,nomux,delay', here, (sentence, hint) => warnings.push(sentence, hint));
  assert.equal(
    [...(parsed?.entries() ?? [])],
    [
      ['backend', 'null'],
      ['mux', 'off'],
      ['delay', 'on'],
    ],
  );
  assert.equal(warnings, [
    "short-form boolean option 'nomux' deprecated",
    'Please use mux=off instead',
    "short-form boolean option 'delay' deprecated",
    'Please use nodelay=off instead',
  ]);
});

test('ids are unique in their group until their set is removed', async () => {
  const group = new OptsGroup(typed);
  const set = group.parse('id=a', here, silent);
  assert.is((await thrown(() => group.parse('x,id=a', here, silent))).message, "Duplicate ID 'a' for typed");
  assert.is((await thrown(() => group.parse('id=1', here, silent))).message, "Parameter 'id' expects an identifier");
  assert.is(group.find('a'), set);
  if (set !== undefined) group.remove(set);
  assert.is(group.find('a'), undefined);
});

test('a set that cannot be read leaves its id free', async () => {
  const group = new OptsGroup(typed);
  await thrown(() => group.parse('id=a,bad=1', here, silent));
  assert.is(group.parse('id=a,help', here, silent), undefined);
  assert.is(group.sets.length, 0);
});

test('a group that merges keeps one set and takes no id', async () => {
  const group = new OptsGroup({ ...typed, merge: true });
  const first = group.parse('a,cols=1', here, silent);
  assert.is(group.parse('cols=2', here, silent), first);
  assert.is(first?.get('cols'), '2');
  assert.is(first?.get('path'), 'a');
  assert.is((await thrown(() => group.parse('id=a', here, silent))).message, "Invalid parameter 'id'");
});

test('help is an ordinary key where any key is taken', () => {
  const warnings: string[] = [];
  const set = new OptsGroup(free).parse('help', here, (sentence) => warnings.push(sentence));
  assert.equal([...(set?.entries() ?? [])], [['help', 'on']]);
  assert.equal(warnings, []);
  assert.is(new OptsGroup(free).help(), 'There are no options for free.\n');
});

test('numbers wrap below zero and say when they are too large', async () => {
  const group = new OptsGroup(typed);
  assert.is(group.parse('cols=-1', here, silent)?.number('cols', 0n), 2n ** 64n - 1n);
  assert.is(
    (await thrown(() => group.parse('cols=18446744073709551616', here, silent))).message,
    "Value '18446744073709551616' is too large for parameter 'cols'",
  );
  assert.is((await thrown(() => group.parse('cols=08', here, silent))).message, "Parameter 'cols' expects a number");
});

test.run();
