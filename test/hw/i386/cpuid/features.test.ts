import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { featureName, featureNeeds, featureWords } from '../../../../src/hw/i386/cpuid/features.js';
import { x86CpuFeatures } from '../../../../src/system/cpu-models.js';

const test = suite('cpuid/features');
const named = featureWords.flatMap(({ names }) => names).filter((name) => name !== '-');

test('a word has at most 32 bits', () => {
  for (const { leaf, register, names } of featureWords) {
    assert.ok(names.length <= 32, `${leaf.toString(16)} ${register}`);
  }
});

test('-cpu takes every feature that has a bit', () => {
  assert.equal(
    named.filter((name) => !x86CpuFeatures.includes(name)),
    [],
  );
});

test('a feature has one bit; kvmclock has two', () => {
  const twice = named.filter((name, i) => named.indexOf(name) !== i);
  assert.equal(twice, ['kvmclock']);
});

test('what needs another feature, and what it needs, have bits', () => {
  const unknown = Object.entries(featureNeeds)
    .flat()
    .filter((name) => !named.includes(name));
  assert.equal(unknown, []);
});

test('spellings of a feature come to one name', () => {
  assert.equal(['sse4_1', 'sse4-1', 'sse4.1', 'xd', 'lahf_lm'].map(featureName), [
    'sse4.1',
    'sse4.1',
    'sse4.1',
    'nx',
    'lahf-lm',
  ]);
});

test.run();
