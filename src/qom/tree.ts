import { QemuError } from '../system/errors.js';
import { Container, type QomObject } from './object.js';
import { prop } from './property.js';
import { TypeRegistry } from './types.js';

/** `id=` of objects, devices, chardevs (QEMU util/id.c, id_wellformed). */
export function isWellFormedId(id: string): boolean {
  return /^[A-Za-z][A-Za-z0-9\-._]*$/.test(id);
}

/** @throws QemuError when `id` is not an identifier */
export function checkId(id: string): void {
  if (isWellFormedId(id)) return;
  throw new QemuError("Parameter 'id' expects an identifier", {
    hint: "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
  });
}

/** A registry with the root types every other type stands on. */
export function createTypeRegistry(): TypeRegistry {
  const types = new TypeRegistry();
  types.define({
    name: 'object',
    abstract: true,
    properties: { type: prop.string<QomObject>({ get: (object) => object.type.name }) },
  });
  types.define({ name: 'interface', interface: true });
  types.define({ name: 'user-creatable', parent: 'interface', interface: true });
  types.define({ name: 'container', parent: 'object', create: (type) => new Container(type) });
  return types;
}

/** The object tree of one process: `/`, with the fixed containers QEMU has. */
export class ObjectTree {
  readonly types: TypeRegistry;
  readonly root: QomObject;
  readonly objects: QomObject;
  readonly chardevs: QomObject;
  readonly backend: QomObject;
  readonly audiodevs: QomObject;

  constructor(types: TypeRegistry) {
    this.types = types;
    this.root = this.container();
    this.backend = this.root.addChild('backend', this.container());
    this.objects = this.root.addChild('objects', this.container());
    this.chardevs = this.root.addChild('chardevs', this.container());
    this.audiodevs = this.root.addChild('audiodevs', this.container());
  }

  /** A container outside the tree. */
  container(): QomObject {
    const type = this.types.get('container');
    if (type === undefined) throw new Error('type container is not defined');
    return type.create();
  }
}
