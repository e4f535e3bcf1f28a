import { checkId } from '../qom/tree.js';
import { QemuError } from '../system/errors.js';
import { parseBool, parseSizeText, parseUint64 } from '../system/numbers.js';
import type { Location } from '../system/report.js';
import { isHelp, readPairs } from './opts-text.js';

export type OptType = 'string' | 'bool' | 'number' | 'size';

/** One key of an option group. */
export interface OptDesc {
  readonly name: string;
  readonly type: OptType;
  readonly help?: string;
  /** Text of the value when the key is not given. */
  readonly default?: string;
}

/** An option group, in QEMU's words a QemuOptsList. */
export interface GroupSpec {
  readonly name: string;
  /** Key of a first value that has none: `-chardev null` is `backend=null`. */
  readonly implied?: string;
  /** Repeated options add to one set, which has no id. */
  readonly merge?: boolean;
  /** Empty: any key is taken, as text, and nobody answers `help`. */
  readonly keys: readonly OptDesc[];
}

/** Takes a warning and the line that goes under it. */
export type Warn = (sentence: string, hint: string) => void;

const typeNames: Readonly<Record<OptType, string>> = {
  string: 'str',
  bool: 'bool (on/off)',
  number: 'num',
  size: 'size',
};

const sizeHint =
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';

/** Checks and converts a value. @throws QemuError naming the key */
function convert(type: OptType, key: string, text: string): string | boolean | bigint {
  if (type === 'string') return text;
  if (type === 'bool') {
    const value = parseBool(text);
    if (value === undefined) throw new QemuError(`Parameter '${key}' expects 'on' or 'off'`);
    return value;
  }
  const value = type === 'number' ? parseUint64(text) : parseSizeText(text);
  if (typeof value === 'bigint') return value;
  if (type === 'number') {
    throw new QemuError(
      value === 'range' ? `Value '${text}' is too large for parameter '${key}'` : `Parameter '${key}' expects a number`,
    );
  }
  if (value === 'range') throw new QemuError(`Value '${text}' is out of range for parameter '${key}'`);
  throw new QemuError(`Parameter '${key}' expects a non-negative number below 2^64`, { hint: sizeHint });
}

/** The keys and values of one option (of all occurrences, where the group merges). */
export class Opts {
  readonly group: OptsGroup;
  readonly id: string | undefined;
  readonly location: Location;
  readonly #entries: { readonly key: string; readonly text: string }[] = [];

  constructor(group: OptsGroup, id: string | undefined, location: Location) {
    this.group = group;
    this.id = id;
    this.location = location;
  }

  /** Every value given, in order, `id` aside; a repeated key stands there as often as it was given. */
  *entries(): IterableIterator<[string, string]> {
    for (const { key, text } of this.#entries) yield [key, text];
  }

  /** The text given last for `key`, or its default. */
  get(key: string): string | undefined {
    return this.#entries.findLast((entry) => entry.key === key)?.text ?? this.group.key(key)?.default;
  }

  bool(key: string, fallback: boolean): boolean {
    const text = this.get(key);
    return text === undefined ? fallback : convert('bool', key, text) === true;
  }

  /** 0 to 2^64 - 1. */
  number(key: string, fallback: bigint): bigint {
    return this.#integer('number', key, fallback);
  }

  /** Bytes, 0 to 2^64 - 1. */
  size(key: string, fallback: bigint): bigint {
    return this.#integer('size', key, fallback);
  }

  #integer(type: 'number' | 'size', key: string, fallback: bigint): bigint {
    const text = this.get(key);
    const value = text === undefined ? fallback : convert(type, key, text);
    return typeof value === 'bigint' ? value : fallback;
  }

  /** @throws QemuError when the group has no such key or the value is not of its type */
  set(key: string, text: string): void {
    const desc = this.group.key(key);
    if (desc === undefined && this.group.spec.keys.length > 0) throw new QemuError(`Invalid parameter '${key}'`);
    if (desc !== undefined) convert(desc.type, key, text);
    this.#entries.push({ key, text });
  }
}

/** The option sets of one group that a command line and its configuration files made. */
export class OptsGroup {
  readonly spec: GroupSpec;
  readonly #sets: Opts[] = [];

  constructor(spec: GroupSpec) {
    this.spec = spec;
  }

  get sets(): readonly Opts[] {
    return this.#sets;
  }

  key(name: string): OptDesc | undefined {
    return this.spec.keys.find((key) => key.name === name);
  }

  find(id?: string): Opts | undefined {
    return this.#sets.find((set) => set.id === id);
  }

  /**
   * An empty set; in a group that merges, the one there is.
   *
   * @throws QemuError `Duplicate ID`, an id that is no identifier, or any id where the group merges
   */
  create(id: string | undefined, location: Location): Opts {
    if (this.spec.merge === true) {
      if (id !== undefined) throw new QemuError("Invalid parameter 'id'");
      const existing = this.find();
      if (existing !== undefined) return existing;
    } else if (id !== undefined) {
      checkId(id);
      if (this.find(id) !== undefined) throw new QemuError(`Duplicate ID '${id}' for ${this.spec.name}`);
    }
    const set = new Opts(this, id, location);
    this.#sets.push(set);
    return set;
  }

  /**
   * Reads `key=value,...` into a new set, or the merged one. A key without a value is a switch (`mux`, `nomux`), which
   * warns.
   *
   * @returns undefined when `help` or `?` stands among the keys: print `help()` and end
   * @throws QemuError with QEMU's sentence
   */
  parse(text: string, location: Location, warn: Warn, implied = this.spec.implied): Opts | undefined {
    const set = this.create(idOf(text), location);
    let complete = false;
    try {
      for (const { key, value, typed } of readPairs(text, implied)) {
        const help = typed !== undefined && isHelp(typed);
        if (help && this.spec.keys.length > 0) return undefined;
        if (typed !== undefined && !help) warnSwitch(typed, key, value, warn);
        if (key !== 'id') set.set(key, value);
      }
      complete = true;
    } finally {
      if (!complete) this.remove(set);
    }
    return set;
  }

  /** Takes a set that a configuration file gives; its id is the value of `id`. @throws QemuError */
  absorb(values: ReadonlyMap<string, string>, location: Location): Opts {
    const set = this.create(values.get('id'), location);
    for (const [key, value] of values) if (key !== 'id') set.set(key, value);
    return set;
  }

  /** Forgets a set, whose id is free again. */
  remove(set: Opts): void {
    const at = this.#sets.indexOf(set);
    if (at >= 0) this.#sets.splice(at, 1);
  }

  /** The keys as `-chardev socket,help` lists them. */
  help(): string {
    const { name, keys } = this.spec;
    if (keys.length === 0) return `There are no options for ${name}.\n`;
    const lines = keys.map((key) => {
      const line = `  ${key.name}=<${typeNames[key.type]}>`;
      return key.help === undefined ? `${line}\n` : `${line.padEnd(24)} - ${key.help}\n`;
    });
    return `${name} options:\n${lines.sort().join('')}`;
  }
}

/** The first `id` of the text: the set must be made before its other keys are read. */
function idOf(text: string): string | undefined {
  for (const { key, value } of readPairs(text)) if (key === 'id') return value;
  return undefined;
}

function warnSwitch(typed: string, key: string, value: string, warn: Warn): void {
  const instead = key === 'delay' ? `nodelay=${value === 'on' ? 'off' : 'on'}` : `${key}=${value}`;
  warn(`short-form boolean option '${typed}' deprecated`, `Please use ${instead} instead`);
}
