import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QapiType } from '../../src/qom/qapi.js';
import { objectOptions, UserCreatable, UserObjects, userCreatableData } from '../../src/qom/user-creatable.js';
import { QemuError } from '../../src/system/errors.js';
import { iothreads } from '../../src/system/iothread.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import type { System } from '../../src/system/system.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { deadline } from '../support/deadline.js';
import { recordedObjects } from '../support/recorded-objects.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('qom/user-creatable');

function setUp(): { system: System; objects: UserObjects } {
  const { system } = createTestSystem();
  return { system, objects: createUserObjects(system) };
}

/** Answers the QMP commands that the recorded exchanges use. */
async function execute({ system, objects }: ReturnType<typeof setUp>, request: JsonObject): Promise<JsonObject> {
  const args = (request.arguments ?? {}) as JsonObject;
  try {
    switch (request.execute) {
      case 'object-add':
        await objects.add(args);
        return { return: {} };
      case 'object-del':
        objects.delete(String(args.id));
        return { return: {} };
      case 'query-iothreads':
        return { return: iothreads(system.tree).map((row) => ({ ...row, 'thread-id': 6447 })) as JsonValue };
      case 'query-memdev': {
        const row: JsonObject = {};
        const [backend] = system.tree.objects.children();
        const names = ['share', 'reserve', 'prealloc', 'host-nodes', 'size', 'merge', 'dump', 'policy'];
        for (const name of names) row[name] = (await backend?.get(name)) ?? null;
        return { return: [{ ...row, id: backend?.name ?? '' }] };
      }
      case 'qom-get':
        return { return: (await system.tree.objects.component('s')?.get(String(args.property))) ?? null };
      default:
        throw new Error(`unknown command ${request.execute}`);
    }
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    return { error: { class: error.errorClass, desc: error.message } };
  }
}

test('object-add and object-del answer as recorded', async () => {
  assert.ok(recordedObjects.exchanges.length >= 10);
  for (const { name, steps } of recordedObjects.exchanges) {
    const set = setUp();
    for (const { send, receive } of steps) {
      assert.equal(await deadline(name, execute(set, send)), receive, `${name}: ${JSON.stringify(send)}`);
    }
  }
});

function describe(type: QapiType): string | string[] {
  if (type.meta === 'enum') return [...type.values];
  if (type.meta === 'array') return `array of ${describe(type.element)}`;
  // Introspection knows one integer type.
  if (type.meta === 'builtin') return /int|size/.test(type.name) ? 'int' : type.name;
  throw new Error(`no option has ${type.meta} type`);
}

test('the options of every type are those of the recorded schema', async () => {
  const { system, objects } = setUp();
  await objects.types();
  const { variants = {} } = objectOptions(system.types);
  const own = ['nitro-attestation-ca'];
  assert.equal(Object.keys(variants).sort(), [...Object.keys(recordedObjects.schemaOptions), ...own].sort());
  for (const [type, options] of Object.entries(recordedObjects.schemaOptions)) {
    const members = Object.entries(variants[type]?.members ?? {}).map(
      ([name, member]) => [name, { type: describe(member.type), optional: member.optional }] as const,
    );
    assert.equal(Object.fromEntries(members.sort()), Object.fromEntries(Object.entries(options).sort()), type);
  }
});

test('the properties of every type are those of the recorded qom-list-properties', async () => {
  const { system, objects } = setUp();
  await objects.types();
  for (const [name, properties] of Object.entries(recordedObjects.listProperties)) {
    const ours = [...(system.types.get(name)?.properties ?? [])].map(([property, { type }]) => ({
      name: property,
      type,
    }));
    const sorted = (list: readonly { name: string; type: string }[]) =>
      [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.equal(sorted(ours), sorted(properties), name);
  }
});

test('-object TYPE,help has the recorded layout', async () => {
  const { objects } = setUp();
  // Descriptions are in our own words; where they start is QEMU's.
  const layout = (text: string) => text.replace(/( - ).*$/gm, '$1');
  assert.is(layout(await objects.typeHelp('memory-backend-memfd')), layout(recordedObjects.memfdHelp));
  assert.is(await objects.typeHelp('rng-builtin'), 'There are no options for rng-builtin.\n');
  assert.is(
    (await thrown(() => objects.typeHelp('nonesuch'))).message,
    "Parameter 'qom-type' does not accept value 'nonesuch'",
  );
  assert.match(await objects.help(), /^List of user creatable objects:\n {2}iothread\n {2}memory-backend-file\n/);
});

test('memory backends are made late, the others early', async () => {
  const { objects } = setUp();
  const late = (await objects.types()).filter((type) => userCreatableData(type).createdLate === true);
  assert.equal(
    late.map((type) => type.name),
    ['memory-backend-file', 'memory-backend-memfd', 'memory-backend-ram'],
  );
});

/** A type whose completion the test ends. */
class Slow extends UserCreatable {
  static finish: (error?: Error) => void = () => {};
  finalized = 0;
  used = false;
  override complete(): Promise<void> {
    return new Promise((resolve, reject) => {
      Slow.finish = (error) => (error === undefined ? resolve() : reject(error));
    });
  }
  override canBeDeleted(): boolean {
    return !this.used;
  }
  protected override finalize(): void {
    this.finalized += 1;
  }
}

function slowObjects(): UserObjects {
  const { system } = createTestSystem();
  system.types.define({
    name: 'slow',
    parent: 'object',
    interfaces: ['user-creatable'],
    create: (type) => new Slow(type),
  });
  return new UserObjects(system.tree, () => Promise.resolve());
}

test('an object cannot be deleted while it completes or is used', async () => {
  const objects = slowObjects();
  const checked = await objects.check({ 'qom-type': 'slow', id: 'a' });
  const made = objects.create(checked);
  await new Promise(setImmediate);
  assert.is((await thrown(() => objects.delete('a'))).message, "object 'a' is in use, can not be deleted");
  Slow.finish();
  const object = await deadline('completion', made);
  assert.ok(object instanceof Slow);
  object.used = true;
  assert.is((await thrown(() => objects.delete('a'))).message, "object 'a' is in use, can not be deleted");
  object.used = false;
  objects.delete('a');
  assert.is(object.finalized, 1);
  assert.is((await thrown(() => objects.delete('a'))).message, "object 'a' not found");
});

test('an object that fails to complete leaves nothing behind', async () => {
  const objects = slowObjects();
  const checked = await objects.check({ 'qom-type': 'slow', id: 'a' });
  const made = objects.create(checked);
  await new Promise(setImmediate);
  Slow.finish(new QemuError('no luck'));
  assert.is((await thrown(() => made)).message, 'no luck');
  assert.is((await thrown(() => objects.delete('a'))).message, "object 'a' not found");
  const again = objects.create(checked);
  await new Promise(setImmediate);
  Slow.finish();
  await deadline('the second', again);
});

test('any options give an object or one QemuError, and text gives what JSON gives', async () => {
  const { objects } = setUp();
  const scalar = fc.oneof(
    fc.string(),
    fc.constantFrom('on', 'off', '1M', '0-2', '-1', 'bind', '0x10', '99999999999999999999'),
  );
  const options = fc.dictionary(
    fc.oneof(
      fc.string(),
      fc.constantFrom('qom-type', 'id', 'size', 'host-nodes', 'policy', 'share', 'prealloc-threads'),
    ),
    fc.oneof(
      scalar,
      fc.array(scalar, { maxLength: 3 }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    ) as fc.Arbitrary<JsonValue>,
  );
  const type = fc.constantFrom('memory-backend-ram', 'iothread', 'secret', 'nope');
  await fc.assert(
    fc.asyncProperty(options, type, fc.constantFrom('json', 'keyval', 'opts' as const), async (given, name, mode) => {
      try {
        await objects.check({ 'qom-type': name, id: 'x', ...given }, mode);
      } catch (error) {
        assert.instance(error, QemuError);
      }
    }),
    { numRuns: 2000 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        size: fc.integer({ min: 1, max: 2 ** 40 }),
        share: fc.boolean(),
        threads: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        nodes: fc.array(fc.integer({ min: 0, max: 65535 }), { maxLength: 4 }),
      }),
      async ({ size, share, threads, nodes }) => {
        const named = { 'qom-type': 'memory-backend-ram', id: 'x' };
        const json = await objects.check({ ...named, size, share, 'prealloc-threads': threads, 'host-nodes': nodes });
        const text = { ...named, size: String(size), share: share ? 'on' : 'off', 'prealloc-threads': String(threads) };
        const opts = await objects.check({ ...text, 'host-nodes': nodes.map(String) }, 'opts');
        const keyval = await objects.check({ ...text, 'host-nodes': nodes.map(String) }, 'keyval');
        assert.equal(opts.properties, json.properties);
        assert.equal(keyval.properties, json.properties);
      },
    ),
    { numRuns: 300 },
  );
});

test.run();
