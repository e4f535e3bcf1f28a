import type { QomObject } from './object.js';
import type { Property } from './property.js';

/** What a type is, declared once and handed to `TypeRegistry.define`. */
export interface TypeInfo {
  readonly name: string;
  readonly parent?: string;
  readonly interfaces?: readonly string[];
  readonly abstract?: boolean;
  /** An interface type: implemented, never instantiated (TYPE_INTERFACE). */
  readonly interface?: boolean;
  readonly properties?: Readonly<Record<string, Property>>;
  /** Creates the bare object; absent on abstract types and on types that exist for listings only. */
  readonly create?: (type: ObjectClass) => QomObject;
  /** What kinds of types add of their own (machine class data, bus names, ...); merged down the parent chain. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A defined type with what it inherits. */
export class ObjectClass {
  readonly name: string;
  readonly parent: ObjectClass | undefined;
  readonly abstract: boolean;
  readonly isInterface: boolean;
  /** Base class first, then declaration order. */
  readonly properties: ReadonlyMap<string, Property>;
  readonly data: Readonly<Record<string, unknown>>;
  readonly #create: TypeInfo['create'];
  readonly #ancestors: ReadonlySet<string>;

  constructor(info: TypeInfo, parent: ObjectClass | undefined, interfaces: readonly ObjectClass[]) {
    this.name = info.name;
    this.parent = parent;
    this.abstract = info.abstract ?? false;
    this.isInterface = info.interface ?? false;
    this.properties = new Map([...(parent?.properties ?? []), ...Object.entries(info.properties ?? {})]);
    this.data = { ...parent?.data, ...info.data };
    this.#create = info.create;
    this.#ancestors = new Set([
      info.name,
      ...(parent === undefined ? [] : parent.#ancestors),
      ...interfaces.flatMap((i) => [...i.#ancestors]),
    ]);
  }

  /** True for the type itself, its parents and the interfaces any of them implements. */
  isA(name: string): boolean {
    return this.#ancestors.has(name);
  }

  get instantiable(): boolean {
    return this.#create !== undefined && !this.abstract && !this.isInterface;
  }

  /** @throws Error when the type is abstract: a programming error, users are refused earlier. */
  create(): QomObject {
    if (this.#create === undefined || this.abstract) throw new Error(`type ${this.name} cannot be instantiated`);
    return this.#create(this);
  }
}

/** The types of one process, by name. */
export class TypeRegistry {
  readonly #types = new Map<string, ObjectClass>();

  /** @throws Error on a second definition of a name, or when parent or interface is not defined yet. */
  define(info: TypeInfo): ObjectClass {
    if (this.#types.has(info.name)) throw new Error(`type ${info.name} is already defined`);
    const known = (name: string): ObjectClass => {
      const type = this.#types.get(name);
      if (type === undefined) throw new Error(`type ${info.name}: ${name} is not defined`);
      return type;
    };
    const parent = info.parent === undefined ? undefined : known(info.parent);
    const type = new ObjectClass(info, parent, (info.interfaces ?? []).map(known));
    this.#types.set(info.name, type);
    return type;
  }

  get(name: string): ObjectClass | undefined {
    return this.#types.get(name);
  }

  /** Types that are or implement `ancestor`, in definition order; abstract ones only when asked for. */
  list(ancestor?: string, includeAbstract = false): ObjectClass[] {
    return [...this.#types.values()].filter(
      (type) =>
        !type.isInterface && (includeAbstract || !type.abstract) && (ancestor === undefined || type.isA(ancestor)),
    );
  }
}
