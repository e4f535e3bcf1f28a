import { asError, QemuError } from '../../src/system/errors.js';
import type { JsonValue } from '../../src/system/json.js';
import type { CallCommand } from '../command-map.js';
import type { MonitorClient, MonitorHost } from '../context.js';
import { Dispatcher } from '../dispatch.js';
import { helpHint, parseArgs } from './args.js';
import { answersTo, type HmpCommand, type HmpContext } from './command.js';
import { infoCommands, mainCommands } from './commands/index.js';
import { helpText, infoHelpText } from './help.js';
import { HmpSyntaxError } from './scanner.js';

/** A command line taken apart. */
interface Parsed {
  readonly command: HmpCommand;
  /** The command's name as typed, `info version` for commands behind info. */
  readonly typed: string;
  /** What follows the name. */
  readonly rest: string;
}

/** Commands of the read-only profile; those that they run in turn are held to it too. */
const readOnlyCommands = ['info', 'help', 'qom-list', 'qom-get'];

/** The last `/FMT` counts for all monitors, as in QEMU. */
const lastFormat = { format: 'x', size: 4 };

function isReadOnly(command: HmpCommand): boolean {
  return readOnlyCommands.some((name) => answersTo(command, name));
}

/** Runs lines of the human monitor for one client (QEMU: monitor/hmp.c). */
export class HmpInterpreter {
  readonly context: HmpContext;

  constructor(host: MonitorHost, client: MonitorClient) {
    const dispatcher = new Dispatcher(host, client);
    const call = async (name: string, args = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
    this.context = { host, system: host.system, client, qmp: call as CallCommand };
  }

  /** Runs a line and returns its output, lines ending in \n. Never rejects for what a user may type. */
  async run(line: string): Promise<string> {
    if (!/^\s*q(uit)?\s*$/.test(line)) await this.context.system.making;
    try {
      const parsed = this.#parse(line);
      return parsed === undefined ? '' : await this.#execute(parsed);
    } catch (error) {
      if (error instanceof HmpSyntaxError) return `${error.message}\n`;
      throw error;
    }
  }

  #parse(line: string): Parsed | undefined {
    const [, word, rest = ''] = /^\s*([^\s/]+)(.*)$/s.exec(line) ?? [];
    if (word === undefined) return line.trim() === '' ? undefined : this.#unknown('');
    const command = this.#available(mainCommands, word, word);
    if (!answersTo(command, 'info')) return { command, typed: word, rest };
    const [, topic, after = ''] = /^\s*([^\s/]+)(.*)$/s.exec(rest) ?? [];
    if (topic === undefined) return { command, typed: word, rest: '' };
    const typed = `${word} ${topic}`;
    return { command: this.#available(infoCommands, topic, typed), typed, rest: after };
  }

  #available(table: readonly HmpCommand[], word: string, typed: string): HmpCommand {
    const command = table.find((candidate) => answersTo(candidate, word));
    if (command === undefined) return this.#unknown(typed);
    if (!command.allowPreconfig && !this.context.system.ready) {
      throw new HmpSyntaxError(`Command '${typed}' not available until machine initialization has completed.`);
    }
    return command;
  }

  #unknown(typed: string): never {
    throw new HmpSyntaxError(`unknown command: '${typed}'`);
  }

  async #execute({ command, typed, rest }: Parsed): Promise<string> {
    if (this.context.client.readOnly && !infoCommands.includes(command) && !isReadOnly(command)) {
      throw new HmpSyntaxError(`The command '${typed}' is not permitted on a read-only monitor`);
    }
    if (answersTo(command, 'info')) return infoHelpText(infoCommands);
    let args: Readonly<Record<string, unknown>>;
    try {
      args = parseArgs(command.parameters, rest, { command: command.name, register: () => undefined, lastFormat });
    } catch (error) {
      if (error instanceof HmpSyntaxError) throw new HmpSyntaxError(`${error.message}\n${helpHint(typed)}`);
      throw error;
    }
    if (answersTo(command, 'help')) return helpText(mainCommands, infoCommands, String(args.name ?? ''));
    try {
      return (await command.run(this.context, args)) ?? '';
    } catch (thrown) {
      const error = asError(thrown);
      const hint = error instanceof QemuError && error.hint !== undefined ? `${error.hint}\n` : '';
      return `Error: ${error.message}\n${hint}`;
    }
  }
}
