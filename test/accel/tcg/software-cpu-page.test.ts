import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { features } from '../../../accel/tcg/isa/features.js';
import { rows } from '../../../accel/tcg/isa/table.js';

const root = new URL('../../../../', import.meta.url);
const page = readFileSync(new URL('docs/software-cpu.md', root), 'utf8');

const test = suite('docs/software-cpu.md');

test('the page is what the instruction table gives; `npm run docs` makes it anew', () => {
  const made = execFileSync(process.execPath, ['.build/software-cpu.mjs'], { cwd: root, encoding: 'utf8' });
  assert.is(page, made);
});

test('every encoding of the table is on the page, as an instruction or as an invalid opcode', () => {
  for (const { opcode, name, fn, feature } of rows) {
    if (feature !== undefined && !features.includes(feature)) assert.match(page, `${name} (${feature})`);
    else if (fn !== 'ud2') assert.match(page, opcode);
  }
});

test.run();
