import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/system/json.js';

export interface SchemaMember {
  readonly name: string;
  readonly type: string;
}

/** A variant may be a union again; a bad schema must not lead in circles. */
const maxVariantDepth = 8;

/** Finds commands, arguments and values in a result of query-qmp-schema, of ours or any QEMU. */
export class SchemaIndex {
  readonly #types = new Map<string, JsonObject>();
  readonly #commands = new Map<string, JsonObject>();

  constructor(schema: readonly JsonValue[]) {
    for (const entry of schema) {
      if (!isJsonObject(entry) || typeof entry.name !== 'string') continue;
      if (entry['meta-type'] === 'command') this.#commands.set(entry.name, entry);
      else if (entry['meta-type'] !== 'event') this.#types.set(entry.name, entry);
    }
  }

  commands(): string[] {
    return [...this.#commands.keys()].sort();
  }

  /** The type of a command's arguments. */
  argumentType(command: string): string | undefined {
    return text(this.#commands.get(command)?.['arg-type']);
  }

  /**
   * Members of an object type.
   *
   * @param chosen gives the value of a member where it is known, which tells the variant of a union
   */
  members(type: string, chosen: (member: string) => string | undefined, depth = maxVariantDepth): SchemaMember[] {
    const entry = this.#types.get(type);
    if (entry?.['meta-type'] !== 'object') return [];
    const common = list(entry.members).flatMap((member) => {
      const [name, memberType] = [text(member.name), text(member.type)];
      return name === undefined || memberType === undefined ? [] : [{ name, type: memberType }];
    });
    const tag = text(entry.tag);
    const value = tag === undefined ? undefined : chosen(tag);
    const variant = list(entry.variants).find((one) => one.case === value);
    const variantType = text(variant?.type);
    if (variantType === undefined || depth === 0) return common;
    return [...common, ...this.members(variantType, chosen, depth - 1)];
  }

  /** Has members of its own, that are given as `name.member=`. */
  isObject(type: string): boolean {
    return this.#types.get(type)?.['meta-type'] === 'object';
  }

  /** What a value can be, where that is a list: enumerations and booleans, also among alternatives. */
  values(type: string): string[] {
    const entry = this.#types.get(type);
    if (entry?.['meta-type'] === 'enum') {
      return list(entry.members).length > 0
        ? list(entry.members).flatMap((member) => text(member.name) ?? [])
        : strings(entry.values);
    }
    if (entry?.['meta-type'] === 'builtin') return entry['json-type'] === 'boolean' ? ['true', 'false'] : [];
    if (entry?.['meta-type'] !== 'alternate') return [];
    // An alternate has no alternate among its branches (docs/devel/qapi-code-gen).
    const branches = list(entry.members).flatMap((member) => text(member.type) ?? []);
    return branches.flatMap((branch) =>
      this.#types.get(branch)?.['meta-type'] === 'alternate' ? [] : this.values(branch),
    );
  }
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function list(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
