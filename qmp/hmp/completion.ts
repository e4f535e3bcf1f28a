import { answersTo, type HmpCommand, type HmpContext } from './command.js';
import { infoCommands, mainCommands } from './commands/index.js';
import type { Completion } from './readline.js';

function names(commands: readonly HmpCommand[]): string[] {
  return commands.flatMap(({ name }) => name.split('|')).filter((name) => name !== '?');
}

/** Words that may stand at the end of `left`, the line left of the cursor. */
export function completeLine(ctx: HmpContext, left: string): Completion {
  const words = left.trimStart().split(/\s+/);
  const word = words.at(-1) ?? '';
  const candidates = candidatesFor(ctx, words).filter((candidate) => candidate.startsWith(word));
  return { length: word.length, candidates: [...new Set(candidates)].sort() };
}

function candidatesFor(ctx: HmpContext, words: readonly string[]): readonly string[] {
  const [first = '', second = '', ...more] = words;
  if (words.length <= 1) return names(mainCommands);
  if (first === 'info' || first === 'help' || first === '?') {
    if (words.length === 2) return names(first === 'info' ? infoCommands : mainCommands);
    const topics = first === 'info' ? infoCommands : [];
    return argumentCandidates(ctx, topics, second, more);
  }
  return argumentCandidates(ctx, mainCommands, first, [second, ...more]);
}

function argumentCandidates(
  ctx: HmpContext,
  table: readonly HmpCommand[],
  name: string,
  args: readonly string[],
): readonly string[] {
  const command = table.find((candidate) => answersTo(candidate, name));
  // Flags are not counted as arguments.
  const words = args.filter((word, i) => i === args.length - 1 || !word.startsWith('-'));
  return command?.complete?.(ctx, words.length - 1, words) ?? [];
}
