import { bool, enumeration, type Infer, list, optional, size, str, struct, uint16 } from '../../src/qom/qapi.js';
import { IOThreadInfo, iothreads } from '../../src/system/iothread.js';
import type { JsonObject } from '../../src/system/json.js';
import { defineCommand } from '../command.js';

const HostMemPolicy = enumeration('HostMemPolicy', ['default', 'preferred', 'bind', 'interleave']);
const Memdev = struct('Memdev', {
  id: optional(str),
  size,
  merge: bool,
  dump: bool,
  prealloc: bool,
  share: bool,
  reserve: optional(bool),
  'host-nodes': list(uint16),
  policy: HostMemPolicy,
});
/** Properties of a memory backend that query-memdev shows under the same names. */
const memdevProperties = ['size', 'merge', 'dump', 'prealloc', 'share', 'reserve', 'host-nodes', 'policy'] as const;

export const commands = [
  defineCommand({
    name: 'object-add',
    doc: "Makes an object of a user-creatable type; the type's properties are further arguments.",
    // Each user-creatable type adds its own options; the objects check them.
    args: struct('ObjectOptions', { 'qom-type': str, id: str }),
    rawArgs: true,
    allowPreconfig: true,
    handler: async ({ host }, options) => {
      await host.objects.add(options);
    },
  }),

  defineCommand({
    name: 'object-del',
    doc: 'Deletes an object made by `object-add` or `-object`.',
    args: struct('object-del', { id: str }),
    allowPreconfig: true,
    handler: ({ host }, { id }) => host.objects.delete(id),
  }),

  defineCommand({
    name: 'query-memdev',
    doc: 'Lists the memory backends.',
    returns: list(Memdev),
    allowPreconfig: true,
    handler: async ({ system }) => {
      const rows = [];
      for (const object of system.tree.objects.children()) {
        if (!object.type.isA('memory-backend')) continue;
        const row: JsonObject = { id: object.name };
        for (const name of memdevProperties) row[name] = await object.get(name);
        rows.push(row as Infer<typeof Memdev>);
      }
      return rows;
    },
  }),

  defineCommand({
    name: 'query-iothreads',
    doc: 'Lists the I/O threads.',
    returns: list(IOThreadInfo),
    allowPreconfig: true,
    handler: ({ system }) => iothreads(system.tree),
  }),
];
