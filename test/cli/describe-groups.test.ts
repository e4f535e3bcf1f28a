import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeGroups } from '../../src/cli/describe-groups.js';
import { createTestMonitor } from '../support/monitor.js';

const groups = suite('option groups');

/** Types of parameters by group, of query-command-line-options of a QEMU 10.2.50. */
const recorded = JSON.parse(
  readFileSync(new URL('../../../test/cli/data/option-groups.json', import.meta.url), 'utf8'),
) as Record<string, Record<string, string>>;

groups('every group of QEMU is told, and what both know has the same type', async () => {
  const { system } = await createTestMonitor();
  const told = describeGroups(system.types.list('machine'));
  assert.equal(told.map(({ option }) => option).sort(), Object.keys(recorded).sort());
  for (const { option, parameters } of told) {
    for (const { name, type } of parameters) assert.is(recorded[option]?.[name] ?? type, type, `${option} ${name}`);
  }
});

groups('parameters of -machine are the properties of machine types, each once', async () => {
  const { system } = await createTestMonitor();
  const machine = describeGroups(system.types.list('machine')).find(({ option }) => option === 'machine');
  const names = machine?.parameters.map(({ name }) => name) ?? [];
  assert.equal([...new Set(names)], names);
  for (const name of ['type', 'kernel', 'memory-backend', 'mem-merge']) assert.ok(names.includes(name), name);
});

groups.run();
