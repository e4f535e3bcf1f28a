import * as fc from 'fast-check';
import { writeJson } from '../../qmp/json/writer.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { jsonValue } from './json-text.js';
import type { Schema, SchemaEntry } from './schema.js';

/** Values for members of these names that are likely to mean something; no file outside the server's own folder. */
const meaningful: Readonly<Record<string, readonly JsonValue[]>> = {
  path: ['/', '/machine', '/objects', '/objects/a', '/machine/peripheral', 'machine', '/chardevs/a', 'nonesuch', ''],
  property: ['type', 'size', 'a', 'peripheral', 'nonesuch'],
  typename: ['object', 'device', 'none-machine', 'memory-backend-ram', 'qemu64-x86_64-cpu', 'nonesuch', 'a'],
  implements: ['machine', 'user-creatable', 'memory-backend', 'nonesuch'],
  id: ['a', 'b', '1', 'a b', ''],
  device: ['a', '/machine', 'nonesuch'],
  driver: ['isa-serial', 'virtio-net-pci', 'nonesuch', 'device', 'memory-backend-ram'],
  name: ['a', 'qemu64', 'max', 'nonesuch', 'nonesuch*'],
  action: ['reset', 'pause', 'none'],
  out: ['file', 'nonesuch/file', '/dev/fdset/1', ''],
  device_path: ['nonesuch'],
  filename: ['file', 'nonesuch/file', ''],
  'mem-path': ['memory', 'nonesuch/memory'],
  protocol: ['file:dump', 'fd:a', 'nonesuch'],
  // Files and memory of this size are made.
  size: [0, 1, 4096, 65_537],
  host: ['127.0.0.1', '::1', ''],
  port: ['0', '1', '65536', 'a'],
  cid: ['a'],
  // Waiting for a client stops all of QEMU.
  wait: [false],
  'command-line': [
    'info status',
    'info name',
    'nonesuch',
    'stop',
    'print 1+',
    'qom-get /machine type',
    'info qtree',
    '',
  ],
  fdname: ['a', '1'],
  'fdset-id': [0, 1, -1],
};

const words = fc.constantFrom('a', 'b', '', 'nonesuch', 'on', '1');
const integers = fc.constantFrom<JsonValue>(
  0,
  1,
  2,
  -1,
  300,
  2 ** 31,
  2 ** 32,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
);

/** Anything but what would make a large file or reach for one elsewhere. */
const strange = jsonValue.filter((value) => !/\/|(?<![.\d])[1-9]\d{6}/.test(writeJson(value)));

/** Arguments that two schemas both know of. */
export class CommonSchema {
  readonly #left: Schema;
  readonly #right: Schema;

  constructor(left: Schema, right: Schema) {
    this.#left = left;
    this.#right = right;
  }

  /** Names of the commands that both have. */
  get commands(): string[] {
    const known = new Set(this.#right.of('command').map(({ name }) => name));
    return this.#left.of('command').flatMap(({ name }) => (known.has(name) ? [name] : []));
  }

  /** Arguments of a command that mostly fit; now and then a part does not, is missing or is unknown. */
  argumentsOf(command: string): fc.Arbitrary<JsonValue> {
    const { 'arg-type': left = '' } = this.#left.get(command);
    const { 'arg-type': right = '' } = this.#right.get(command);
    return this.#value(left, right, '');
  }

  #value(left: string, right: string, name: string): fc.Arbitrary<JsonValue> {
    const fitting = this.#fitting(this.#left.get(left), this.#right.get(right), name);
    return fc.oneof({ weight: 20, arbitrary: fitting }, { weight: 1, arbitrary: strange });
  }

  #fitting(left: SchemaEntry, right: SchemaEntry, name: string): fc.Arbitrary<JsonValue> {
    if (left['meta-type'] !== right['meta-type']) return strange;
    switch (left['meta-type']) {
      case 'builtin':
        return builtin(left['json-type'] ?? '', name);
      case 'enum': {
        const both = (left.values ?? []).filter((value) => right.values?.includes(value));
        return both.length === 0 ? strange : fc.constantFrom(...both);
      }
      case 'array': {
        const element = this.#value(left['element-type'] ?? '', right['element-type'] ?? '', name);
        return fc.array(element, { maxLength: 3 });
      }
      case 'object':
        return this.#object(left, right);
      default:
        // Alternates: JSON types that both take.
        return fc.oneof(words, integers, fc.constant(null));
    }
  }

  #object(left: SchemaEntry, right: SchemaEntry): fc.Arbitrary<JsonValue> {
    const model: Record<string, fc.Arbitrary<JsonValue>> = {};
    const requiredKeys: string[] = [];
    for (const member of left.members ?? []) {
      const other = right.members?.find(({ name }) => name === member.name);
      if (other === undefined) continue;
      model[member.name] = this.#value(member.type, other.type, member.name);
      if (!('default' in member)) requiredKeys.push(member.name);
    }
    const own = fc.record(model, { requiredKeys }) as fc.Arbitrary<JsonObject>;
    const variants = (left.variants ?? []).flatMap(({ case: value, type }) => {
      const other = right.variants?.find((variant) => variant.case === value);
      if (other === undefined) return [];
      return [
        this.#fitting(this.#left.get(type), this.#right.get(other.type), '').map((more) => ({
          [left.tag ?? '']: value,
          ...(more as JsonObject),
        })),
      ];
    });
    const whole = variants.length === 0 ? own : fc.tuple(own, fc.oneof(...variants)).map(([a, b]) => ({ ...a, ...b }));
    return fc.oneof(
      { weight: 12, arbitrary: whole },
      {
        weight: 1,
        arbitrary: fc.tuple(whole, words, strange).map(([object, key, value]) => ({ ...object, [key]: value })),
      },
      { weight: 1, arbitrary: whole.map((object) => Object.fromEntries(Object.entries(object).slice(1))) },
    );
  }
}

function builtin(jsonType: string, name: string): fc.Arbitrary<JsonValue> {
  const known = meaningful[name];
  if (known !== undefined) return fc.constantFrom(...known);
  switch (jsonType) {
    case 'string':
      return words;
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'int':
      return integers;
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    default:
      return strange;
  }
}
