import { ChardevBackend } from '../../src/chardev/backend.js';
import { Chardev } from '../../src/chardev/chardev.js';
import { backendKinds, findChardev } from '../../src/chardev/create.js';
import { RingbufChardev } from '../../src/chardev/ringbuf.js';
import { bool, enumeration, int, list, optional, str, struct, union } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { System } from '../../src/system/system.js';
import { addMonitorChardev, changeMonitorChardev, removeMonitorChardev } from '../chardevs.js';
import { defineCommand } from '../command.js';

const ChardevInfo = struct('ChardevInfo', { label: str, filename: str, 'frontend-open': bool });
const ChardevBackendInfo = struct('ChardevBackendInfo', { name: str });
const ChardevReturn = struct('ChardevReturn', { pty: optional(str) });
const DataFormat = enumeration('DataFormat', ['utf8', 'base64']);

type YankInstance = { type: 'chardev'; id: string } | { type: 'block-node'; 'node-name': string } | { type: 'migration' };
const YankInstanceType = enumeration('YankInstanceType', ['block-node', 'chardev', 'migration']);
const YankInstance = union<YankInstance>('YankInstance', { type: YankInstanceType }, 'type', {
  'block-node': struct('YankInstanceBlockNode', { 'node-name': str }),
  chardev: struct('YankInstanceChardev', { id: str }),
});

function chardevs(system: System): Chardev[] {
  return [...system.tree.chardevs.children()].filter((object) => object instanceof Chardev);
}

/** Sockets: what may hang and can be cut off. */
function yankable(system: System): Chardev[] {
  return chardevs(system).filter(({ type }) => type.isA('chardev-socket'));
}

/** @throws QemuError when there is no such chardev or it is of another kind */
function ringbuf(system: System, id: string): RingbufChardev {
  const chardev = findChardev(system, id);
  if (chardev === undefined) throw new QemuError(`Device '${id}' not found`);
  if (!(chardev instanceof RingbufChardev)) throw new QemuError(`${id} is not a ringbuf device`);
  return chardev;
}

/** The path that chardev-add and chardev-change tell of a pty. */
function ptyOf({ filename }: Chardev): { pty?: string } {
  return filename.startsWith('pty:') ? { pty: filename.slice('pty:'.length) } : {};
}

export const commands = [
  defineCommand({
    name: 'query-chardev',
    returns: list(ChardevInfo),
    allowPreconfig: true,
    handler: ({ system }) =>
      chardevs(system).map(({ label, filename, frontendOpen }) => ({ 'frontend-open': frontendOpen, filename, label })),
  }),

  defineCommand({
    name: 'query-chardev-backends',
    returns: list(ChardevBackendInfo),
    handler: () => backendKinds.map((name) => ({ name })),
  }),

  defineCommand({
    name: 'chardev-add',
    args: struct('chardev-add', { id: str, backend: ChardevBackend }),
    returns: ChardevReturn,
    handler: async (ctx, { id, backend }) => ptyOf(await addMonitorChardev(ctx, id, backend)),
  }),

  defineCommand({
    name: 'chardev-change',
    args: struct('chardev-change', { id: str, backend: ChardevBackend }),
    returns: ChardevReturn,
    handler: async (ctx, { id, backend }) => ptyOf(await changeMonitorChardev(ctx, id, backend)),
  }),

  defineCommand({
    name: 'chardev-remove',
    args: struct('chardev-remove', { id: str }),
    handler: (ctx, { id }) => removeMonitorChardev(ctx, id),
  }),

  defineCommand({
    name: 'chardev-send-break',
    args: struct('chardev-send-break', { id: str }),
    handler: ({ system }, { id }) => {
      const chardev = findChardev(system, id);
      if (chardev === undefined) throw new QemuError(`Chardev '${id}' not found`);
      chardev.raiseBreak();
    },
  }),

  defineCommand({
    name: 'ringbuf-write',
    args: struct('ringbuf-write', { device: str, data: str, format: optional(DataFormat) }),
    handler: ({ system }, { device, data, format }) => {
      const chardev = ringbuf(system, device);
      if (format === 'base64' && !/^[A-Za-z0-9+/\s]*=*\s*$/.test(data)) {
        throw new QemuError(`Base64 data '${data}' is not valid`);
      }
      chardev.put(Buffer.from(data, format ?? 'utf8'));
    },
  }),

  defineCommand({
    name: 'ringbuf-read',
    args: struct('ringbuf-read', { device: str, size: int, format: optional(DataFormat) }),
    returns: str,
    handler: ({ system }, { device, size, format }) => {
      const chardev = ringbuf(system, device);
      if (size <= 0) throw new QemuError('size must be greater than zero');
      return chardev.take(Number(size)).toString(format ?? 'utf8');
    },
  }),

  defineCommand({
    name: 'query-yank',
    returns: list(YankInstance),
    allowOob: true,
    handler: ({ system }) => yankable(system).map(({ label }) => ({ type: 'chardev' as const, id: label })),
  }),

  defineCommand({
    name: 'yank',
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
