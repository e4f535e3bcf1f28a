import yargsParser from 'yargs-parser';

/** A command line that makes no sense; the message is a sentence for the user. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options of a command of one of the tools, read as text. */
export class ToolOptions {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #flags: ReadonlySet<string>;
  /** What is not an option, in order. */
  readonly operands: readonly string[];

  /**
   * @param argv without interpreter, script and command
   * @param names options that take a value, and those that do not
   * @throws UsageError for any other option, and for a value that is missing
   */
  constructor(argv: readonly string[], names: { valued: readonly string[]; flags: readonly string[] }) {
    const parsed = yargsParser([...argv], {
      boolean: [...names.flags],
      string: [...names.valued],
      configuration: {
        'boolean-negation': false,
        'camel-case-expansion': false,
        'dot-notation': false,
        'parse-numbers': false,
        'parse-positional-numbers': false,
        'short-option-groups': false,
      },
    });
    const known = new Set<string>(['_', ...names.flags, ...names.valued]);
    const unknown = Object.keys(parsed).find((name) => !known.has(name));
    if (unknown !== undefined) throw new UsageError(`unknown option '${unknown.length > 1 ? '--' : '-'}${unknown}'`);
    const entries = names.valued.map((name): [string, string[]] => {
      const value: unknown = parsed[name];
      return [name, value === undefined ? [] : [value].flat().map(String)];
    });
    const empty = entries.find(([, values]) => values.includes(''));
    if (empty !== undefined) throw new UsageError(`option '--${empty[0]}' needs a value`);
    this.#values = new Map(entries);
    this.#flags = new Set(names.flags.filter((name) => parsed[name] === true));
    this.operands = parsed._.map(String);
  }

  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  /** All values of an option that may be repeated. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** @throws UsageError when the option is given more than once */
  one(name: string): string | undefined {
    const values = this.all(name);
    if (values.length > 1) throw new UsageError(`option '--${name}' is given ${values.length} times`);
    return values[0];
  }

  /** @throws UsageError when the option is missing */
  required(name: string): string {
    const value = this.one(name);
    if (value === undefined) throw new UsageError(`option '--${name}' is missing`);
    return value;
  }

  /** The bytes of hex digits. @throws UsageError */
  hex(name: string): Buffer | undefined {
    const text = this.one(name);
    return text === undefined ? undefined : hexBytes(text, name);
  }

  /** Milliseconds of a number of seconds. @throws UsageError */
  seconds(name: string): number | undefined {
    const text = this.one(name);
    if (text === undefined) return undefined;
    if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`option '--${name}' takes seconds, not '${text}'`);
    return Number(text) * 1000;
  }

  /** Milliseconds since 1970 of an ISO 8601 time, or of @SECONDS. @throws UsageError */
  time(name: string): number | undefined {
    const text = this.one(name);
    if (text === undefined) return undefined;
    const time = /^@\d+$/.test(text) ? Number(text.slice(1)) * 1000 : isoTime(text);
    if (!Number.isSafeInteger(time)) {
      throw new UsageError(
        `option '--${name}' takes a time such as 2025-01-02T03:04:05Z or @1735787045, not '${text}'`,
      );
    }
    return time;
  }
}

function isoTime(text: string): number {
  return /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
}

/** @throws UsageError naming the option */
export function hexBytes(text: string, option: string): Buffer {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new UsageError(`option '--${option}' takes hex digits, not '${text}'`);
  return Buffer.from(text, 'hex');
}
