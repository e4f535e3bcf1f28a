import { QemuError } from '../system/errors.js';
import { indexOfAny, isHelp, readValue } from './opts-text.js';

/** Options as -machine, -object and their like write them; values stay text, for the reader's schema gives the types. */
export type Keyval = string | Keyval[] | KeyvalObject;
export type KeyvalObject = { [key: string]: Keyval };

/** Bytes in one fragment of a key. */
const longestFragment = 127;
const largestIndex = 2 ** 31 - 1;
/** Fragments in one key; QEMU has no limit, and as many as its JSON parser nests is more than any schema has. */
const deepestKey = 1024;

/**
 * Reads `a=1,b.c=2,d.0=x,d.1=y` into `{a: '1', b: {c: '2'}, d: ['x', 'y']}`: dots nest, numbers make lists, a doubled
 * comma is a comma. QEMU: util/keyval.c.
 *
 * @param implied key of the first value when it has none (`-object TYPE`); that value cannot contain a comma
 * @param into options read before, which these replace or add to
 * @returns whether `help` or `?` stands among the keys
 * @throws QemuError with QEMU's sentence
 */
export function readKeyval(text: string, implied: string | undefined, into: KeyvalObject): { help: boolean } {
  let help = false;
  let first = implied;
  for (let at = 0; at < text.length; ) {
    const stop = indexOfAny(text, '=,', at);
    const word = text.slice(at, stop);
    if (word !== '' && text[stop] !== '=' && isHelp(word)) {
      help = true;
      at = stop + 1;
    } else if (word !== '' && text[stop] !== '=' && first !== undefined) {
      put(into, [first], word);
      at = stop + 1;
    } else {
      const path = readKey(word);
      if (text[stop] !== '=') throw new QemuError(`Expected '=' after parameter '${word}'`);
      const { value, end } = readValue(text, stop + 1);
      put(into, path, value);
      at = end + 1;
    }
    first = undefined;
  }
  for (const [key, value] of Object.entries(into)) into[key] = listify(value, [key]);
  return { help };
}

/** `readKeyval` where nobody answers `help`. */
export function parseKeyval(text: string, implied?: string): KeyvalObject {
  const options: KeyvalObject = {};
  if (readKeyval(text, implied, options).help) throw new QemuError('Help is not available for this option');
  return options;
}

/**
 * Adds `from` to `into`: text replaces text, objects merge, lists grow. A key may not change its kind.
 *
 * @param prefix put before keys in error texts, with its dot
 * @throws QemuError `Parameter 'x' used inconsistently`
 */
export function mergeKeyval(into: KeyvalObject, from: KeyvalObject, prefix = ''): void {
  for (const [key, value] of Object.entries(from)) {
    const old = own(into, key);
    if (old === undefined || (typeof old === 'string' && typeof value === 'string')) into[key] = value;
    else if (Array.isArray(old) && Array.isArray(value)) old.push(...value);
    else if (isObject(old) && isObject(value)) mergeKeyval(old, value, `${prefix}${key}.`);
    else throw new QemuError(`Parameter '${prefix}${key}' used inconsistently`);
  }
}

function isObject(value: Keyval): value is KeyvalObject {
  return typeof value === 'object' && !Array.isArray(value);
}

function own(object: KeyvalObject, key: string): Keyval | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A QAPI name, with the `__RFQDN_` prefix of downstream additions. */
const name = /(?:__[A-Za-z0-9.-]*_)?[A-Za-z][A-Za-z0-9_-]*/y;
const index = /[0-9]+/y;

/** Splits a key into its fragments. Dots also occur in a downstream prefix, so that `split` will not do. */
function readKey(key: string): string[] {
  const path: string[] = [];
  for (let at = 0; ; at++) {
    const fragment = (at > 0 ? match(index, key, at) : undefined) ?? match(name, key, at);
    const end = at + (fragment?.length ?? 0);
    if (fragment === undefined || (end < key.length && key[end] !== '.')) {
      throw new QemuError(`Invalid parameter '${key}'`);
    }
    if (fragment.length > longestFragment) {
      throw new QemuError(`Parameter${fragment === key ? '' : ' fragment'} '${fragment}' is too long`);
    }
    path.push(fragment);
    if (path.length > deepestKey) throw new QemuError(`Parameter '${path[0]}' nests more than ${deepestKey} levels`);
    if (end === key.length) return path;
    at = end;
  }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function put(into: KeyvalObject, path: readonly string[], value: string): void {
  let object = into;
  path.forEach((fragment, depth) => {
    const old = own(object, fragment);
    const last = depth === path.length - 1;
    if (old !== undefined && (last ? typeof old !== 'string' : !isObject(old))) {
      throw new QemuError(`Parameters '${path.slice(0, depth + 1).join('.')}.*' used inconsistently`);
    }
    if (last) object[fragment] = value;
    else object = old !== undefined && isObject(old) ? old : newObject(object, fragment);
  });
}

function newObject(parent: KeyvalObject, key: string): KeyvalObject {
  const object: KeyvalObject = {};
  parent[key] = object;
  return object;
}

/** Turns objects whose keys are all numbers into lists, from the inside out. */
function listify(value: Keyval, path: readonly string[]): Keyval {
  if (!isObject(value)) return value;
  for (const [key, member] of Object.entries(value)) value[key] = listify(member, [...path, key]);
  const keys = Object.keys(value);
  const indices = keys.filter((key) => /^[0-9]/.test(key));
  if (indices.length === 0) return value;
  const where = `${path.join('.')}.`;
  if (indices.length < keys.length) throw new QemuError(`Parameters '${where}*' used inconsistently`);
  const list: Keyval[] = [];
  // `1` and `01` are one place; a hole shows because places are fewer than the largest index says.
  for (const [key, member] of Object.entries(value)) {
    const place = Math.min(Number(key), largestIndex);
    if (place < keys.length) list[place] = member;
  }
  const largest = Math.max(...keys.map((key) => Math.min(Number(key), largestIndex)));
  for (let i = 0; i <= Math.min(keys.length, largest); i++) {
    if (list[i] === undefined) throw new QemuError(`Parameter '${where}${i}' missing`);
  }
  return list;
}
