import { enumeration } from '../../../src/qom/qapi.js';
import { visit } from '../../../src/qom/visitor.js';
import { optional, rest, string } from '../args.js';
import { defineHmp } from '../command.js';

const watchdogActions = ['reset', 'shutdown', 'poweroff', 'pause', 'debug', 'none', 'inject-nmi'] as const;
const WatchdogAction = enumeration('WatchdogAction', watchdogActions);

export const runStateCommands = [
  defineHmp({
    name: 'help|?',
    usage: '[cmd]',
    help: 'list commands, or tell about one',
    parameters: [optional(rest('name'))],
    allowPreconfig: true,
    run: () => '',
  }),
  defineHmp({
    name: 'info',
    usage: '[subcommand]',
    help: 'show the state of something',
    allowPreconfig: true,
    run: () => '',
  }),
  defineHmp({
    name: 'quit|q',
    help: 'end the emulator',
    allowPreconfig: true,
    run: async ({ qmp }) => void (await qmp('quit')),
  }),
  defineHmp({
    name: 'exit_preconfig',
    help: 'build the machine that --preconfig holds back',
    allowPreconfig: true,
    run: async ({ qmp }) => void (await qmp('x-exit-preconfig')),
  }),
  defineHmp({ name: 'stop|s', help: 'stop the machine', run: async ({ qmp }) => void (await qmp('stop')) }),
  defineHmp({ name: 'cont|c', help: 'let the machine run on', run: async ({ qmp }) => void (await qmp('cont')) }),
  defineHmp({
    name: 'system_reset',
    help: 'reset the machine',
    run: async ({ qmp }) => void (await qmp('system_reset')),
  }),
  defineHmp({
    name: 'system_powerdown',
    help: 'press the power button',
    run: async ({ qmp }) => void (await qmp('system_powerdown')),
  }),
  defineHmp({
    name: 'system_wakeup',
    help: 'wake the guest from suspend',
    run: async ({ qmp }) => void (await qmp('system_wakeup')),
  }),
  defineHmp({ name: 'nmi', help: 'inject an NMI', run: async ({ qmp }) => void (await qmp('inject-nmi')) }),
  defineHmp({
    name: 'watchdog_action',
    usage: '[reset|shutdown|poweroff|pause|debug|none|inject-nmi]',
    help: 'set what follows when the watchdog expires',
    parameters: [string('action')],
    run: async ({ qmp }, { action }) => {
      visit(WatchdogAction, action, 'action');
      await qmp('watchdog-set-action', { action: action as (typeof watchdogActions)[number] });
    },
    complete: () => watchdogActions,
  }),
];
