import { visitMembers } from '../src/qom/visitor.js';
import { QemuError } from '../src/system/errors.js';
import type { JsonObject, JsonValue } from '../src/system/json.js';
import type { Command } from './command.js';
import type { MonitorClient, MonitorContext, MonitorHost } from './context.js';
import { hasCommand, loadCommand, loadedCommand, outOfBandCommands } from './registry.js';

/** Commands of the read-only profile. */
export function isReadOnlyCommand(name: string): boolean {
  return name.startsWith('query-') || name === 'qom-get' || name === 'qom-list';
}

/** Runs the commands of one client (QEMU: qapi/qmp-dispatch.c). */
export class Dispatcher {
  readonly #context: MonitorContext;

  constructor(host: MonitorHost, client: MonitorClient) {
    this.#context = { host, system: host.system, client };
  }

  get ending(): boolean {
    return this.#context.system.run.ending;
  }

  /** Whether `exec-oob` may run it; undefined when there is no such command. */
  isOobAllowed(name: string): boolean | undefined {
    return hasCommand(name) ? outOfBandCommands.has(name) : undefined;
  }

  prepareOob(): void {
    for (const name of outOfBandCommands) void loadCommand(name);
  }

  /**
   * Checks the arguments and runs a command. The reply comes at once where the handler gives it at once; the first
   * command of an area waits for its code, and all but quit wait for a machine that is being made.
   *
   * @throws QemuError (or rejects with one), which becomes the error reply
   */
  dispatch(name: string, args: JsonObject, { oob } = { oob: false }): JsonValue | Promise<JsonValue> {
    const { making } = this.#context.system;
    if (making !== undefined && name !== 'quit' && !oob) return making.then(() => this.dispatch(name, args));
    const command = loadedCommand(name);
    if (command !== undefined) return this.#run(command, args);
    if (!hasCommand(name)) {
      throw new QemuError(`The command ${name} has not been found`, { errorClass: 'CommandNotFound' });
    }
    return loadCommand(name).then((loaded) => this.#run(loaded, args));
  }

  #run(command: Command, args: JsonObject): JsonValue | Promise<JsonValue> {
    const ctx = this.#context;
    if (ctx.client.readOnly && !isReadOnlyCommand(command.name)) {
      throw new QemuError(`The command '${command.name}' is not permitted on a read-only monitor`);
    }
    if (ctx.system.phase !== 'ready' && !command.allowPreconfig) {
      throw new QemuError(`The command '${command.name}' is permitted only after machine initialization has completed`);
    }
    const result = command.run(ctx, command.rawArgs ? args : visitMembers(command.args, args));
    return result instanceof Promise ? result.then((value) => value ?? {}) : (result ?? {});
  }
}
