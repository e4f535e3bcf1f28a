import { words } from './grammar.js';
import type { SchemaIndex } from './schema.js';

/** What may stand where the cursor is. */
export interface Completion {
  /** The characters left of the cursor that belong to the word. */
  readonly word: string;
  /** Whole words, each beginning with them. */
  readonly candidates: string[];
}

/** Completes the command, the name of an argument or its value at the end of `left`, the text left of the cursor. */
export function complete(schema: SchemaIndex, left: string): Completion {
  const all = words(left);
  const last = all.at(-1);
  const current = last?.end === left.length ? all.pop() : undefined;
  const word = current === undefined ? '' : left.slice(current.start);
  const starting = (candidates: string[]): Completion => ({
    word,
    candidates: candidates.filter((candidate) => candidate.startsWith(word)),
  });
  const [command] = all;
  if (command === undefined) return starting(schema.commands());

  const type = schema.argumentType(left.slice(command.start, command.end));
  if (type === undefined) return starting([]);
  const given = new Map<string, string>();
  for (const { start, end, equals } of all.slice(1)) {
    if (equals !== undefined) given.set(left.slice(start, equals), left.slice(equals + 1, end));
  }
  if (current?.equals === undefined) return starting(argumentNames(schema, type, word, given));
  const path = left.slice(current.start, current.equals);
  const valueType = typeAt(schema, type, path, given);
  return starting(valueType === undefined ? [] : schema.values(valueType).map((value) => `${path}=${value}`));
}

/** Members at the depth of `word`: `name=`, or `name.` where they have members themselves. Those given are left out. */
function argumentNames(schema: SchemaIndex, type: string, word: string, given: ReadonlyMap<string, string>): string[] {
  const prefix = word.slice(0, word.lastIndexOf('.') + 1);
  const parent = prefix === '' ? type : typeAt(schema, type, prefix.slice(0, -1), given);
  if (parent === undefined) return [];
  return membersAt(schema, parent, prefix, given).flatMap(({ name, type: memberType }) => {
    const path = prefix + name;
    if (given.has(path)) return [];
    return [schema.isObject(memberType) ? `${path}.` : `${path}=`];
  });
}

/** The type of the member at a dotted path. */
function typeAt(
  schema: SchemaIndex,
  type: string,
  path: string,
  given: ReadonlyMap<string, string>,
): string | undefined {
  let parent: string | undefined = type;
  let prefix = '';
  for (const key of path.split('.')) {
    if (parent === undefined) return undefined;
    parent = membersAt(schema, parent, prefix, given).find(({ name }) => name === key)?.type;
    prefix += `${key}.`;
  }
  return parent;
}

function membersAt(schema: SchemaIndex, type: string, prefix: string, given: ReadonlyMap<string, string>) {
  return schema.members(type, (member) => given.get(prefix + member));
}
