import { bool, enumeration, optional, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';

const RunState = enumeration('RunState', [
  'debug',
  'inmigrate',
  'internal-error',
  'io-error',
  'paused',
  'postmigrate',
  'prelaunch',
  'finish-migrate',
  'restore-vm',
  'running',
  'save-vm',
  'shutdown',
  'suspended',
  'watchdog',
  'guest-panicked',
  'colo',
]);
const StatusInfo = struct('StatusInfo', { running: bool, status: RunState });

const RebootAction = enumeration('RebootAction', ['reset', 'shutdown']);
const ShutdownAction = enumeration('ShutdownAction', ['poweroff', 'pause']);
const PanicAction = enumeration('PanicAction', ['pause', 'shutdown', 'exit-failure', 'none']);
const WatchdogAction = enumeration('WatchdogAction', [
  'reset',
  'shutdown',
  'poweroff',
  'pause',
  'debug',
  'none',
  'inject-nmi',
]);

const CurrentMachineParams = struct('CurrentMachineParams', { 'wakeup-suspend-support': bool });

export const commands = [
  defineCommand({
    name: 'query-status',
    doc: 'Tells whether the machine runs and in what state it is.',
    returns: StatusInfo,
    allowPreconfig: true,
    handler: ({ system: { run } }) => ({ status: run.state, running: run.running }),
  }),

  defineCommand({ name: 'stop', doc: 'Pauses the machine.', handler: ({ system }) => system.run.pause() }),

  defineCommand({ name: 'cont', doc: 'Lets the machine run on.', handler: ({ system }) => system.run.resume() }),

  defineCommand({
    name: 'quit',
    doc: 'Ends the program.',
    allowPreconfig: true,
    handler: ({ system }) => system.run.kill('host-qmp-quit'),
  }),

  defineCommand({
    name: 'system_reset',
    doc: 'Resets the machine, or ends it where the action for a reboot is `shutdown`.',
    handler: ({ system }) => system.run.requestReset('host-qmp-system-reset'),
  }),

  defineCommand({
    name: 'system_powerdown',
    doc: 'Asks the guest to power down.',
    handler: ({ system }) => system.run.requestPowerdown(),
  }),

  defineCommand({
    name: 'system_wakeup',
    doc: 'Wakes a sleeping guest; fails, since no guest here can be sent to sleep.',
    handler: () => {
      throw new QemuError('wake-up from suspend is not supported by this guest');
    },
  }),

  defineCommand({
    name: 'inject-nmi',
    doc: 'Sends a non-maskable interrupt to all CPUs.',
    handler: async ({ system }) => {
      const { cpuAccess } = system.machine;
      if (cpuAccess === undefined) throw new QemuError('machine does not provide NMIs');
      await cpuAccess.injectNmi();
    },
  }),

  defineCommand({
    name: 'set-action',
    doc: 'Sets what is done when the guest reboots, shuts down, panics or its watchdog fires.',
    args: struct('set-action', {
      reboot: optional(RebootAction),
      shutdown: optional(ShutdownAction),
      panic: optional(PanicAction),
      watchdog: optional(WatchdogAction),
    }),
    allowPreconfig: true,
    handler: ({ system }, actions) => {
      Object.assign(system.run.actions, actions);
    },
  }),

  defineCommand({
    name: 'watchdog-set-action',
    doc: "Sets what is done when the guest's watchdog fires.",
    args: struct('watchdog-set-action', { action: WatchdogAction }),
    handler: ({ system }, { action }) => {
      system.run.actions.watchdog = action;
    },
  }),

  defineCommand({
    name: 'x-exit-preconfig',
    doc: 'Builds the machine that `-preconfig` held back.',
    features: ['unstable'],
    allowPreconfig: true,
    handler: async ({ host, system }) => {
      if (system.phase !== 'preconfig') {
        throw new QemuError('The command is permitted only before machine initialization');
      }
      await host.exitPreconfig();
    },
  }),

  defineCommand({
    name: 'query-current-machine',
    doc: 'Tells what is special about the machine in use.',
    returns: CurrentMachineParams,
    handler: () => ({ 'wakeup-suspend-support': false }),
  }),
];
