import { parseKeyval } from '../../../src/cli/keyval.js';
import { addDevice } from '../../../src/qdev/device-add.js';
import { options, rest, string } from '../args.js';
import { defineHmp, type HmpContext } from '../command.js';
import { readOptionText } from '../option-text.js';

function names(items: Iterable<{ name: string }>): string[] {
  return [...items].map(({ name }) => name);
}

/** Types that may be named, all rooms and modules asked. */
async function typeNames({ system }: HmpContext, index: number, ancestor: string): Promise<string[]> {
  if (index > 0) return [];
  await system.needTypes();
  return names(system.types.list(ancestor));
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
    complete: (ctx, index) => typeNames(ctx, index, 'device'),
  }),
  defineHmp({
    name: 'device_del',
    usage: 'device',
    help: 'unplug a device',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('device_del', args)),
    complete: ({ system }, index) => (index === 0 ? names(system.peripheral.children()) : []),
  }),
  defineHmp({
    name: 'object_add',
    usage: '[qom-type=]type,id=str[,prop=value][,...]',
    help: 'make an object',
    parameters: [rest('object')],
    run: async ({ host }, { object }) => {
      await host.objects.add(parseKeyval(object, 'qom-type'), 'keyval');
    },
    complete: (ctx, index) => typeNames(ctx, index, 'user-creatable'),
  }),
  defineHmp({
    name: 'object_del',
    usage: 'id',
    help: 'delete an object',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('object-del', args)),
    complete: ({ system }, index) => (index === 0 ? names(system.tree.objects.children()) : []),
  }),
];
