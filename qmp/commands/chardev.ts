import { ChardevBackend } from '../../src/chardev/backend.js';
import { Chardev } from '../../src/chardev/chardev.js';
import {
  chardevAdd,
  chardevChange,
  chardevRemove,
  chardevSendBreak,
  queryChardev,
  queryChardevBackends,
  ringbufRead,
  ringbufWrite,
} from '../../src/chardev/commands.js';
import { bool, enumeration, int, list, optional, str, struct, union } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { System } from '../../src/system/system.js';
import { defineCommand } from '../command.js';
import { namedDescriptors } from '../context.js';

const ChardevInfo = struct('ChardevInfo', { label: str, filename: str, 'frontend-open': bool });
const ChardevBackendInfo = struct('ChardevBackendInfo', { name: str });
const ChardevReturn = struct('ChardevReturn', { pty: optional(str) });
const DataFormat = enumeration('DataFormat', ['utf8', 'base64']);

type YankInstance =
  | { type: 'chardev'; id: string }
  | { type: 'block-node'; 'node-name': string }
  | { type: 'migration' };
const YankInstanceType = enumeration('YankInstanceType', ['block-node', 'chardev', 'migration']);
const YankInstance = union<YankInstance>('YankInstance', { type: YankInstanceType }, 'type', {
  'block-node': struct('YankInstanceBlockNode', { 'node-name': str }),
  chardev: struct('YankInstanceChardev', { id: str }),
});

/** Sockets: what may hang and can be cut off. */
function yankable(system: System): Chardev[] {
  return [...system.tree.chardevs.children()]
    .filter((object) => object instanceof Chardev)
    .filter(({ type }) => type.isA('chardev-socket'));
}

export const commands = [
  defineCommand({
    name: 'query-chardev',
    doc: 'Lists the character devices, to whom they are connected and whether a front end has them open.',
    returns: list(ChardevInfo),
    allowPreconfig: true,
    handler: ({ system }) => queryChardev(system),
  }),

  defineCommand({
    name: 'query-chardev-backends',
    doc: 'Lists the kinds of character devices that chardev-add can make.',
    returns: list(ChardevBackendInfo),
    handler: () => queryChardevBackends(),
  }),

  defineCommand({
    name: 'chardev-add',
    doc: 'Makes a character device; for a pty the result tells its path.',
    args: struct('chardev-add', { id: str, backend: ChardevBackend }),
    returns: ChardevReturn,
    handler: (ctx, { id, backend }) => chardevAdd(ctx.system, id, backend, namedDescriptors(ctx)),
  }),

  defineCommand({
    name: 'chardev-change',
    doc: 'Puts another backend in the place of a character device, its front end stays.',
    args: struct('chardev-change', { id: str, backend: ChardevBackend }),
    returns: ChardevReturn,
    handler: (ctx, { id, backend }) => chardevChange(ctx.system, id, backend, namedDescriptors(ctx)),
  }),

  defineCommand({
    name: 'chardev-remove',
    doc: 'Deletes a character device that nothing uses.',
    args: struct('chardev-remove', { id: str }),
    handler: ({ system }, { id }) => chardevRemove(system, id),
  }),

  defineCommand({
    name: 'chardev-send-break',
    doc: 'Sends a break condition to the front end of a character device.',
    args: struct('chardev-send-break', { id: str }),
    handler: ({ system }, { id }) => chardevSendBreak(system, id),
  }),

  defineCommand({
    name: 'ringbuf-write',
    doc: 'Writes into a ring buffer as its other side would.',
    args: struct('ringbuf-write', { device: str, data: str, format: optional(DataFormat) }),
    handler: ({ system }, { device, data, format }) => ringbufWrite(system, device, data, format),
  }),

  defineCommand({
    name: 'ringbuf-read',
    doc: 'Takes up to `size` bytes out of a ring buffer.',
    args: struct('ringbuf-read', { device: str, size: int, format: optional(DataFormat) }),
    returns: str,
    handler: ({ system }, { device, size, format }) => ringbufRead(system, device, Number(size), format),
  }),

  defineCommand({
    name: 'query-yank',
    doc: 'Lists what `yank` can cut off: the sockets among the character devices.',
    returns: list(YankInstance),
    allowOob: true,
    handler: ({ system }) => yankable(system).map(({ label }) => ({ type: 'chardev' as const, id: label })),
  }),

  defineCommand({
    name: 'yank',
    doc: 'Cuts off connections that hang, all of those named or none.',
    args: struct('yank', { instances: list(YankInstance) }),
    allowOob: true,
    handler: ({ system }, { instances }) => {
      const found = instances.map((instance) =>
        instance.type === 'chardev' ? yankable(system).find(({ label }) => label === instance.id) : undefined,
      );
      // All or none: a name that is wrong must not cost the others their connection.
      if (found.includes(undefined)) throw new QemuError('Instance not found', { errorClass: 'DeviceNotFound' });
      for (const chardev of found) chardev?.disconnect();
    },
  }),
];
