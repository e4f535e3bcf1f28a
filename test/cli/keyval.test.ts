import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Keyval, type KeyvalObject, mergeKeyval, parseKeyval, readKeyval } from '../../src/cli/keyval.js';
import { QemuError } from '../../src/system/errors.js';
import { thrown } from '../support/thrown.js';

const test = suite('keyval');
const sentence = async (text: string, implied?: string) => (await thrown(() => parseKeyval(text, implied))).message;

function format(value: Keyval, path: string): string[] {
  if (typeof value === 'string') return [`${path}=${value.replaceAll(',', ',,')}`];
  return Object.entries(value).flatMap(([key, member]) => format(member, path === '' ? key : `${path}.${key}`));
}

const key = fc.stringMatching(/^(__[a-z.]{0,3}_)?[A-Za-z][A-Za-z0-9_-]{0,5}$/);
const value = fc.string({ unit: fc.oneof(fc.constantFrom(...',=.'), fc.string({ unit: 'binary', maxLength: 1 })) });
const { node } = fc.letrec<{ node: Keyval }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    value,
    fc.dictionary(key, tie('node'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<Keyval>,
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
  ),
}));

test('what was written comes back: nested, listed, commas doubled', () => {
  fc.assert(
    fc.property(fc.dictionary(key, node, { maxKeys: 4, noNullPrototype: true }), (object) => {
      assert.equal(parseKeyval(format(object, '').join(',')), object);
    }),
  );
});

test('any text is read or ends with a QemuError', () => {
  const piece = fc.oneof(fc.constantFrom(',', ',,', '=', '.', 'a', 'help', '?', '0', '1', '__', '_', '='), fc.string());
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      try {
        parseKeyval(pieces.join(''), 'type');
      } catch (error) {
        assert.instance(error, QemuError);
      }
    }),
    { numRuns: 3000 },
  );
});

test('the first value may do without its key, but holds no comma', async () => {
  assert.equal(parseKeyval('none,usb=off', 'type'), { type: 'none', usb: 'off' });
  assert.is(await sentence('a,,b=1', 'type'), "Invalid parameter ''");
  assert.is(await sentence('none,usb', 'type'), "Expected '=' after parameter 'usb'");
});

test('help is noticed wherever it stands alone, and is refused where nobody answers it', async () => {
  for (const text of ['help', 'none,?', 'help,usb=on']) assert.is(readKeyval(text, 'type', {}).help, true, text);
  assert.is(readKeyval('none,help=1', 'type', {}).help, false);
  assert.is(await sentence('help', 'type'), 'Help is not available for this option');
});

test('a key is text or an object or a list, and stays so', async () => {
  assert.is(await sentence('a=1,a.b=2'), "Parameters 'a.*' used inconsistently");
  assert.is(await sentence('a.b=1,a=2'), "Parameters 'a.*' used inconsistently");
  assert.is(await sentence('a.b.0=1,a.b.c=2'), "Parameters 'a.b.*' used inconsistently");
  assert.is(await sentence('a.1=x'), "Parameter 'a.0' missing");
  assert.is(await sentence('a.0=x,a.4294967296=y'), "Parameter 'a.1' missing");
  assert.equal(parseKeyval('a.1=y,a.0=x,a.00=z'), { a: ['z', 'y'] } satisfies KeyvalObject);
});

test('a repeated option replaces and adds', () => {
  const machine: KeyvalObject = {};
  readKeyval('none,a=1,b.c=2', 'type', machine);
  readKeyval('a=3,b.d=4', 'type', machine);
  assert.equal(machine, { type: 'none', a: '3', b: { c: '2', d: '4' } });
});

test('keys are names of bounded length and depth', async () => {
  const long = 'x'.repeat(128);
  assert.equal(parseKeyval(`${long.slice(1)}=1`), { [long.slice(1)]: '1' });
  assert.is(await sentence(`${long}=1`), `Parameter '${long}' is too long`);
  assert.is(await sentence(`a.${long}=1`), `Parameter fragment '${long}' is too long`);
  for (const bad of ['', '1', 'a..b', 'a.', '.a', '_a', '__a', 'a.1b', '__proto__']) {
    assert.is(await sentence(`${bad}=1`), `Invalid parameter '${bad}'`);
  }
  assert.is(await sentence(`${'a.'.repeat(60_000)}a=1`), "Parameter 'a' nests more than 1024 levels");
});

test('members of every object are not taken for options', () => {
  assert.equal(Object.keys(parseKeyval('constructor=1,toString.a=2')), ['constructor', 'toString']);
});

test('merging replaces text, joins objects, appends to lists, and keeps kinds', async () => {
  const into = parseKeyval('a=1,b.c=2,d.0=x');
  mergeKeyval(into, parseKeyval('a=3,b.e=4,d.0=y,f=5'), 'smp.');
  assert.equal(into, { a: '3', b: { c: '2', e: '4' }, d: ['x', 'y'], f: '5' });
  const error = await thrown(() => mergeKeyval(into, parseKeyval('b.c.g=1'), 'smp.'));
  assert.is(error.message, "Parameter 'smp.b.c' used inconsistently");
});

test.run();
