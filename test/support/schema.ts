import { readFileSync } from 'node:fs';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/system/json.js';

interface SchemaMember {
  readonly name: string;
  readonly type: string;
  readonly default?: null;
  readonly features?: readonly string[];
}

/** An entry of query-qmp-schema; which members are there depends on `meta-type`. */
export interface SchemaEntry {
  readonly name: string;
  readonly 'meta-type': string;
  readonly 'arg-type'?: string;
  readonly 'ret-type'?: string;
  readonly 'allow-oob'?: boolean;
  readonly 'element-type'?: string;
  readonly 'json-type'?: string;
  readonly members?: readonly SchemaMember[];
  readonly values?: readonly string[];
  readonly tag?: string;
  readonly variants?: readonly { readonly case: string; readonly type: string }[];
  readonly features?: readonly string[];
}

/** A schema by the names of its entries. */
export class Schema {
  readonly entries: ReadonlyMap<string, SchemaEntry>;

  constructor(entries: readonly SchemaEntry[]) {
    this.entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  get(name: string | undefined): SchemaEntry {
    const entry = this.entries.get(name ?? '');
    if (entry === undefined) throw new Error(`the schema has no ${name}`);
    return entry;
  }

  of(metaType: 'command' | 'event'): SchemaEntry[] {
    return [...this.entries.values()].filter((entry) => entry['meta-type'] === metaType);
  }

  /** What is wrong with a value of the type named `type`; undefined when nothing is. */
  fault(value: JsonValue, type: string, at = ''): string | undefined {
    const entry = this.get(type);
    switch (entry['meta-type']) {
      case 'builtin':
        return fitsBuiltin(value, entry['json-type'] ?? '')
          ? undefined
          : `${at}: ${JSON.stringify(value)} is no ${type}`;
      case 'enum':
        return entry.values?.includes(String(value)) === true ? undefined : `${at}: ${String(value)} is no value`;
      case 'array':
        if (!Array.isArray(value)) return `${at} is no array`;
        return first(value.map((item, i) => this.fault(item, entry['element-type'] ?? '', `${at}[${i}]`)));
      case 'alternate':
        return entry.members?.some((branch) => this.fault(value, branch.type, at) === undefined) === true
          ? undefined
          : `${at} fits no branch`;
      default:
        return isJsonObject(value) ? this.#objectFault(value, entry, at) : `${at} is no object`;
    }
  }

  #objectFault(value: JsonObject, entry: SchemaEntry, at: string): string | undefined {
    const members = this.members(entry, value);
    const known = new Set(members.map(({ name }) => name));
    const extra = Object.keys(value).find((key) => !known.has(key));
    if (extra !== undefined) return `${at}.${extra} is not in the schema`;
    return first(
      members.map((member) => {
        const item = value[member.name];
        if (item !== undefined) return this.fault(item, member.type, `${at}.${member.name}`);
        return 'default' in member ? undefined : `${at}.${member.name} is missing`;
      }),
    );
  }

  /** Members of an object, with those of the variant that `value` chooses. */
  members(entry: SchemaEntry, value: JsonObject): readonly SchemaMember[] {
    const variant = entry.variants?.find((candidate) => candidate.case === value[entry.tag ?? '']);
    const own = entry.members ?? [];
    return variant === undefined ? own : [...own, ...this.members(this.get(variant.type), value)];
  }
}

function first(faults: readonly (string | undefined)[]): string | undefined {
  return faults.find((fault) => fault !== undefined);
}

function fitsBuiltin(value: JsonValue, jsonType: string): boolean {
  if (jsonType === 'value') return true;
  if (jsonType === 'null') return value === null;
  if (jsonType === 'int') return typeof value === 'bigint' || Number.isInteger(value);
  return typeof value === jsonType;
}

export function readTestData(name: string): string {
  return readFileSync(new URL(`../../../test/qmp/data/${name}`, import.meta.url), 'utf8');
}

/** The schema of a QEMU 10.2.50 for x86_64. */
export function qemuSchema(): Schema {
  return new Schema((JSON.parse(readTestData('qemu-schema.json')) as { return: SchemaEntry[] }).return);
}
