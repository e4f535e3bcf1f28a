import { QemuError } from '../system/errors.js';
import type { JsonValue } from '../system/json.js';
import type { MaybePromise, Property } from './property.js';
import type { ObjectClass } from './types.js';
import { type InputMode, visit } from './visitor.js';

/** A node of the object tree. Types derive from it; instances come from `ObjectClass.create`. */
export class QomObject {
  readonly type: ObjectClass;
  #parent: QomObject | undefined;
  #name = '';
  readonly #own = new Map<string, Property>();

  constructor(type: ObjectClass) {
    this.type = type;
  }

  /** Runs once when the object leaves the tree, after its children; override to release what it holds. */
  protected finalize(): void {}

  get parent(): QomObject | undefined {
    return this.#parent;
  }

  /** Name under the parent; '' for the root and for objects outside the tree. */
  get name(): string {
    return this.#name;
  }

  /** Absolute path, `/` for the root. */
  get canonicalPath(): string {
    if (this.#parent === undefined) return '/';
    const above = this.#parent.canonicalPath;
    return above === '/' ? `/${this.#name}` : `${above}/${this.#name}`;
  }

  /** Class properties (base first), then the instance's own. */
  *properties(): IterableIterator<[string, Property]> {
    for (const entry of this.type.properties) if (entry[1].listing !== 'class') yield entry;
    yield* this.#own;
  }

  findProperty(name: string): Property | undefined {
    const property = this.type.properties.get(name);
    return property === undefined || property.listing === 'class' ? this.#own.get(name) : property;
  }

  /** @throws QemuError `Property 'TYPE.NAME' not found` */
  property(name: string): Property {
    const property = this.findProperty(name);
    if (property === undefined) throw new QemuError(`Property '${this.type.name}.${name}' not found`);
    return property;
  }

  /** @throws QemuError when there is no such property or it cannot be read */
  get(name: string): MaybePromise<JsonValue> {
    const { get } = this.property(name);
    if (get === undefined) throw new QemuError(`Property '${this.type.name}.${name}' is not readable`);
    return get(this);
  }

  /**
   * Sets a property from a JSON value, or from option text in keyval mode.
   *
   * @throws QemuError when there is no such property, it cannot be written or the value does not fit
   */
  set(name: string, value: JsonValue, mode: InputMode = 'json'): MaybePromise<void> {
    const property = this.property(name);
    if (property.set === undefined) throw new QemuError(`Property '${this.type.name}.${name}' is not writable`);
    return property.set(this, property.value === undefined ? value : visit(property.value, value, name, mode), name);
  }

  /**
   * Adds a property to this instance. A name ending in `[*]` gets the first free index.
   *
   * @returns the name in use
   * @throws QemuError `attempt to add duplicate property ...`
   */
  addProperty(name: string, property: Property): string {
    let free = name;
    if (name.endsWith('[*]')) {
      const stem = name.slice(0, -3);
      for (let i = 0; ; i++) {
        free = `${stem}[${i}]`;
        if (this.findProperty(free) === undefined) break;
      }
    } else if (this.findProperty(name) !== undefined) {
      throw new QemuError(`attempt to add duplicate property '${name}' to object (type '${this.type.name}')`);
    }
    this.#own.set(free, property);
    return free;
  }

  /** Removes an instance property; a child must be unparented instead. */
  removeProperty(name: string): void {
    this.#own.delete(name);
  }

  /** Puts `child` into the tree below this object and returns it. */
  addChild<T extends QomObject>(name: string, child: T): T {
    const node: QomObject = child;
    if (node.#parent !== undefined) throw new Error(`${node.canonicalPath} has a parent already`);
    const used = this.addProperty(name, {
      type: `child<${child.type.name}>`,
      flavour: 'object',
      child: true,
      get: () => child.canonicalPath,
      target: () => child,
    });
    node.#parent = this;
    node.#name = used;
    return child;
  }

  /** Adds a read-only `link<TYPE>` whose value is the target's path, '' while there is none. */
  addLink(name: string, type: string, target: () => QomObject | undefined): string {
    return this.addProperty(name, {
      type: `link<${type}>`,
      flavour: 'object',
      get: () => target()?.canonicalPath ?? '',
      target,
    });
  }

  /** The children, in the order they were added. */
  *children(): IterableIterator<QomObject> {
    for (const [, property] of this.#own) {
      const child = property.child === true ? property.target?.(this) : undefined;
      if (child !== undefined) yield child;
    }
  }

  /** The object behind a `child<>` or `link<>` property. */
  component(name: string): QomObject | undefined {
    return this.findProperty(name)?.target?.(this);
  }

  /** Takes the object out of the tree: children first (last added first), then its own `finalize`. */
  unparent(): void {
    for (const child of [...this.children()].reverse()) child.unparent();
    this.finalize();
    this.#parent?.removeProperty(this.#name);
    this.#parent = undefined;
    this.#name = '';
  }
}

/** A plain node that only holds children. */
export class Container extends QomObject {}
