import { QemuError } from '../../../src/system/errors.js';
import { int64 } from '../../../src/system/json.js';
import { migrationCapabilities } from '../../migration.js';
import { blockDevice, filename, flag, int, mebibytes, onOff, optional, size, string } from '../args.js';
import { defineHmp } from '../command.js';

export const miscCommands = [
  defineHmp({
    name: 'getfd',
    usage: 'getfd name',
    help: 'name the descriptor that came along',
    parameters: [string('fdname')],
    run: async ({ qmp }, args) => void (await qmp('getfd', args)),
  }),
  defineHmp({
    name: 'closefd',
    usage: 'closefd name',
    help: 'close a named descriptor',
    parameters: [string('fdname')],
    run: async ({ qmp }, args) => void (await qmp('closefd', args)),
  }),
  defineHmp({
    name: 'trace-event',
    usage: 'name on|off [vcpu]',
    help: 'switch trace points on or off',
    parameters: [string('name'), onOff('enable'), optional(int('vcpu'))],
    run: async ({ qmp }, { name, enable }) =>
      void (await qmp('trace-event-set-state', { name, enable, 'ignore-unavailable': true })),
    complete: ({ system }, index) => (index === 0 ? system.trace.names() : index === 1 ? ['on', 'off'] : []),
  }),
  defineHmp({
    name: 'balloon',
    usage: 'target',
    help: 'ask the guest to give memory back',
    parameters: [mebibytes('target')],
    run: async ({ qmp }, { target }) => void (await qmp('balloon', { value: int64(target) })),
  }),
  defineHmp({
    name: 'screendump',
    usage: 'filename [-f format] [device [head]]',
    help: 'save what a display shows',
    parameters: [filename('filename'), optional(string('device')), optional(int('head'))],
    run: async ({ qmp }, args) =>
      void (await qmp('screendump', {
        filename: args.filename,
        ...(args.device === undefined ? {} : { device: args.device }),
        ...(args.head === undefined ? {} : { head: args.head }),
      })),
  }),
  defineHmp({
    name: 'set_link',
    usage: 'name on|off',
    help: 'plug or unplug a network cable',
    parameters: [string('name'), onOff('up')],
    run: async ({ qmp }, args) => void (await qmp('set_link', args)),
  }),
  defineHmp({
    name: 'netdev_del',
    usage: 'id',
    help: 'remove a network backend',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('netdev_del', args)),
  }),
  defineHmp({
    name: 'block_resize',
    usage: 'device size',
    help: 'change the size of a block device',
    parameters: [blockDevice('device'), size('size')],
    run: async ({ qmp }, args) => void (await qmp('block_resize', { device: args.device, size: int64(args.size) })),
  }),
  defineHmp({
    name: 'eject',
    usage: '[-f] device',
    help: 'take the medium out of a drive',
    parameters: [flag('force', 'f'), blockDevice('device')],
    run: async ({ qmp }, args) => void (await qmp('eject', args)),
  }),
  defineHmp({
    name: 'migrate_set_capability',
    usage: 'capability state',
    help: 'switch a migration capability',
    parameters: [string('capability'), onOff('state')],
    run: async ({ qmp }, { capability, state }) => {
      const known = migrationCapabilities.find((name) => name === capability);
      if (known === undefined) throw new QemuError(`Invalid parameter ${capability}`);
      await qmp('migrate-set-capabilities', { capabilities: [{ capability: known, state }] });
    },
    complete: (_, index) => (index === 0 ? migrationCapabilities : []),
  }),
  defineHmp({
    name: 'migrate_cancel',
    help: 'cancel the migration under way',
    run: async ({ qmp }) => void (await qmp('migrate_cancel')),
  }),
];

export const miscInfo = [
  defineHmp({
    name: 'trace-events',
    usage: '[name] [vcpu]',
    help: 'show the trace points and whether they are on',
    parameters: [optional(string('name')), optional(int('vcpu'))],
    run: async ({ qmp }, { name }) =>
      (await qmp('trace-event-get-state', { name: name ?? '*' }))
        .map((event) => `${event.name} : state ${event.state === 'enabled' ? 1 : 0}\n`)
        .join(''),
  }),
  defineHmp({
    name: 'migrate_capabilities',
    help: 'show the migration capabilities',
    run: async ({ qmp }) =>
      (await qmp('query-migrate-capabilities'))
        .map(({ capability, state }) => `${capability}: ${state ? 'on' : 'off'}\n`)
        .join(''),
  }),
  defineHmp({
    name: 'migrate',
    usage: '[-a]',
    help: 'show the state of a migration',
    run: () => '',
    parameters: [flag('all', 'a')],
  }),
  defineHmp({
    name: 'dump',
    help: 'show the state of the last memory dump',
    run: async ({ qmp }) => {
      const { status } = await qmp('query-dump');
      return `Status: ${status}\n`;
    },
  }),
];
