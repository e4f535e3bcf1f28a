import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { groupSpecs } from '../../src/cli/groups.js';
import { readCommandLine } from '../support/command-line.js';

const data = (name: string) => JSON.parse(readFileSync(`test/cli/data/${name}.json`, 'utf8'));
const test = suite('command lines recorded from QEMU');

interface Row {
  argv: string[];
  stdout?: string;
  stderr?: string;
}

for (const { argv, stdout = '', stderr = '' } of data('parse-rows') as Row[]) {
  test(`${argv.join(' ')} ${stdout + stderr === '' ? 'can be read' : 'prints what QEMU prints'}`, () => {
    const result = readCommandLine(argv);
    assert.is(result.stderr, stderr);
    // The descriptions and the keys that begin with x- are ours.
    assert.is(result.stdout.replace(/ +- .*/g, '').replace(/^ {2}x-.*\n/gm, ''), stdout);
    assert.is(result.stopped, stdout + stderr !== '');
  });
}

for (const argv of data('libvirt-argv') as string[][]) {
  test(`libvirt's command line can be read: ${argv.filter((word) => /^(guest=|none,)/.test(word))}`, () => {
    assert.equal(readCommandLine(argv.slice(1)), { stdout: '', stderr: '', stopped: false });
  });
}

test('the option groups have the keys, types and defaults of query-command-line-options', () => {
  const types = { string: 'string', bool: 'boolean', number: 'number', size: 'size' };
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const ours = groupSpecs.map(({ name, keys }) => ({
    option: name,
    parameters: keys
      .filter((key) => !key.name.startsWith('x-'))
      .map((key) => ({
        name: key.name,
        ...(key.default === undefined ? {} : { default: key.default }),
        type: types[key.type],
      }))
      .sort(byName),
  }));
  const recorded = (data('command-line-options') as { option: string; parameters: { name: string }[] }[]).map(
    ({ option, parameters }) => ({ option, parameters: parameters.sort(byName) }),
  );
  assert.equal(ours, recorded);
});

test.run();
