import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { featureWords } from '../../src/hw/i386/cpuid/features.js';
import type { JsonObject } from '../../src/system/json.js';

const test = suite('cpuid features e2e');

/** Runs QEMU with a CPU and asks for properties; its words are what is shown and what was filtered out, together. */
function askQemu(cpu: string, commands: readonly JsonObject[]): JsonObject[] {
  const args = ['-M', 'pc', '-m', '16', '-nodefaults', '-display', 'none', '-S', '-cpu', cpu, '-qmp', 'stdio'];
  const input = [{ execute: 'qmp_capabilities' }, ...commands, { execute: 'quit' }]
    .map((c) => JSON.stringify(c))
    .join('\n');
  const { stdout } = spawnSync('qemu-system-x86_64', args, { input, encoding: 'utf8', timeout: 30_000 });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines
    .map((line) => JSON.parse(line) as JsonObject)
    .filter((line) => 'return' in line || 'error' in line)
    .slice(1, 1 + commands.length);
}

interface Word {
  'cpuid-input-eax': number;
  'cpuid-input-ecx'?: number;
  'cpuid-register': string;
  features: number;
}

/** Bits that a CPU asks for, as `LEAF.SUBLEAF.REGISTER.BIT`. */
function bitsOf(cpu: string): Set<string> {
  const get = (property: string): JsonObject => ({
    execute: 'qom-get',
    arguments: { path: '/machine/unattached/device[0]', property },
  });
  const bits = new Set<string>();
  for (const { return: words } of askQemu(cpu, [get('feature-words'), get('filtered-features')])) {
    for (const word of words as unknown as Word[]) {
      const { 'cpuid-input-eax': leaf, 'cpuid-input-ecx': subleaf = 0, 'cpuid-register': register, features } = word;
      for (let bit = 0; bit < 32; bit++) {
        if ((features & (1 << bit)) !== 0) bits.add(`${leaf}.${subleaf}.${register.toLowerCase()}.${bit}`);
      }
    }
  }
  return bits;
}

test('features have the bits that QEMU gives them', () => {
  if (spawnSync('qemu-system-x86_64', ['--version']).error) {
    console.log('SKIP no qemu-system-x86_64');
    return;
  }
  const list = { execute: 'device-list-properties', arguments: { typename: 'base-x86_64-cpu' } };
  const [answer = {}] = askQemu('base', [list]);
  const known = new Set((answer.return as unknown as { name: string }[]).map(({ name }) => name));
  const names = [...new Set(featureWords.flatMap((word) => word.names))].filter((name) => known.has(name));
  assert.ok(names.length > 200, `${names.length} features`);
  // Each feature is on in the runs that the digits of its number say, so that a bit's runs tell the feature.
  const digits = Math.ceil(Math.log2(names.length + 1));
  const told = new Map<string, number>();
  const nothing = bitsOf('base,check=off');
  for (let digit = 0; digit < digits; digit++) {
    const on = names.filter((_, i) => ((i + 1) >> digit) & 1);
    for (const bit of bitsOf(['base', 'check=off', ...on.map((name) => `+${name}`)].join(','))) {
      if (!nothing.has(bit)) told.set(bit, (told.get(bit) ?? 0) | (1 << digit));
    }
  }
  const expected = new Map<string, string>();
  for (const { leaf, subleaf, register, names: own } of featureWords) {
    // Cleared by QEMU where KVM is not in use; test/e2e/kvm-abi.test.ts looks at them.
    if (leaf === 0x40000001 && register === 'eax') continue;
    for (const [bit, name] of own.entries())
      if (known.has(name)) expected.set(`${leaf}.${subleaf}.${register}.${bit}`, name);
  }
  // Bits that nobody asked for: state components of XSAVE, repetitions on AMD.
  const own = [...told].filter(([bit]) => expected.has(bit));
  assert.equal(
    Object.fromEntries(own.map(([bit, number]) => [bit, names[number - 1]]).sort()),
    Object.fromEntries([...expected].sort()),
  );
});

test.run();
