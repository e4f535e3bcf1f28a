import { QemuError } from '../system/errors.js';
import type { Location } from '../system/report.js';
import { crumple } from './crumple.js';
import { nestedGroups, type OptionGroups } from './groups.js';
import type { KeyvalObject } from './keyval.js';

/** One `[group]` or `[group "id"]` of a configuration file. */
export interface ConfigSection {
  readonly group: string;
  /** In the order of the file, `id` among them. */
  readonly values: ReadonlyMap<string, string>;
  /** The line of its last value; undefined while the file has had none. */
  readonly location: Location;
}

/** Longest piece of a line, group name or key, and value, in characters: what QEMU's buffers hold. */
const longest = { line: 1023, name: 63, value: 1023 } as const;

/**
 * Splits a -readconfig file into sections. The grammar is as lenient as QEMU's (util/qemu-config.c): what follows a
 * section header or a closing quote is ignored, a word alone is a key with an empty value, comments and empty lines
 * start in the first column. A section comes out before what follows is read, so that the first fault is the one told.
 *
 * @param file its name in locations
 * @throws QemuError `no group defined`, `parse error`, with the line in the hint
 */
export function* readConfig(text: string, file: string): IterableIterator<ConfigSection> {
  let section: { group: string; values: Map<string, string>; location: Location } | undefined;
  let location: Location;
  let line = 0;
  for (const piece of pieces(text)) {
    line++;
    if (piece === '\n' || piece.startsWith('#')) continue;
    const header = readHeader(piece);
    if (header !== undefined) {
      if (section !== undefined) yield section;
      section = { ...header, location };
      continue;
    }
    location = { file, line };
    const hint = `in line ${line} of ${file}`;
    const value = readAssignment(piece);
    if (value === undefined) throw new QemuError('parse error', { hint });
    if (section === undefined) throw new QemuError('no group defined', { hint });
    section.values.set(value.key, value.text);
    section.location = location;
  }
  if (section !== undefined) yield section;
}

/**
 * Adds a section to the option groups, or hands it to `nested` when it belongs to -object, -machine, -smp or -boot.
 *
 * @throws QemuError with QEMU's sentence
 */
export function applySection(
  section: ConfigSection,
  groups: OptionGroups,
  nested: (group: string, options: KeyvalObject, location: Location) => void,
): void {
  if (nestedGroups.has(section.group)) nested(section.group, crumple(section.values), section.location);
  else groups.get(section.group).absorb(section.values, section.location);
}

/** Lines with their line feed, cut where QEMU's line buffer is full; a NUL ends what is read of a line. */
function* pieces(text: string): IterableIterator<string> {
  for (let at = 0; at < text.length; ) {
    const feed = text.indexOf('\n', at);
    const end = Math.min(feed < 0 ? text.length : feed + 1, at + longest.line);
    yield text.slice(at, end).split('\0', 1)[0] ?? '';
    at = end;
  }
}

/** Reads on where `pattern`, which must be sticky, matches: scanf does not go back as a whole expression would. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

const space = /[ \t\n\v\f\r]*/y;
const word = new RegExp(`[^ \\t\\n\\v\\f\\r]{1,${longest.name}}`, 'y');
const quoted = new RegExp(`[^"]{1,${longest.name}}`, 'y');
const bracketed = new RegExp(`[^\\]]{1,${longest.name}}`, 'y');
const value = new RegExp(`[^"]{1,${longest.value}}`, 'y');

function readHeader(piece: string): { group: string; values: Map<string, string> } | undefined {
  if (!piece.startsWith('[')) return undefined;
  const scan = new Scanner(piece.slice(1));
  scan.take(space);
  const group = scan.take(word);
  scan.take(space);
  const id = scan.take(/"/y) === undefined ? undefined : scan.take(quoted);
  if (group !== undefined && id !== undefined) return { group, values: new Map([['id', id]]) };
  const whole = new Scanner(piece.slice(1)).take(bracketed);
  return whole === undefined ? undefined : { group: whole, values: new Map() };
}

function readAssignment(piece: string): { key: string; text: string } | undefined {
  const scan = new Scanner(piece);
  scan.take(space);
  const key = scan.take(word);
  if (key === undefined) return undefined;
  scan.take(space);
  const equals = scan.take(/=/y);
  scan.take(space);
  const text = equals === undefined || scan.take(/"/y) === undefined ? undefined : scan.take(value);
  return { key, text: text ?? '' };
}
