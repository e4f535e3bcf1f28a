import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { answersTo, type HmpCommand } from '../../qmp/hmp/command.js';
import { infoCommands, mainCommands } from '../../qmp/hmp/commands/index.js';
import { commandNames } from '../../qmp/registry.js';
import { readTestData } from '../support/schema.js';

const root = new URL('../../../', import.meta.url);
const doc = (name: string): string => readFileSync(new URL(`docs/${name}`, root), 'utf8');

const reference = suite('reference page');

reference('docs/qmp-reference.md is what the declarations give; `npm run docs` makes it anew', () => {
  const made = execFileSync(process.execPath, ['.build/qmp-reference.mjs'], { cwd: root, encoding: 'utf8' });
  assert.is(doc('qmp-reference.md'), made);
});

reference('every link within the page leads to a heading, and to one only', () => {
  const page = doc('qmp-reference.md');
  const headings = [...page.matchAll(/^##+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'));
  for (const [, target = ''] of page.matchAll(/\]\(#(.*?)\)/g)) {
    // An event of the same name comes after the command: GitHub gives the first heading the plain anchor.
    const count = headings.filter((heading) => heading === target).length;
    assert.ok(count === 1 || (count === 2 && target === 'stop'), `${target}: ${count} headings`);
  }
});

/** Names in the first column of the table under the given heading, sorted. */
function notOffered(heading: string): string[] {
  const [, table = ''] = doc('differences-from-qemu-qmp.md').split(`\n| ${heading} | why |\n`);
  const rows = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| (`.*?) \| (?=\S)/gm)];
  return rows.flatMap(([, cell = '']) => [...cell.matchAll(/`(.*?)`/g)].map(([, name = '']) => name)).sort();
}

reference('every command of QEMU is either offered or listed with the reason why not', () => {
  const { return: theirs } = JSON.parse(readTestData('qemu-commands.json')) as { return: { name: string }[] };
  const offered = ['qmp_capabilities', ...commandNames()];
  const missing = theirs.map(({ name }) => name).filter((name) => !offered.includes(name));
  assert.equal(notOffered('commands'), missing.sort());
});

reference('every command of the human monitor is either offered or listed with the reason why not', () => {
  const recorded = JSON.parse(readTestData('hmp-help-names.json')) as Record<'help' | 'help info', string[]>;
  const missing = (lines: readonly string[], commands: readonly HmpCommand[]): string[] =>
    lines
      .flatMap((line) => /^(info )?[^\s|[]+/.exec(line)?.[0] ?? [])
      .filter((name) => !commands.some((command) => answersTo(command, name.replace(/^info /, ''))));
  const names = [...missing(recorded.help, mainCommands), ...missing(recorded['help info'], infoCommands)];
  assert.equal(notOffered('human monitor commands'), names.sort());
});

reference.run();
