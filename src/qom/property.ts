import type { JsonValue } from '../system/json.js';
import type { QomObject } from './object.js';
import { resolveLink } from './path.js';
import type { QapiType } from './qapi.js';
import * as qapi from './qapi.js';

/** Values of objects that live on another thread arrive later; qom-get and qom-set await them. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * A property of a QOM type, declared once; qom-list, qom-get, qom-set, device-list-properties, `-device X,help` and
 * `info qtree` derive from it. `qdev` properties show in all listings, `object` ones not in `info qtree`.
 */
export interface Property {
  /** As qom-list prints it: `bool`, `uint32`, `string`, `str`, `link<bus>`, `SMPConfiguration`, ... */
  readonly type: string;
  /** What `set` accepts; checked before `set` runs. Absent: any JSON value. */
  readonly value?: QapiType;
  readonly get?: (object: QomObject) => MaybePromise<JsonValue>;
  readonly set?: (object: QomObject, value: JsonValue, name: string) => MaybePromise<void>;
  readonly description?: string;
  readonly defaultValue?: JsonValue;
  readonly flavour: 'object' | 'qdev';
  /** The object itself for `child<>` and non-empty `link<>` properties. */
  readonly target?: (object: QomObject) => QomObject | undefined;
  readonly child?: boolean;
  /** Listed by qom-list-properties although absent from instances, or the reverse. */
  readonly listing?: 'class' | 'instance';
}

export interface Access<O, T extends JsonValue> {
  get?: (object: O) => MaybePromise<T>;
  set?: (object: O, value: T) => MaybePromise<void>;
  description?: string;
  defaultValue?: T;
}

type Declare<T extends JsonValue> = <O extends QomObject>(access: Access<O, T>) => Property;

function declare<T extends JsonValue>(
  type: string,
  value: QapiType | undefined,
  flavour: Property['flavour'],
): Declare<T> {
  return <O extends QomObject>(access: Access<O, T>) => {
    const { get, set, description, defaultValue } = access;
    return {
      type,
      flavour,
      ...(value === undefined ? {} : { value }),
      // A property is only ever looked up through the class that declares it, so the object is an O.
      ...(get === undefined ? {} : { get: (object: QomObject) => get(object as O) }),
      ...(set === undefined ? {} : { set: (object: QomObject, v: JsonValue) => set(object as O, v as T) }),
      ...(description === undefined ? {} : { description }),
      ...(defaultValue === undefined ? {} : { defaultValue }),
    };
  };
}

/** Properties in QOM's plain form (object_class_property_add_*). */
export const prop = {
  bool: declare<boolean>('bool', qapi.bool, 'object'),
  string: declare<string>('string', qapi.str, 'object'),
  int: declare<qapi.Infer<typeof qapi.int>>('int', qapi.int, 'object'),
  uint16: declare<number>('uint16', qapi.uint16, 'object'),
  uint32: declare<number>('uint32', qapi.uint32, 'object'),
  uint64: declare<qapi.Infer<typeof qapi.uint64>>('uint64', qapi.uint64, 'object'),
  size: declare<qapi.Infer<typeof qapi.size>>('size', qapi.size, 'object'),
  /** Listed under `type` (an enum's, struct's or QEMU's odd name), checked as `value`. */
  of: <T extends JsonValue>(type: string, value: QapiType): Declare<T> => declare<T>(type, value, 'object'),
  enumeration: <V extends string>(type: qapi.EnumType<V>): Declare<V> => declare<V>(type.name, type, 'object'),
};

/**
 * A settable `link<TYPE>`: takes the path of an object of that type, '' for none; reads as the canonical path.
 *
 * @param root where partial paths are looked up
 */
export function linkProperty<O extends QomObject>(
  type: string,
  root: () => QomObject,
  access: {
    get: (object: O) => QomObject | undefined;
    set?: (object: O, target: QomObject | undefined) => void;
    description?: string;
  },
): Property {
  const { get, set, description } = access;
  return {
    type: `link<${type}>`,
    flavour: 'object',
    value: qapi.str,
    get: (object) => get(object as O)?.canonicalPath ?? '',
    target: (object) => get(object as O),
    ...(set === undefined
      ? {}
      : {
          set: (object: QomObject, path: JsonValue, name: string) =>
            set(object as O, path === '' ? undefined : resolveLink(root(), name, String(path), type)),
        }),
    ...(description === undefined ? {} : { description }),
  };
}

/** Another name for a property of an object: type, checks and value are the target's (object_property_add_alias). */
export function aliasProperty(target: () => QomObject, name: string): Property {
  const { type, value, description, defaultValue, flavour } = target().property(name);
  return {
    type,
    flavour,
    get: () => target().get(name),
    set: (_, v) => target().set(name, v),
    target: () => target().component(name),
    ...(value === undefined ? {} : { value }),
    ...(description === undefined ? {} : { description }),
    ...(defaultValue === undefined ? {} : { defaultValue }),
  };
}

/** qdev properties (DEFINE_PROP_*): set before realize, shown by `info qtree`. */
export const qdevProp = {
  bool: declare<boolean>('bool', qapi.bool, 'qdev'),
  str: declare<string>('str', qapi.str, 'qdev'),
  uint16: declare<number>('uint16', qapi.uint16, 'qdev'),
  uint32: declare<number>('uint32', qapi.uint32, 'qdev'),
  uint64: declare<qapi.Infer<typeof qapi.uint64>>('uint64', qapi.uint64, 'qdev'),
  of: <T extends JsonValue>(type: string, value: QapiType): Declare<T> => declare<T>(type, value, 'qdev'),
  enumeration: <V extends string>(type: qapi.EnumType<V>): Declare<V> => declare<V>(type.name, type, 'qdev'),
};
