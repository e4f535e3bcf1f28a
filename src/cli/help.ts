import { type OptionSpec, optionSections } from './option-table.js';

/** QEMU's version that we stand for, and our own. @param packageVersion as in package.json */
export function versionLine(packageVersion: string): string {
  return `QEMU emulator version 10.2.50 (nitro-emu-${packageVersion})`;
}

const column = 16;
const width = 80;

/** What `-h` prints, with its line feed. @param program name the emulator was started by */
export function helpText(program: string, packageVersion: string): string {
  const sections = optionSections.map(({ title, options }) => {
    const lines = options.filter((spec) => spec.alias === undefined && spec.effect !== 'refused').map(optionHelp);
    return lines.length === 0 ? '' : `${title}:\n${lines.join('')}\n`;
  });
  return `${versionLine(packageVersion)}
usage: ${program} [options] [disk_image]

'disk_image' must exist, and no machine here reads it: an enclave boots from
-kernel.

${sections.join('')}With -nographic, 'ctrl-a h' shows the keys of the terminal: ctrl-a x ends the
emulator, ctrl-a c changes between console and monitor.

What differs from QEMU: docs/differences-from-qemu.md of the package nitro-emu.
`;
}

function optionHelp(spec: OptionSpec): string {
  const names = [spec.name, ...aliasesOf(spec)].map((name) => `-${name}`).join(' or ');
  const head = spec.argument === undefined ? names : `${names} ${spec.argument}`;
  const margin = `\n${' '.repeat(column)}`;
  // Keys stay whole: a line may end before a bracket.
  const shownHead = wrap(head, width - 1, /(?=\[)/, '').join(margin);
  const lead = head.length < column ? head.padEnd(column) : `${shownHead}${margin}`;
  return `${lead}${wrap(spec.help, width - column - 1).join(margin)}\n`;
}

function aliasesOf(spec: OptionSpec): string[] {
  return optionSections.flatMap(({ options }) =>
    options.filter((other) => other.alias === spec.name).map((other) => other.name),
  );
}

function wrap(text: string, longest: number, between: string | RegExp = ' ', joint = ' '): string[] {
  const lines: string[] = [];
  for (const word of text.split(between)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + joint.length + word.length > longest) lines.push(word);
    else lines[lines.length - 1] = `${last}${joint}${word}`;
  }
  return lines;
}
