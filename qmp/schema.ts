import {
  bool,
  enumeration,
  list,
  type Member,
  type ObjectType,
  optional,
  type QapiType,
  str,
  struct,
  union,
} from '../src/qom/qapi.js';
import type { JsonObject, JsonValue } from '../src/system/json.js';

/** What the schema tells of a command. */
export interface SchemaCommand {
  readonly name: string;
  readonly args: ObjectType;
  readonly returns: QapiType;
  readonly features: readonly string[];
  readonly allowOob: boolean;
}

/** What the schema tells of an event. */
export interface SchemaEvent {
  readonly name: string;
  readonly data: ObjectType;
}

const SchemaMetaType = enumeration('SchemaMetaType', [
  'builtin',
  'enum',
  'array',
  'object',
  'alternate',
  'command',
  'event',
]);
const JSONType = enumeration('JSONType', ['string', 'number', 'int', 'boolean', 'null', 'object', 'array', 'value']);
const SchemaInfoEnumMember = struct('SchemaInfoEnumMember', { name: str, features: optional(list(str)) });
const SchemaInfoObjectMember = struct('SchemaInfoObjectMember', {
  name: str,
  type: str,
  default: optional(anyValue()),
  features: optional(list(str)),
});
const SchemaInfoObjectVariant = struct('SchemaInfoObjectVariant', { case: str, type: str });
const SchemaInfoAlternateMember = struct('SchemaInfoAlternateMember', { type: str });

function anyValue(): QapiType<JsonValue> {
  return { meta: 'builtin', name: 'any' };
}

/** One entry of query-qmp-schema. */
export const SchemaInfo = union(
  'SchemaInfo',
  { name: str, 'meta-type': SchemaMetaType, features: optional(list(str)) },
  'meta-type',
  {
    builtin: struct('SchemaInfoBuiltin', { 'json-type': JSONType }),
    enum: struct('SchemaInfoEnum', {
      members: list(SchemaInfoEnumMember),
      values: { type: list(str), optional: false, features: ['deprecated'] },
    }),
    array: struct('SchemaInfoArray', { 'element-type': str }),
    object: struct('SchemaInfoObject', {
      members: list(SchemaInfoObjectMember),
      tag: optional(str),
      variants: optional(list(SchemaInfoObjectVariant)),
    }),
    alternate: struct('SchemaInfoAlternate', { members: list(SchemaInfoAlternateMember) }),
    command: struct('SchemaInfoCommand', { 'arg-type': str, 'ret-type': str, 'allow-oob': optional(bool) }),
    event: struct('SchemaInfoEvent', { 'arg-type': str }),
  },
);

/** QAPI's integer types and sizes are all `int` to the outside. */
const builtins: Readonly<Record<string, string>> = {
  str: 'string',
  int: 'int',
  number: 'number',
  bool: 'boolean',
  null: 'null',
  any: 'value',
};

function features(names: readonly string[] | undefined): JsonObject {
  return names === undefined || names.length === 0 ? {} : { features: [...names] };
}

/** Gives types their hidden names, in the order in which they are met, and writes each once. */
class TypeTable {
  readonly entries: JsonObject[] = [];
  readonly #names = new Map<QapiType, string>();
  readonly #written = new Set<string>();
  #next = 0;

  /** The name by which the schema refers to a type; the first use writes its entry. */
  name(type: QapiType): string {
    const known = this.#names.get(type);
    if (known !== undefined) return known;
    if (type.meta === 'builtin') return this.#builtin(type.name in builtins ? type.name : 'int');
    if (type.meta === 'array') {
      const element = this.name(type.element);
      const name = `[${element}]`;
      this.#write(name, () => ({ name, 'meta-type': 'array', 'element-type': element }));
      return name;
    }
    if (type.meta === 'object' && isEmpty(type) && type !== emptyType) return this.name(emptyType);
    const name = String(this.#next++);
    this.#names.set(type, name);
    // The entry takes its place before those of the types it mentions.
    const entry: JsonObject = { name };
    this.entries.push(entry);
    if (type.meta === 'enum') {
      const members = type.values.map((value) => ({ name: value, ...features(type.features?.[value]) }));
      Object.assign(entry, { 'meta-type': 'enum', members, values: [...type.values] });
    } else if (type.meta === 'alternate') {
      const members = type.types.map((branch) => ({ type: this.name(branch) }));
      Object.assign(entry, { 'meta-type': 'alternate', members });
    } else Object.assign(entry, this.#object(type));
    return name;
  }

  #builtin(name: string): string {
    this.#write(name, () => ({ name, 'meta-type': 'builtin', 'json-type': builtins[name] ?? 'value' }));
    return name;
  }

  #write(name: string, entry: () => JsonObject): void {
    if (this.#written.has(name)) return;
    this.#written.add(name);
    this.entries.push(entry());
  }

  #object(type: ObjectType): JsonObject {
    const members = Object.entries(type.members).map(([name, member]) => this.#member(name, member));
    if (type.tag === undefined) return { 'meta-type': 'object', members, ...features(type.features) };
    const tag = type.members[type.tag]?.type;
    const cases = tag?.meta === 'enum' ? tag.values : [];
    const variants = cases.map((value) => ({ case: value, type: this.name(type.variants?.[value] ?? emptyType) }));
    return { 'meta-type': 'object', members, tag: type.tag, variants, ...features(type.features) };
  }

  #member(name: string, { type, optional: isOptional, features: own }: Member): JsonObject {
    return { name, type: this.name(type), ...(isOptional ? { default: null } : {}), ...features(own) };
  }
}

/** Stands for every struct without members. */
const emptyType: ObjectType = struct('q_empty', {});

function isEmpty(type: ObjectType): boolean {
  return type.tag === undefined && Object.keys(type.members).length === 0;
}

/**
 * The result of query-qmp-schema, in QEMU's introspection format: commands, events, then the types they use under
 * numbers for names. The same declarations always give the same text.
 */
export function generateSchema(commands: readonly SchemaCommand[], events: readonly SchemaEvent[]): JsonObject[] {
  const types = new TypeTable();
  types.name(emptyType);
  const commandEntries = commands.map((command) => ({
    name: command.name,
    'meta-type': 'command',
    'arg-type': types.name(command.args),
    'ret-type': types.name(command.returns),
    ...(command.allowOob ? { 'allow-oob': true } : {}),
    ...features(command.features),
  }));
  const eventEntries = events.map((event) => ({
    name: event.name,
    'meta-type': 'event',
    'arg-type': types.name(event.data),
  }));
  return [...commandEntries, ...eventEntries, ...types.entries];
}
