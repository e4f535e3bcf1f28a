import { int, optional, str, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';
import { HmpInterpreter } from '../hmp/interpreter.js';
import { terminalText } from '../hmp/monitor.js';

export const commands = [
  defineCommand({
    name: 'human-monitor-command',
    doc: 'Runs a command line of the human monitor and gives its output.',
    args: struct('human-monitor-command', { 'command-line': str, 'cpu-index': optional(int) }),
    returns: str,
    features: ['savevm-monitor-nodes'],
    handler: async ({ host, client, system }, args): Promise<string> => {
      const index = args['cpu-index'];
      if (index !== undefined) {
        if (!system.machine.cpus().some((cpu) => cpu.index === Number(index))) {
          throw new QemuError("Parameter 'cpu-index' expects a CPU number");
        }
        client.cpuIndex = Number(index);
      }
      return terminalText(await new HmpInterpreter(host, client).run(args['command-line']));
    },
  }),
];
