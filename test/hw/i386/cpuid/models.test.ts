import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { featureWords } from '../../../../src/hw/i386/cpuid/features.js';
import { modelDefinition } from '../../../../src/hw/i386/cpuid/models.js';
import { cpuModels } from '../../../../src/system/cpu.js';

const test = suite('cpuid/models');

interface Recorded {
  family: number;
  model: number;
  stepping: number;
  'model-id': string;
  level: number;
  xlevel: number;
  /** By leaf, subleaf and register: `7.0.EBX`. */
  words: Record<string, number>;
}

/** Debian's QEMU 7.2 with -accel kvm: what each model asks for (feature-words and filtered-features). */
const recorded = JSON.parse(
  readFileSync(new URL('../../../../../test/hw/i386/cpuid/models.json', import.meta.url), 'utf8'),
) as Record<string, Recorded>;

/** What QEMU adds to every model under KVM; the accelerator's affair here. */
const added = (word: string, bits: number) =>
  word === '40000001.0.EAX' ? 0 : word === '1.0.ECX' ? (bits & ~0x80200000) >>> 0 : bits;

function wordsOf(features: readonly string[]): Record<string, number> {
  const words: Record<string, number> = {};
  for (const { leaf, subleaf, register, names } of featureWords) {
    const bits = names.reduce((sum, name, bit) => (features.includes(name) ? sum + 2 ** bit : sum), 0);
    const word = `${leaf.toString(16)}.${subleaf}.${register.toUpperCase()}`;
    const own = added(word, bits);
    if (own !== 0) words[word] = own;
  }
  return words;
}

test('models have the features, numbers and names of QEMU', () => {
  for (const [name, { words, 'model-id': brand, ...numbers }] of Object.entries(recorded)) {
    const definition = modelDefinition(name);
    assert.ok(definition, name);
    const { features, ...rest } = definition;
    assert.equal(rest, { ...numbers, brand }, name);
    const expected = Object.entries(words).map(([word, bits]) => [word, added(word, bits)] as const);
    assert.equal(wordsOf(features), Object.fromEntries(expected.filter(([, bits]) => bits !== 0)), name);
  }
});

test('every model that -cpu takes has a definition, except those that are the host', () => {
  const without = cpuModels('x86_64').filter((name) => modelDefinition(name) === undefined);
  assert.equal(without, ['host', 'max']);
});

test('models know only features that have a bit', () => {
  const named = new Set(featureWords.flatMap(({ names }) => names));
  for (const name of cpuModels('x86_64')) {
    for (const feature of modelDefinition(name)?.features ?? []) assert.ok(named.has(feature), `${name}: ${feature}`);
  }
});

test.run();
