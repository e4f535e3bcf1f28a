import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { helpText, versionLine } from '../../src/cli/help.js';
import { optionSections } from '../../src/cli/option-table.js';

const test = suite('help');

test('the version line names QEMU and this package', () => {
  assert.is(versionLine('0.1.0'), 'QEMU emulator version 10.2.50 (nitro-emu-0.1.0)');
});

test('help opens as QEMU does and fits a terminal', () => {
  const lines = helpText('qemu-system-x86_64', '0.1.0').split('\n');
  assert.is(lines[0], versionLine('0.1.0'));
  assert.is(lines[1], 'usage: qemu-system-x86_64 [options] [disk_image]');
  assert.is(lines.indexOf('Standard options:'), 6);
  assert.ok(lines.includes('-h or -help     print this text and exit'));
  for (const line of lines) assert.ok(line.length <= 80, line);
});

test('every option that does not end in a refusal is there', () => {
  const text = helpText('x', '0');
  for (const { name, effect } of optionSections.flatMap(({ options }) => options)) {
    const heads = new RegExp(`(^| or )-${name}( |$)`, 'm');
    assert.is(heads.test(text), effect !== 'refused', name);
  }
});

test.run();
