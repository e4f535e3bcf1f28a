import { readdir } from 'node:fs/promises';
import type { MaybePromise } from '../../src/qom/property.js';
import { answersTo, type HmpCommand, type HmpContext } from './command.js';
import { infoCommands, mainCommands } from './commands/index.js';
import type { Completion } from './readline.js';

function names(commands: readonly HmpCommand[]): string[] {
  return commands.flatMap(({ name }) => name.split('|')).filter((name) => name !== '?');
}

/** Words that may stand at the end of `left`, the line left of the cursor; a promise where somebody must be asked. */
export function completeLine(ctx: HmpContext, left: string): MaybePromise<Completion> {
  const words = left.trimStart().split(/\s+/);
  const word = words.at(-1) ?? '';
  const fitting = (candidates: readonly string[]): Completion => ({
    length: word.length,
    candidates: [...new Set(candidates.filter((candidate) => candidate.startsWith(word)))].sort(),
  });
  const candidates = candidatesFor(ctx, words, mainCommands);
  return candidates instanceof Promise ? candidates.then(fitting) : fitting(candidates);
}

function candidatesFor(
  ctx: HmpContext,
  [first = '', ...args]: readonly string[],
  table: readonly HmpCommand[],
): MaybePromise<readonly string[]> {
  if (args.length === 0) return names(table);
  const command = table.find((candidate) => answersTo(candidate, first));
  if (command === undefined) return [];
  if (table === mainCommands && answersTo(command, 'info')) return candidatesFor(ctx, args, infoCommands);
  if (table === mainCommands && answersTo(command, 'help')) return topicsFor(args);
  // Flags are not counted as arguments.
  const words = args.filter((word, i) => i === args.length - 1 || !word.startsWith('-'));
  const index = words.length - 1;
  const parameter = command.parameters.filter(({ flag }) => flag === undefined)[index];
  if (parameter?.isFile === true) return fileNames(words[index] ?? '');
  return command.complete?.(ctx, index, words) ?? [];
}

/** What `help` tells about: a command, or `info` and what that shows. */
function topicsFor([first = '', ...more]: readonly string[]): readonly string[] {
  if (more.length === 0) return names(mainCommands);
  return first === 'info' && more.length === 1 ? names(infoCommands) : [];
}

/** Files whose names begin with `word`; directories with a slash. */
async function fileNames(word: string): Promise<readonly string[]> {
  const directory = word.slice(0, word.lastIndexOf('/') + 1);
  const entries = await readdir(directory === '' ? '.' : directory, { withFileTypes: true }).catch(() => []);
  return entries.map((entry) => `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`);
}
