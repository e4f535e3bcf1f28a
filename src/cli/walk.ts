import yargsParser from 'yargs-parser';
import { QemuError } from '../system/errors.js';
import { LocatedError } from './located-error.js';
import { findOption, type OptionSpec } from './option-table.js';

/** One option of the command line. */
export interface WalkedOption {
  readonly spec: OptionSpec;
  /** `spec.name`, or what it stands for where it is another name of an option: `-M` is `machine`. */
  readonly option: string;
  /** The word after it, whatever that is; undefined for options without an argument. */
  readonly value: string | undefined;
  /** As QEMU puts it before error sentences: the words as typed. */
  readonly location: { readonly text: string };
}

/** yargs-parser takes quotes off a value that begins with one; so ours begins with this. */
const guard = ':';

/** One option with its value through yargs-parser, with everything off that would change the value. */
function parseOne(name: string, value: string | undefined): string | undefined {
  const parsed = yargsParser([value === undefined ? `--${name}` : `--${name}=${guard}${value}`], {
    ...(value === undefined ? { boolean: [name] } : { string: [name] }),
    configuration: {
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'short-option-groups': false,
    },
  })[name];
  return typeof parsed === 'string' ? parsed.slice(guard.length) : undefined;
}

/**
 * Splits the command line into options in their order, before any of them acts. A word without a dash is a disk image,
 * given as `hda`. `-x` and `--x` are the same; an option that takes an argument takes the next word, even `-x`.
 *
 * @param argv without node and the program's name
 * @throws LocatedError `invalid option`, `requires an argument`
 */
export function walk(argv: readonly string[]): WalkedOption[] {
  const options: WalkedOption[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    const disk = !word.startsWith('-');
    const spec = findOption(disk ? 'hda' : word.replace(/^--?/, ''));
    if (spec === undefined) throw new LocatedError(new QemuError('invalid option'), { text: word });
    let text = word;
    let value: string | undefined;
    if (disk) value = word;
    else if (spec.argument !== undefined) {
      value = argv[++at];
      if (value === undefined) throw new LocatedError(new QemuError('requires an argument'), { text: word });
      text = `${word} ${value}`;
    }
    options.push({ spec, option: spec.alias ?? spec.name, value: parseOne(spec.name, value), location: { text } });
  }
  return options;
}
