import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allCommands, commandNames, hasCommand, loadCommand, outOfBandCommands } from '../../qmp/registry.js';

const registry = suite('registry');

registry('the index names exactly the commands that the areas declare', async () => {
  const names = commandNames();
  assert.is(new Set(names).size, names.length, 'a name stands twice in the index');
  const commands = await allCommands();
  assert.equal(
    commands.map(({ name }) => name),
    names,
  );
  // Loading an area brings all of its commands, also ones that the index might lack.
  assert.ok(names.every(hasCommand));
});

registry('the index knows which commands may run out of band', async () => {
  const allowed = (await allCommands()).filter(({ allowOob }) => allowOob).map(({ name }) => name);
  assert.equal([...outOfBandCommands].sort(), allowed.sort());
});

registry('a name that is not in the index is not a command', () => {
  assert.is(hasCommand('nonesuch'), false);
  // qmp_capabilities belongs to the session.
  assert.is(hasCommand('qmp_capabilities'), false);
  assert.is(hasCommand('constructor'), false);
});

registry('a command of the index can be loaded', async () => {
  assert.is((await loadCommand('qom-get')).name, 'qom-get');
});

registry.run();
