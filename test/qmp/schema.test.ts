import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../qmp/context.js';
import { loadCommand } from '../../qmp/registry.js';
import { generateSchema } from '../../qmp/schema.js';
import { alternate, bool, enumeration, list, nil, optional, size, str, struct, union } from '../../src/qom/qapi.js';
import { createTestMonitor, type TestMonitor } from '../support/monitor.js';
import { qemuSchema, Schema, type SchemaEntry } from '../support/schema.js';

const generator = suite('schema: generator');

generator('writes commands, events and their types in the introspection format', () => {
  const Kind = enumeration('Kind', ['a', 'b'], { b: ['deprecated'] });
  const Options = union('Options', { kind: Kind }, 'kind', {
    a: struct('OptionsA', { x: optional(size, ['unstable']) }),
  });
  const entries = generateSchema(
    [
      {
        name: 'do',
        args: Options,
        returns: list(struct('Result', { v: alternate('V', [str, nil]) })),
        features: ['f'],
        allowOob: true,
      },
    ],
    [{ name: 'DONE', data: struct('Done', { ok: bool }) }],
  );
  assert.equal(entries, [
    { name: 'do', 'meta-type': 'command', 'arg-type': '1', 'ret-type': '[4]', 'allow-oob': true, features: ['f'] },
    { name: 'DONE', 'meta-type': 'event', 'arg-type': '6' },
    { name: '0', 'meta-type': 'object', members: [] },
    {
      name: '1',
      'meta-type': 'object',
      members: [{ name: 'kind', type: '2' }],
      tag: 'kind',
      variants: [
        { case: 'a', type: '3' },
        { case: 'b', type: '0' },
      ],
    },
    {
      name: '2',
      'meta-type': 'enum',
      members: [{ name: 'a' }, { name: 'b', features: ['deprecated'] }],
      values: ['a', 'b'],
    },
    {
      name: '3',
      'meta-type': 'object',
      members: [{ name: 'x', type: 'int', default: null, features: ['unstable'] }],
    },
    { name: 'int', 'meta-type': 'builtin', 'json-type': 'int' },
    { name: '4', 'meta-type': 'object', members: [{ name: 'v', type: '5' }] },
    { name: '5', 'meta-type': 'alternate', members: [{ type: 'str' }, { type: 'null' }] },
    { name: 'str', 'meta-type': 'builtin', 'json-type': 'string' },
    { name: 'null', 'meta-type': 'builtin', 'json-type': 'null' },
    { name: '[4]', 'meta-type': 'array', 'element-type': '4' },
    { name: '6', 'meta-type': 'object', members: [{ name: 'ok', type: 'bool' }] },
    { name: 'bool', 'meta-type': 'builtin', 'json-type': 'boolean' },
  ]);
});

generator.run();

const compatible = suite('schema: compatible with QEMU');

const reference = qemuSchema();
const monitor = await createTestMonitor();

/** Not in the recorded QEMU: dropped since, left out of that build, or ours. */
const additions = new Set([
  'query-events',
  'query-vnc',
  'x-nitro-query-enclave',
  'x-nitro-query-pcrs',
  'x-nitro-query-attestation-root',
  'x-nitro-inject',
  'NITRO_ENCLAVE_STARTED',
  'NITRO_HEARTBEAT',
  'NITRO_CONSOLE_CONNECTED',
]);

/** Enum values and members that QEMU lacks. */
const additionalNames = new Set([
  'query-accelerators.ret.enabled=nitro',
  'query-accelerators.ret.present[]=nitro',
  'object-add.arg.qom-type=nitro-attestation-ca',
]);

/** Object types that QEMU lacks. */
const additionalVariants = new Set(['nitro-attestation-ca']);

/** Optional arguments that are left out: they are about things that these machines lack. */
const leftOut = new Set(['migrate-set-parameters.arg.block-bitmap-mapping', 'display-update.arg[vnc].addresses']);

/** Commands whose results are empty lists or errors, ever: only identifying members are declared. */
const neverFull = new Set([
  'query-acpi-ospm-status',
  'query-audiodevs',
  'query-block',
  'query-block-exports',
  'query-block-jobs',
  'query-blockstats',
  'query-cryptodev',
  'query-jobs',
  'query-named-block-nodes',
  'query-pci',
  'query-rx-filter',
  'query-stats',
  'query-stats-schemas',
  'query-tpm',
]);

/** Walks two types side by side and notes where ours would surprise a client of QEMU's. */
class Comparison {
  readonly problems: string[] = [];
  readonly #ours: Schema;
  readonly #command: string;
  readonly #isResult: boolean;
  readonly #seen = new Set<string>();

  constructor(ours: Schema, command: string, isResult: boolean) {
    this.#ours = ours;
    this.#command = command;
    this.#isResult = isResult;
  }

  types(ourName: string | undefined, theirName: string | undefined, at: string): void {
    const key = `${ourName} ${theirName}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const ours = this.#ours.get(ourName);
    const theirs = reference.get(theirName);
    if (ours['meta-type'] !== theirs['meta-type']) {
      this.#say(at, `is ${ours['meta-type']}, not ${theirs['meta-type']}`);
      return;
    }
    switch (ours['meta-type']) {
      case 'builtin':
        if (ours.name !== theirs.name) this.#say(at, `is ${ours.name}, not ${theirs.name}`);
        break;
      case 'enum':
        for (const value of ours.values ?? []) {
          if (!theirs.values?.includes(value) && !additionalNames.has(`${at}=${value}`)) this.#say(at, `has ${value}`);
        }
        break;
      case 'array':
        this.types(ours['element-type'], theirs['element-type'], `${at}[]`);
        break;
      case 'alternate':
        for (const { type } of ours.members ?? []) {
          if (!theirs.members?.some((branch) => branch.type === type)) this.#say(at, `has branch ${type}`);
        }
        break;
      default:
        this.#objects(ours, theirs, at);
    }
  }

  #objects(ours: SchemaEntry, theirs: SchemaEntry, at: string): void {
    const theirMembers = new Map((theirs.members ?? []).map((member) => [member.name, member]));
    for (const member of ours.members ?? []) {
      const where = `${at}.${member.name}`;
      const other = theirMembers.get(member.name);
      theirMembers.delete(member.name);
      if (other === undefined) {
        if (!member.features?.includes('unstable')) this.#say(where, 'is unknown to QEMU');
        continue;
      }
      this.types(member.type, other.type, where);
      const [optionalHere, optionalThere] = ['default' in member, 'default' in other];
      if (optionalHere !== optionalThere && !(this.#isResult && optionalThere))
        this.#say(where, 'differs in optionality');
      if (String(member.features ?? '') !== String(other.features ?? '')) this.#say(where, 'differs in features');
    }
    for (const [name, member] of theirMembers) {
      const where = `${at}.${name}`;
      if (this.#isResult ? 'default' in member || neverFull.has(this.#command) : leftOut.has(where)) continue;
      this.#say(where, 'is left out');
    }
    if (ours.tag !== undefined && ours.tag !== theirs.tag) this.#say(at, `has the tag ${ours.tag}`);
    for (const { case: value, type } of ours.variants ?? []) {
      const other = theirs.variants?.find((variant) => variant.case === value);
      if (additionalVariants.has(value)) continue;
      if (other === undefined) this.#say(at, `has a variant ${value}`);
      else this.types(type, other.type, `${at}[${value}]`);
    }
  }

  #say(at: string, what: string): void {
    this.problems.push(`${at} ${what}`);
  }
}

async function schemaOf({ host, system }: TestMonitor): Promise<SchemaEntry[]> {
  const command = await loadCommand('query-qmp-schema');
  return (await command.run({ host, system, client: new MonitorClient() }, {})) as unknown as SchemaEntry[];
}

const own = new Schema(await schemaOf(monitor));

for (const command of own.of('command')) {
  if (additions.has(command.name) || command.name.startsWith('x-nitro-')) continue;
  compatible(`command ${command.name}`, () => {
    const theirs = reference.get(command.name);
    assert.equal(command.features ?? [], theirs.features ?? []);
    assert.is(command['allow-oob'] ?? false, theirs['allow-oob'] ?? false);
    const args = new Comparison(own, command.name, false);
    args.types(command['arg-type'], theirs['arg-type'], `${command.name}.arg`);
    assert.equal(args.problems, []);
    const result = new Comparison(own, command.name, true);
    result.types(command['ret-type'], theirs['ret-type'], `${command.name}.ret`);
    assert.equal(result.problems, []);
  });
}

for (const event of own.of('event')) {
  if (additions.has(event.name)) continue;
  compatible(`event ${event.name}`, () => {
    const comparison = new Comparison(own, event.name, false);
    comparison.types(event['arg-type'], reference.get(event.name)['arg-type'], event.name);
    assert.equal(comparison.problems, []);
  });
}

compatible('every type is used and every name that is used is there', () => {
  const used = new Set<string>();
  const note = (entry: SchemaEntry): void => {
    const names = [
      entry['arg-type'],
      entry['ret-type'],
      entry['element-type'],
      ...(entry.members ?? []).map(({ type }) => type),
      ...(entry.variants ?? []).map(({ type }) => type),
    ];
    for (const name of names) if (typeof name === 'string') used.add(name);
  };
  for (const entry of own.entries.values()) note(entry);
  for (const name of used) assert.ok(own.entries.has(name), name);
  for (const [name, entry] of own.entries) {
    if (entry['meta-type'] !== 'command' && entry['meta-type'] !== 'event') assert.ok(used.has(name), name);
  }
});

compatible('the same declarations give the same schema', async () => {
  const again = await schemaOf(await createTestMonitor());
  assert.is(JSON.stringify(again), JSON.stringify([...own.entries.values()]));
});

compatible.run();
