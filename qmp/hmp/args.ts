import { parseSize } from '../../src/system/numbers.js';
import { type RegisterLookup, readExpression } from './expression.js';
import { firstCharacter, HmpSyntaxError, Scanner } from './scanner.js';

/**
 * Arguments of monitor commands, declared once as typed values; the letter behind each constructor is QEMU's in
 * hmp-commands.hx (args_type, monitor/hmp.c).
 */
export interface Parameter<Name extends string = string, Value = unknown> {
  readonly name: Name;
  /** Reads the argument; undefined when it is optional and absent. */
  readonly read: (scanner: Scanner, environment: HmpEnvironment) => Value;
  /** The letter of a flag. */
  readonly flag?: string;
  /** TAB completes it with the names of files. */
  readonly isFile?: true;
}

/** `x/FMT`: how many items, how shown, of how many bytes each. */
export interface Format {
  readonly count: number;
  /** One of o d u x i c. */
  readonly format: string;
  /** 1, 2, 4, 8, or -1: not given with `i`. */
  readonly size: number;
}

/** What arguments depend on besides their text; one a monitor. */
export interface HmpEnvironment {
  /** The command's name in messages, aliases and all (`cont|c`). */
  readonly command: string;
  readonly register: RegisterLookup;
  /** What a format that is left out means: the last one. Starts as { format: 'x', size: 4 }. */
  readonly lastFormat: { format: string; size: number };
  /** Letters of the flags that are still to be read. */
  readonly laterFlags: string;
}

export type HmpArgs<P extends readonly Parameter[]> = {
  [K in P[number] as K['name']]: K extends Parameter<string, infer V> ? V : never;
};

function word<N extends string>(name: N, expected: string): Parameter<N, string> {
  return {
    name,
    read: (scanner, { command }) => readWord(scanner, `${command}: ${expected} expected`),
  };
}

/** `s`: a word, or a string in double quotes with \n, \r, \\, \', \". */
export const string = <N extends string>(name: N): Parameter<N, string> => word(name, 'string');

/** `F`: a file name. */
export const filename = <N extends string>(name: N): Parameter<N, string> => ({
  ...word(name, 'filename'),
  isFile: true,
});

/** `B`: a block device. */
export const blockDevice = <N extends string>(name: N): Parameter<N, string> => word(name, 'block device name');

/** `O`: `key=value,...` as one word, for the command to take apart; may be absent. */
export const options = <N extends string>(name: N): Parameter<N, string | undefined> => optional(word(name, 'string'));

/** `S`: the rest of the line. */
export const rest = <N extends string>(name: N): Parameter<N, string> => ({
  name,
  read: (scanner, { command }) => {
    const text = scanner.text.slice(scanner.at);
    if (text === '') throw new HmpSyntaxError(`${command}: string expected`);
    scanner.at = scanner.text.length;
    return text;
  },
});

/** `l`: an expression, 64 bits. */
export const long = <N extends string>(name: N): Parameter<N, bigint> => ({
  name,
  read: (scanner, { register }) => readExpression(scanner, register),
});

/** `i`: an expression from 0 to 2^32 - 1. */
export const int = <N extends string>(name: N): Parameter<N, number> => ({
  name,
  read: (scanner, { command, register }) => {
    const value = readExpression(scanner, register);
    if (value >> 32n !== 0n) throw new HmpSyntaxError(`'${command}' has failed: integer is for 32-bit values`);
    return Number(value);
  },
});

/** `M`: an expression in MiB; the value is in bytes. */
export const mebibytes = <N extends string>(name: N): Parameter<N, bigint> => ({
  name,
  read: (scanner, { register }) => {
    const value = readExpression(scanner, register);
    if (value < 0n) throw new HmpSyntaxError('enter a positive value');
    return BigInt.asIntN(64, value << 20n);
  },
});

/** `o`: a size with an optional suffix, MiB without (hexadecimal numbers have none); the value is in bytes. */
export const size = <N extends string>(name: N): Parameter<N, bigint> => ({
  name,
  read: (scanner) => {
    const text = scanner.take(/0[xX][0-9a-fA-F]+|[0-9]+(\.[0-9]*)?[bkmgtpeBKMGTPE]?/y) ?? '';
    const value = /^0x/i.test(text) ? BigInt(text) << 20n : parseSize(/[0-9.]$/.test(text) ? `${text}M` : text);
    if (value === undefined || value >= 2n ** 63n) throw new HmpSyntaxError('invalid size');
    return value;
  },
});

const secondsPerUnit: Readonly<Record<string, number>> = { ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** `T`: seconds as a decimal number, with an optional unit ms, us or ns. */
export const seconds = <N extends string>(name: N): Parameter<N, number> => ({
  name,
  read: (scanner) => {
    const text = scanner.take(/[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/y);
    if (text === undefined) throw new HmpSyntaxError('Number expected');
    const value = Number(text);
    if (!Number.isFinite(value)) throw new HmpSyntaxError('Bad number');
    const unit = scanner.take(/[mun]s/y);
    if (!/^[ \t\n\v\f\r]?$/.test(scanner.next)) throw new HmpSyntaxError('Unknown unit suffix');
    return unit === undefined ? value : value * (secondsPerUnit[unit] ?? 1);
  },
});

/** `b`: on or off. */
export const onOff = <N extends string>(name: N): Parameter<N, boolean> => ({
  name,
  read: (scanner) => {
    const text = scanner.take(/[!-~]*/y);
    if (text !== 'on' && text !== 'off') throw new HmpSyntaxError("Expected 'on' or 'off'");
    return text === 'on';
  },
});

/** `-X`: whether the flag is there. Flags come in the order of their declaration. */
export const flag = <N extends string>(name: N, letter: string): Parameter<N, boolean> => ({
  name,
  flag: letter,
  read: (scanner, environment) => readFlag(scanner, letter, environment),
});

/** `-Xs`: the word behind the flag. */
export const flagWithValue = <N extends string>(name: N, letter: string): Parameter<N, string | undefined> => ({
  name,
  flag: letter,
  read: (scanner, environment) => {
    if (!readFlag(scanner, letter, environment)) return undefined;
    return readWord(scanner.skipBlanks(), `${environment.command}: value expected for -${letter}`);
  },
});

/** `/`: `/FMT`, or the last one when it is left out. */
export const format = <N extends string>(name: N): Parameter<N, Format> => ({
  name,
  read: (scanner, { lastFormat }) => readFormat(scanner, lastFormat),
});

/** `?`: absent at the end of the line. */
export function optional<N extends string, V>(parameter: Parameter<N, V>): Parameter<N, V | undefined> {
  return {
    ...parameter,
    read: (scanner, environment) => (scanner.atEnd ? undefined : parameter.read(scanner, environment)),
  };
}

/** `.`: absent unless a point comes first, as in `o/b addr.index`. */
export function dotted<N extends string, V>(parameter: Parameter<N, V>): Parameter<N, V | undefined> {
  return {
    ...parameter,
    read: (scanner, environment) => {
      if (scanner.next !== '.') return undefined;
      scanner.at++;
      return parameter.read(scanner.skipBlanks(), environment);
    },
  };
}

/** Characters; a line of the prompt has at most 4095 bytes, one of human-monitor-command could be as long as a message. */
const maxLineLength = 1 << 16;

/**
 * Reads the arguments of a command.
 *
 * @param text the line behind the command's name
 * @throws HmpSyntaxError with QEMU's text, to be followed by `helpHint`
 */
export function parseArgs<const P extends readonly Parameter[]>(
  parameters: P,
  text: string,
  environment: Omit<HmpEnvironment, 'laterFlags'>,
): HmpArgs<P> {
  if (text.length > maxLineLength) throw new HmpSyntaxError(`${environment.command}: line too long`);
  const scanner = new Scanner(text);
  const values: Record<string, unknown> = {};
  for (const [i, parameter] of parameters.entries()) {
    const laterFlags = parameters
      .slice(i + 1)
      .map((later) => later.flag ?? '')
      .join('');
    values[parameter.name] = parameter.read(scanner.skipBlanks(), { ...environment, laterFlags });
  }
  if (!scanner.skipBlanks().atEnd) {
    throw new HmpSyntaxError(`${environment.command}: extraneous characters at the end of line`);
  }
  return values as HmpArgs<P>;
}

/** The line that follows an error in the arguments; `typed` is the command as it was typed (`info version`). */
export function helpHint(typed: string): string {
  return `Try "help ${typed}" for more information`;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', '\\': '\\', "'": "'", '"': '"' };

function readWord(scanner: Scanner, expected: string): string {
  if (scanner.next !== '"') {
    const found = scanner.take(/[^ \t\n\v\f\r]+/y);
    if (found === undefined) throw new HmpSyntaxError(expected);
    return found;
  }
  scanner.at++;
  let text = '';
  for (;;) {
    text += scanner.take(/[^"\\]*/y) ?? '';
    if (scanner.atEnd) throw new HmpSyntaxError(`unterminated string\n${expected}`);
    scanner.at++;
    if (scanner.text[scanner.at - 1] === '"') return text;
    const character = escapes[scanner.next];
    if (character === undefined) {
      const letter = firstCharacter(scanner.text, scanner.at);
      throw new HmpSyntaxError(`unsupported escape code: '\\${letter}'\n${expected}`);
    }
    scanner.at++;
    text += character;
  }
}

function readFlag(scanner: Scanner, letter: string, { command, laterFlags }: HmpEnvironment): boolean {
  if (scanner.next !== '-') return false;
  const given = firstCharacter(scanner.text, scanner.at + 1);
  if (given === letter) {
    scanner.at += 2;
    return true;
  }
  if (given === '' || !laterFlags.includes(given)) {
    throw new HmpSyntaxError(`${command}: unsupported option -${given}`);
  }
  return false;
}

const formatSizes: Readonly<Record<string, number>> = { b: 1, h: 2, w: 4, g: 8, L: 8 };
const maxCount = 2 ** 31 - 1;

function readFormat(scanner: Scanner, last: { format: string; size: number }): Format {
  if (scanner.next !== '/') return { count: 1, format: last.format, size: last.format === 'i' ? -1 : last.size };
  scanner.at++;
  const digits = scanner.take(/[0-9]+/y);
  let kind: string | undefined;
  let bytes: number | undefined;
  for (const letter of scanner.take(/[oduxicbhwgL]*/y) ?? '') {
    if (formatSizes[letter] === undefined) kind = letter;
    else bytes = formatSizes[letter];
  }
  if (!/^[ \t\n\v\f\r]?$/.test(scanner.next)) {
    throw new HmpSyntaxError(`invalid char in format: '${firstCharacter(scanner.text, scanner.at)}'`);
  }
  last.format = kind ?? last.format;
  // Instructions have no size of their own.
  if (last.format !== 'i') last.size = bytes ?? last.size;
  const size = last.format === 'i' ? (bytes ?? -1) : last.size;
  return { count: digits === undefined ? 1 : Math.min(Number(digits), maxCount), format: last.format, size };
}
