import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocatedError } from '../../src/cli/located-error.js';
import { findOption, optionSections, refusal } from '../../src/cli/option-table.js';
import { walk } from '../../src/cli/walk.js';
import { thrown } from '../support/thrown.js';

const test = suite('walk');
const options = optionSections.flatMap((section) => section.options);
const spec = fc.constantFrom(...options);
const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom(...'-=,\'":x1.\n'), fc.constant(''), fc.string({ unit: 'binary', maxLength: 1 })),
});

test('options keep their order, and values come through untouched', () => {
  const given = fc.record({ spec, dashes: fc.constantFrom('-', '--'), value: anyText });
  fc.assert(
    fc.property(fc.array(given, { maxLength: 12 }), (list) => {
      const words = list.map(({ spec: { name, argument }, dashes, value }) =>
        argument === undefined ? [`${dashes}${name}`] : [`${dashes}${name}`, value],
      );
      const walked = walk(words.flat());
      assert.equal(
        walked.map((option) => [option.spec.name, option.value, option.location]),
        list.map((option, i) => [option.spec.name, words[i]?.[1], { text: (words[i] ?? []).join(' ') }]),
      );
    }),
    { numRuns: 300 },
  );
});

test('any list of words is walked or ends with a located error', () => {
  const word = fc.oneof(
    anyText,
    spec.map(({ name }) => `-${name}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), (argv) => {
      try {
        const used = walk(argv).reduce(
          (n, option) => n + (option.value === undefined || !/^-/.test(option.location.text) ? 1 : 2),
          0,
        );
        assert.is(used, argv.length);
      } catch (error) {
        assert.instance(error, LocatedError);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a word without a dash is hard disk 0, also an empty one', () => {
  const [disk, empty] = walk(['none', '']);
  assert.equal([disk?.option, disk?.value, disk?.location], ['hda', 'none', { text: 'none' }]);
  assert.equal([empty?.option, empty?.value, empty?.location], ['hda', '', { text: '' }]);
});

test('-M is -machine and -help is -h', () => {
  assert.equal(
    walk(['-M', 'nitro', '--help']).map(({ option }) => option),
    ['machine', 'h'],
  );
});

test('a missing argument is noticed before anything else happens', async () => {
  const error = await thrown(() => walk(['-S', '-m']));
  assert.is(error.message, 'requires an argument');
  assert.equal((error as LocatedError).location, { text: '-m' });
});

test('dashes alone are no option', async () => {
  for (const word of ['-', '--', '---S']) assert.is((await thrown(() => walk([word]))).message, 'invalid option');
});

test('names are unique, and what is refused says why', () => {
  assert.is(new Set(options.map(({ name }) => name)).size, options.length);
  for (const option of options) assert.is(option.effect === 'refused', option.refusal !== undefined, option.name);
});

test('a refusal names the argument, and -vnc none is no offence', () => {
  const reason = (name: string, value: string) => {
    const found = findOption(name);
    return found === undefined ? 'unknown' : refusal(found, value);
  };
  assert.is(reason('usbdevice', '$&'), "could not add USB device '$&'");
  assert.is(reason('vnc', ':1'), 'VNC support is disabled');
  assert.is(reason('vnc', 'none'), undefined);
  assert.is(reason('m', '1'), undefined);
});

test.run();
