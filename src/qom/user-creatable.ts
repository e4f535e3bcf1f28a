import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import { QomObject } from './object.js';
import { propertiesHelp } from './properties-help.js';
import type { MaybePromise } from './property.js';
import * as qapi from './qapi.js';
import { checkId, type ObjectTree } from './tree.js';
import type { ObjectClass, TypeRegistry } from './types.js';
import { type InputMode, visitMembers } from './visitor.js';

/** Class data of types that implement the interface `user-creatable` (TypeInfo.data). */
export interface UserCreatableData {
  /** Options that must be given; all other writable properties are optional. */
  readonly requiredOptions?: readonly string[];
  /** Options of the QMP schema only: accepted by the check, refused when they are set. */
  readonly schemaOptions?: Readonly<Record<string, qapi.Member>>;
  /** Made after the machine and the monitors, as memory backends are: large ones take their time. */
  readonly createdLate?: boolean;
}

export function userCreatableData(type: ObjectClass): UserCreatableData {
  return type.data;
}

/** Base class of objects that -object and object-add make. */
export abstract class UserCreatable extends QomObject {
  /** Acquires what the object stands for; properties are set, the object is in the tree. @throws QemuError */
  complete(): MaybePromise<void> {}

  /** False while something uses the object. */
  canBeDeleted(): boolean {
    return true;
  }
}

/** Options that passed the check. */
export interface CheckedOptions {
  readonly type: ObjectClass;
  readonly id: string;
  readonly properties: JsonObject;
}

function optionsOf(type: ObjectClass): qapi.ObjectType {
  const { requiredOptions = [], schemaOptions = {} } = userCreatableData(type);
  const members: Record<string, qapi.Member> = { ...schemaOptions };
  for (const [name, { set, value }] of type.properties) {
    if (set !== undefined && value !== undefined) {
      members[name] = { type: value, optional: !requiredOptions.includes(name) };
    }
  }
  return { meta: 'object', name: `${type.name}-options`, members };
}

/** The argument of object-add: a union over the user-creatable types that are defined, derived from their properties. */
export function objectOptions(types: TypeRegistry): qapi.ObjectType {
  const known = types.list('user-creatable');
  const tag = qapi.enumeration(
    'ObjectType',
    known.map((type) => type.name),
  );
  const variants = Object.fromEntries(known.map((type) => [type.name, optionsOf(type)]));
  return qapi.union('ObjectOptions', { 'qom-type': tag, id: qapi.str }, 'qom-type', variants);
}

/** The objects below /objects: -object, object-add, object-del, object_add, object_del. */
export class UserObjects {
  readonly #tree: ObjectTree;
  readonly #need: (typeName?: string) => Promise<void>;
  readonly #completing = new Set<QomObject>();

  /** @param need defines the named type if its room is known, without a name all of them */
  constructor(tree: ObjectTree, need: (typeName?: string) => Promise<void>) {
    this.#tree = tree;
    this.#need = need;
  }

  /** All concrete user-creatable types, by name. */
  async types(): Promise<ObjectClass[]> {
    await this.#need();
    return this.#tree.types.list('user-creatable').sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Checks options of the form `{ 'qom-type', id, ...properties }` without making anything.
   *
   * @throws QemuError with QEMU's sentence for the input mode
   */
  async check(options: JsonObject, mode: InputMode = 'json'): Promise<CheckedOptions> {
    const given = options['qom-type'];
    if (typeof given === 'string') await this.#need(given);
    // Option groups look at the id before anything else (util/qemu-option.c).
    if (mode === 'opts' && typeof options.id === 'string') checkId(options.id);
    const { 'qom-type': name, id, ...properties } = visitMembers(objectOptions(this.#tree.types), options, mode);
    const type = this.#tree.types.get(String(name));
    if (type === undefined) throw new Error(`type ${name} is not defined`);
    return { type, id: String(id), properties };
  }

  /**
   * Makes a checked object: properties, place below /objects, completion.
   *
   * @throws QemuError; nothing stays behind
   */
  async create({ type, id, properties }: CheckedOptions): Promise<UserCreatable> {
    checkId(id);
    const object = type.create();
    if (!(object instanceof UserCreatable)) throw new Error(`${type.name} is not user-creatable`);
    for (const [name, value] of Object.entries(properties)) await object.set(name, value);
    this.#tree.objects.addChild(id, object);
    this.#completing.add(object);
    try {
      await object.complete();
    } catch (error) {
      object.unparent();
      throw error;
    } finally {
      this.#completing.delete(object);
    }
    return object;
  }

  /** `check` and `create` in one. */
  async add(options: JsonObject, mode: InputMode = 'json'): Promise<UserCreatable> {
    return this.create(await this.check(options, mode));
  }

  /** @throws QemuError when there is no such object or it is in use */
  delete(id: string): void {
    const object = this.#tree.objects.component(id);
    if (object === undefined) throw new QemuError(`object '${id}' not found`);
    const deletable = !(object instanceof UserCreatable) || object.canBeDeleted();
    if (!deletable || this.#completing.has(object)) throw new QemuError(`object '${id}' is in use, can not be deleted`);
    object.unparent();
  }

  /** `-object help`. */
  async help(): Promise<string> {
    const names = (await this.types()).map((type) => `  ${type.name}\n`);
    return `List of user creatable objects:\n${names.join('')}`;
  }

  /** `-object TYPE,help`. @throws QemuError when there is no such type */
  async typeHelp(name: string): Promise<string> {
    await this.#need(name);
    const type = this.#tree.types.list('user-creatable').find((candidate) => candidate.name === name);
    if (type === undefined) throw new QemuError(`Parameter 'qom-type' does not accept value '${name}'`);
    return propertiesHelp(type, (property) => property.set !== undefined);
  }
}
