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
    returns: StatusInfo,
    allowPreconfig: true,
    handler: ({ system: { run } }) => ({ status: run.state, running: run.running }),
  }),

  defineCommand({ name: 'stop', handler: ({ system }) => system.run.pause() }),

  defineCommand({ name: 'cont', handler: ({ system }) => system.run.resume() }),

  defineCommand({
    name: 'quit',
    allowPreconfig: true,
    handler: ({ system }) => system.run.kill('host-qmp-quit'),
  }),

  defineCommand({
    name: 'system_reset',
    handler: ({ system }) => system.run.requestReset('host-qmp-system-reset'),
  }),

  defineCommand({ name: 'system_powerdown', handler: ({ system }) => system.run.requestPowerdown() }),

  defineCommand({
    name: 'system_wakeup',
    handler: () => {
      throw new QemuError('wake-up from suspend is not supported by this guest');
    },
  }),

  defineCommand({
    name: 'inject-nmi',
    handler: () => {
      throw new QemuError('machine does not provide NMIs');
    },
  }),

  defineCommand({
    name: 'set-action',
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
    args: struct('watchdog-set-action', { action: WatchdogAction }),
    handler: ({ system }, { action }) => {
      system.run.actions.watchdog = action;
    },
  }),

  defineCommand({
    name: 'x-exit-preconfig',
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
    returns: CurrentMachineParams,
    handler: () => ({ 'wakeup-suspend-support': false }),
  }),
];
