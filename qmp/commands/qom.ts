import { objectAt } from '../../src/qom/path.js';
import type { Property } from '../../src/qom/property.js';
import { any, bool, list, optional, str, struct } from '../../src/qom/qapi.js';
import type { ObjectClass } from '../../src/qom/types.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonValue } from '../../src/system/json.js';
import { defineCommand } from '../command.js';
import type { MonitorContext } from '../context.js';
import { ObjectPropertyInfo } from '../types.js';

const ObjectTypeInfo = struct('ObjectTypeInfo', { name: str, abstract: optional(bool), parent: optional(str) });
const ObjectPropertyValue = struct('ObjectPropertyValue', { name: str, type: str, value: optional(any) });
const ObjectPropertiesValues = struct('ObjectPropertiesValues', { properties: list(ObjectPropertyValue) });

/** Properties of a class as listings show them, `omit` left out. */
function classProperties(type: ObjectClass, omit: ReadonlySet<string>) {
  const listed: [string, Property][] = [...type.properties].filter(
    ([name, { listing }]) => listing !== 'instance' && !omit.has(name),
  );
  return listed.map(([name, property]) => ({
    name,
    ...(property.description === undefined ? {} : { description: property.description }),
    ...(property.defaultValue === undefined ? {} : { 'default-value': property.defaultValue }),
    type: property.type,
  }));
}

/** Every device has them; device-list-properties leaves them out. */
const commonDeviceProperties = new Set(['type', 'realized', 'hotpluggable', 'hotplugged', 'parent_bus']);
const none: ReadonlySet<string> = new Set();

function notFound(kind: 'Class' | 'Device', name: string): QemuError {
  return new QemuError(`${kind} '${name}' not found`, { errorClass: 'DeviceNotFound' });
}

async function typeNamed(ctx: MonitorContext, name: string): Promise<ObjectClass | undefined> {
  await ctx.system.needTypes();
  return ctx.system.types.get(name);
}

/** The value, undefined when it cannot be read. */
async function readable(read: () => JsonValue | Promise<JsonValue>): Promise<JsonValue | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof QemuError) return undefined;
    throw error;
  }
}

export const commands = [
  defineCommand({
    name: 'qom-list',
    doc: 'Lists the properties of an object, children and links among them.',
    args: struct('qom-list', { path: str }),
    returns: list(ObjectPropertyInfo),
    allowPreconfig: true,
    handler: ({ system }, { path }) =>
      [...objectAt(system.tree.root, path).properties()].map(([name, { type }]) => ({ name, type })),
  }),

  defineCommand({
    name: 'qom-get',
    doc: 'Gives the value of a property.',
    args: struct('qom-get', { path: str, property: str }),
    returns: any,
    allowPreconfig: true,
    handler: ({ system }, { path, property }) => objectAt(system.tree.root, path).get(property),
  }),

  defineCommand({
    name: 'qom-set',
    doc: 'Sets a property.',
    args: struct('qom-set', { path: str, property: str, value: any }),
    allowPreconfig: true,
    handler: ({ system }, { path, property, value }) => objectAt(system.tree.root, path).set(property, value),
  }),

  defineCommand({
    name: 'qom-list-get',
    doc: 'Gives the values of all properties of several objects.',
    args: struct('qom-list-get', { paths: list(str) }),
    returns: list(ObjectPropertiesValues),
    allowPreconfig: true,
    handler: async ({ system }, { paths }) => {
      const result = [];
      for (const path of paths) {
        const object = objectAt(system.tree.root, path);
        const properties = [];
        for (const [name, { type }] of [...object.properties()]) {
          const value = await readable(() => object.get(name));
          properties.push({ name, type, ...(value === undefined ? {} : { value }) });
        }
        result.push({ properties });
      }
      return result;
    },
  }),

  defineCommand({
    name: 'qom-list-types',
    doc: 'Lists the types, or those that implement a given one.',
    args: struct('qom-list-types', { implements: optional(str), abstract: optional(bool) }),
    returns: list(ObjectTypeInfo),
    allowPreconfig: true,
    handler: async ({ system }, { implements: ancestor, abstract }) => {
      await system.needTypes();
      return system.types.list(ancestor, abstract ?? false).map((type) => ({
        name: type.name,
        ...(type.abstract ? { abstract: true } : {}),
        ...(type.parent === undefined ? {} : { parent: type.parent.name }),
      }));
    },
  }),

  defineCommand({
    name: 'qom-list-properties',
    doc: 'Lists the properties of a type.',
    args: struct('qom-list-properties', { typename: str }),
    returns: list(ObjectPropertyInfo),
    allowPreconfig: true,
    handler: async (ctx, { typename }) => {
      const type = await typeNamed(ctx, typename);
      if (type === undefined) throw notFound('Class', typename);
      return classProperties(type, none);
    },
  }),

  defineCommand({
    name: 'device-list-properties',
    doc: 'Lists the properties of a device type.',
    args: struct('device-list-properties', { typename: str }),
    returns: list(ObjectPropertyInfo),
    handler: async (ctx, { typename }) => {
      const type = await typeNamed(ctx, typename);
      if (type === undefined) throw notFound('Device', typename);
      if (!type.isA('device') || type.abstract) {
        throw new QemuError("Parameter 'typename' expects a non-abstract device type");
      }
      return classProperties(type, commonDeviceProperties);
    },
  }),
];
