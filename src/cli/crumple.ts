import { QemuError } from '../system/errors.js';
import type { Keyval, KeyvalObject } from './keyval.js';

/**
 * Nests the dotted keys of a configuration file section; keys that are all numbers make a list. Rules and sentences
 * are not those of keyval: a doubled dot is a dot, and any text is a name. QEMU: qobject/block-qdict.c.
 *
 * @throws QemuError
 */
export function crumple(values: Iterable<readonly [string, string]>): KeyvalObject {
  const result = crumpleLevel(values);
  if (Array.isArray(result)) throw new QemuError('Lists cannot be at top level of a configuration section');
  return result;
}

function crumpleLevel(values: Iterable<readonly [string, string]>): Keyval[] | KeyvalObject {
  const members = new Map<string, string | [string, string][]>();
  for (const [key, value] of values) {
    const { first, rest } = splitKey(key);
    const old = members.get(first);
    if (rest === undefined ? old !== undefined : typeof old === 'string') {
      throw new QemuError('Cannot mix scalar and non-scalar keys');
    }
    if (rest === undefined) members.set(first, value);
    else if (Array.isArray(old)) old.push([rest, value]);
    else members.set(first, [[rest, value]]);
  }
  const crumpled = new Map(
    [...members].map(([key, value]) => [key, typeof value === 'string' ? value : crumpleLevel(value)]),
  );
  return listOf(crumpled) ?? Object.fromEntries(crumpled);
}

/** The part before the first single dot, and the rest. */
function splitKey(key: string): { first: string; rest: string | undefined } {
  const first = /^(?:[^.]|\.\.)*/.exec(key)?.[0] ?? '';
  const name = first.replaceAll('..', '.');
  // An object of ours cannot have this member, and no option is called so.
  if (name === '__proto__') throw new QemuError(`Invalid parameter '${key}'`);
  return { first: name, rest: first.length < key.length ? key.slice(first.length + 1) : undefined };
}

function listOf(members: ReadonlyMap<string, Keyval>): Keyval[] | undefined {
  const keys = [...members.keys()];
  const indices = keys.filter((key) => /^[+-]?[0-9]+$/.test(key)).map(Number);
  if (indices.length === 0) return undefined;
  if (indices.length < keys.length) throw new QemuError('Cannot mix list and non-list keys');
  const largest = Math.max(-1, ...indices);
  const list = keys.map((_, i) => members.get(String(i)));
  if (largest + 1 !== keys.length || !list.every((element) => element !== undefined)) {
    throw new QemuError(`List indices are not contiguous, saw ${keys.length} elements but ${largest} largest index`);
  }
  return list;
}
