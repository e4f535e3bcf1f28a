import { addDevice, findDevice, removeDevice } from '../../src/qdev/device-add.js';
import { optional, str, struct } from '../../src/qom/qapi.js';
import { defineCommand } from '../command.js';

export const commands = [
  defineCommand({
    name: 'device_add',
    doc: 'Plugs in a device; its properties are further arguments.',
    // The device's own properties come as further members.
    args: struct('device_add', { driver: str, bus: optional(str), id: optional(str) }),
    rawArgs: true,
    features: ['json-cli', 'json-cli-hotplug'],
    handler: async ({ system }, args) => {
      await system.needTypes();
      await addDevice(system, args, 'json');
    },
  }),

  defineCommand({
    name: 'device_del',
    doc: 'Unplugs a device, named by id or path; DEVICE_DELETED tells when it is gone.',
    args: struct('device_del', { id: str }),
    handler: async ({ system }, { id }) => {
      const device = findDevice(system, system.tree.root, id);
      const path = device.canonicalPath;
      await removeDevice(device);
      system.events.emit({ type: 'device-deleted', device: device.id, path });
    },
  }),
];
