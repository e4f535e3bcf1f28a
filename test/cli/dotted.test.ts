import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { applySet, parseGlobal } from '../../src/cli/dotted.js';
import { OptionGroups } from '../../src/cli/groups.js';
import { thrown } from '../support/thrown.js';

const test = suite('-global and -set');
const here = { text: '-x' };
const silent = () => {};

test('a global is written short or long', () => {
  const groups = new OptionGroups();
  for (const text of ['a.b.c=d,e=f', 'driver=a,property=b.c,value=d,,e=f']) {
    assert.equal(
      [...(parseGlobal(text, groups, here, silent)?.entries() ?? [])],
      [
        ['driver', 'a'],
        ['property', 'b.c'],
        ['value', 'd,e=f'],
      ],
    );
  }
});

test('a global needs all of its three parts', async () => {
  const groups = new OptionGroups();
  for (const text of ['driver=a', 'driver=a.b=c', '']) {
    const error = await thrown(() => parseGlobal(text, groups, here, silent));
    assert.is(error.message, "options 'driver', 'property', and 'value' are required");
  }
  assert.is((await thrown(() => parseGlobal('a=b', groups, here, silent))).message, "Invalid parameter 'a'");
});

test('-set changes what an option before it made', async () => {
  const groups = new OptionGroups();
  const set = groups.get('chardev').parse('null,id=a', here, silent);
  applySet('chardev.a.path=x=y.z', groups);
  assert.is(set?.get('path'), 'x=y.z');
  const sentence = async (text: string) => (await thrown(() => applySet(text, groups))).message;
  assert.is(await sentence('chardev.a.mux=x'), "Parameter 'mux' expects 'on' or 'off'");
  assert.is(await sentence('chardev.b.mux=on'), 'there is no chardev "b" defined');
  assert.is(await sentence('nogroup.a.b=c'), "There is no option group 'nogroup'");
  assert.is(await sentence('machine.a.b=c'), '-set is not supported with machine');
  for (const text of ['a', 'chardev.a.mux', 'chardev.a.=on']) assert.is(await sentence(text), `can't parse: "${text}"`);
});

test.run();
