import { parseKeyval } from '../../../src/cli/keyval.js';
import { addDevice } from '../../../src/qdev/device-add.js';
import { options, rest, string } from '../args.js';
import { defineHmp } from '../command.js';
import { readOptionText } from '../option-text.js';

/** Ids of the devices that users made. */
function deviceIds(names: Iterable<{ name: string }>): string[] {
  return [...names].map(({ name }) => name);
}

export const deviceCommands = [
  defineHmp({
    name: 'device_add',
    usage: 'driver[,prop=value][,...]',
    help: 'plug in a device',
    parameters: [options('device')],
    run: async ({ system }, { device }) => {
      await system.needTypes();
      await addDevice(system, readOptionText('device', device ?? ''), 'opts');
    },
    complete: ({ system }, index) => (index === 0 ? system.types.list('device').map(({ name }) => name) : []),
  }),
  defineHmp({
    name: 'device_del',
    usage: 'device',
    help: 'unplug a device',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('device_del', args)),
    complete: ({ system }, index) => (index === 0 ? deviceIds(system.peripheral.children()) : []),
  }),
  defineHmp({
    name: 'object_add',
    usage: '[qom-type=]type,id=str[,prop=value][,...]',
    help: 'make an object',
    parameters: [rest('object')],
    run: async ({ host }, { object }) => {
      await host.objects.add(parseKeyval(object, 'qom-type'), 'keyval');
    },
    complete: ({ system }, index) => (index === 0 ? system.types.list('user-creatable').map(({ name }) => name) : []),
  }),
  defineHmp({
    name: 'object_del',
    usage: 'id',
    help: 'delete an object',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('object-del', args)),
    complete: ({ system }, index) => (index === 0 ? deviceIds(system.tree.objects.children()) : []),
  }),
];
