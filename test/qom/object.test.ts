import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QomObject } from '../../src/qom/object.js';
import { objectAt, resolveLink, resolvePath } from '../../src/qom/path.js';
import { aliasProperty, linkProperty, prop } from '../../src/qom/property.js';
import { checkId, createTypeRegistry, isWellFormedId, ObjectTree } from '../../src/qom/tree.js';
import { QemuError } from '../../src/system/errors.js';

class Counter extends QomObject {
  count = 0;
  static finalized: string[] = [];
  protected override finalize(): void {
    Counter.finalized.push(this.name);
  }
}

function fixture() {
  const types = createTypeRegistry();
  types.define({ name: 'countable', interface: true });
  types.define({
    name: 'counter',
    parent: 'object',
    interfaces: ['countable'],
    create: (type) => new Counter(type),
    properties: {
      count: prop.uint32<Counter>({
        get: (c) => c.count,
        set: (c, v) => {
          c.count = v;
        },
      }),
      double: prop.int<Counter>({ get: (c) => c.count * 2 }),
      secret: prop.bool<Counter>({ set: () => {} }),
    },
  });
  types.define({ name: 'fast-counter', parent: 'counter', create: (type) => new Counter(type) });
  const tree = new ObjectTree(types);
  const make = (name = 'counter') => types.get(name)?.create() as Counter;
  return { types, tree, make };
}

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof QemuError ? error.message : `not a QemuError: ${String(error)}`;
  }
  return 'no error';
}

const object = suite('qom object');

object('a child is found although its class lists a property of that name', () => {
  const { types, make } = fixture();
  types.define({
    name: 'parent',
    parent: 'object',
    create: (type) => new QomObject(type),
    properties: { part: { type: 'child<counter>', flavour: 'object', listing: 'class' } },
  });
  const parent = types.get('parent')?.create() as QomObject;
  assert.is(parent.component('part'), undefined);
  const part = parent.addChild('part', make());
  assert.is(parent.component('part'), part);
});

object('a property is read and written through its declaration', () => {
  const { make } = fixture();
  const counter = make();
  counter.set('count', 7);
  assert.is(counter.get('count'), 7);
  assert.is(counter.get('double'), 14);
  assert.is(counter.get('type'), 'counter');
});

object('a bad access answers with the sentences QEMU has', () => {
  const { make } = fixture();
  const counter = make();
  assert.is(
    message(() => counter.get('nope')),
    "Property 'counter.nope' not found",
  );
  assert.is(
    message(() => counter.set('double', 1)),
    "Property 'counter.double' is not writable",
  );
  assert.is(
    message(() => counter.get('secret')),
    "Property 'counter.secret' is not readable",
  );
  assert.is(
    message(() => counter.set('count', 2 ** 32)),
    "Parameter 'count' expects uint32_t",
  );
  assert.is(
    message(() => counter.set('count', '1')),
    "Parameter 'count' expects uint64",
  );
});

object('a child takes its place in the tree and knows its canonical path', () => {
  const { tree, make } = fixture();
  const parent = tree.objects.addChild('a', make());
  const child = parent.addChild('b', make('fast-counter'));
  assert.is(child.canonicalPath, '/objects/a/b');
  assert.is(parent.get('b'), '/objects/a/b');
  assert.is(parent.property('b').type, 'child<fast-counter>');
  assert.is(tree.root.canonicalPath, '/');
  assert.is(
    message(() => parent.addChild('b', make())),
    "attempt to add duplicate property 'b' to object (type 'counter')",
  );
});

object('a name ending in [*] gets the first free index, also after a removal', () => {
  const { tree, make } = fixture();
  const [first, second] = [make(), make()];
  tree.objects.addChild('device[*]', first);
  tree.objects.addChild('device[*]', second);
  assert.equal([first.name, second.name], ['device[0]', 'device[1]']);
  first.unparent();
  assert.is(tree.objects.addChild('device[*]', make()).name, 'device[0]');
});

object('unparent finalises children before their parent, the newest first, and takes all out of the tree', () => {
  const { tree, make } = fixture();
  Counter.finalized = [];
  const parent = tree.objects.addChild('p', make());
  parent.addChild('x', make());
  const y = parent.addChild('y', make());
  y.addChild('z', make());
  parent.unparent();
  assert.equal(Counter.finalized, ['z', 'y', 'x', 'p']);
  assert.is(tree.objects.findProperty('p'), undefined);
  assert.is(y.parent, undefined);
});

object('types answer for parents and interfaces, and list without abstract types and interfaces', () => {
  const { types } = fixture();
  assert.ok(types.get('fast-counter')?.isA('countable'));
  assert.not(types.get('container')?.isA('countable'));
  assert.equal(
    types.list('countable').map((t) => t.name),
    ['counter', 'fast-counter'],
  );
  assert.equal(
    types.list('object').map((t) => t.name),
    ['container', 'counter', 'fast-counter'],
  );
  assert.ok(types.list('object', true).some((t) => t.name === 'object'));
  assert.throws(() => types.define({ name: 'counter' }), /already defined/);
  assert.throws(() => types.define({ name: 'orphan', parent: 'nope' }), /nope is not defined/);
});
object('a link is set by path and checked for its type; an alias is the property it stands for', () => {
  const { types, tree } = fixture();
  class Holder extends QomObject {
    peer: QomObject | undefined;
  }
  types.define({
    name: 'holder',
    parent: 'object',
    create: (type) => new Holder(type),
    properties: {
      peer: linkProperty<Holder>('counter', () => tree.root, {
        get: (h) => h.peer,
        set: (h, target) => {
          h.peer = target;
        },
      }),
    },
  });
  const counter = tree.objects.addChild('c', types.get('counter')?.create() as Counter);
  const holder = tree.objects.addChild('h', types.get('holder')?.create() as Holder);
  assert.is(holder.get('peer'), '');
  holder.set('peer', '/objects/c');
  assert.is(holder.get('peer'), '/objects/c');
  assert.is(holder.component('peer'), counter);
  assert.is(
    message(() => holder.set('peer', 'h')),
    "Invalid parameter type for 'peer', expected: counter",
  );
  assert.is(
    message(() => holder.set('peer', 7)),
    "Invalid parameter type for 'peer', expected: string",
  );
  holder.set('peer', '');
  assert.is(holder.peer, undefined);
  holder.addProperty(
    'total',
    aliasProperty(() => counter, 'count'),
  );
  holder.set('total', 9);
  assert.is(counter.count, 9);
  assert.is(holder.get('total'), 9);
  assert.is(holder.property('total').type, 'uint32');
  assert.is(
    message(() => holder.set('total', 'x')),
    "Parameter 'total' expects uint64",
  );
});
object.run();

const path = suite('qom path');

path('absolute paths walk children and links, empty parts count for nothing', () => {
  const { tree, make } = fixture();
  const a = tree.objects.addChild('a', make());
  const b = a.addChild('b', make());
  tree.objects.addLink('to-b', 'counter', () => b);
  tree.objects.addLink('to-nothing', 'counter', () => undefined);
  assert.is(resolvePath(tree.root, '/objects/a/b').object, b);
  assert.is(resolvePath(tree.root, '//objects//a/b/').object, b);
  assert.is(resolvePath(tree.root, '/objects/to-b').object, b);
  assert.is(resolvePath(tree.root, '/objects/to-nothing').object, undefined);
  assert.is(resolvePath(tree.root, '/objects/a/count').object, undefined);
  assert.is(
    message(() => objectAt(tree.root, '/nope')),
    "Device '/nope' not found",
  );
});

path('a partial path finds the one object whose path ends so', () => {
  const { tree, make } = fixture();
  const a = tree.objects.addChild('a', make());
  const b = a.addChild('b', make());
  assert.is(resolvePath(tree.root, 'b').object, b);
  assert.is(resolvePath(tree.root, 'a/b').object, b);
  assert.is(resolvePath(tree.root, 'objects').object, tree.objects);
});

path('a partial path that fits two objects is ambiguous, and the empty path always is', () => {
  const { tree, make } = fixture();
  tree.objects.addChild('a', make()).addChild('x', make());
  tree.backend.addChild('b', make()).addChild('x', make());
  assert.equal(resolvePath(tree.root, 'x'), { object: undefined, ambiguous: true });
  assert.is(resolvePath(tree.root, '').ambiguous, true);
  assert.is(
    message(() => objectAt(tree.root, '')),
    "Device '' not found",
  );
});

path('a link target of the wrong type, an ambiguous one and a missing one each say so', () => {
  const { tree, make } = fixture();
  tree.objects.addChild('c', make());
  tree.backend.addChild('c', make());
  tree.objects.addChild('only', tree.container());
  assert.is(
    message(() => resolveLink(tree.root, 'memdev', 'c', 'counter')),
    "Path 'c' does not uniquely identify an object",
  );
  assert.is(
    message(() => resolveLink(tree.root, 'memdev', 'only', 'counter')),
    "Invalid parameter type for 'memdev', expected: counter",
  );
  assert.is(
    message(() => resolveLink(tree.root, 'memdev', 'zz', 'counter')),
    "Device 'zz' not found",
  );
});
path.run();

const ids = suite('identifiers');

ids('ids start with a letter and go on with letters, digits, - . _', () => {
  for (const id of ['a', 'A9', 'nitro-vsock', 'x.y_z-0']) assert.ok(isWellFormedId(id), id);
  for (const id of ['', '1a', '-a', 'a/b', 'a b', 'é', 'a\n']) assert.not(isWellFormedId(id), id);
  assert.is(
    message(() => checkId('1a')),
    "Parameter 'id' expects an identifier",
  );
});
ids.run();
