import { answersTo, type HmpCommand } from './command.js';

function line(prefix: string, { name, usage, help }: HmpCommand): string {
  return `${prefix}${name} ${usage} -- ${help}\n`;
}

function sorted(commands: readonly HmpCommand[]): HmpCommand[] {
  return [...commands].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All commands behind `info`. */
export function infoHelpText(info: readonly HmpCommand[]): string {
  return sorted(info)
    .map((command) => line('info ', command))
    .join('');
}

/** `help` (all commands), `help COMMAND`, `help info`, `help info TOPIC`. */
export function helpText(main: readonly HmpCommand[], info: readonly HmpCommand[], asked: string): string {
  const [word, topic] = asked.split(/\s+/).filter((part) => part !== '');
  if (word === undefined) {
    return sorted(main)
      .map((command) => line('', command))
      .join('');
  }
  const command = main.find((candidate) => answersTo(candidate, word));
  if (command === undefined) return `unknown command: '${word}'\n`;
  if (!answersTo(command, 'info')) return line('', command);
  if (topic === undefined) return infoHelpText(info);
  const found = info.find((candidate) => answersTo(candidate, topic));
  return found === undefined ? `unknown command: 'info ${topic}'\n` : line('info ', found);
}
