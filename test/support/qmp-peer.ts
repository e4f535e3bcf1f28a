import { type CommandContext, type QmpDispatcher, QmpSession, type SessionTransport } from '../../qmp/session.js';
import { empty, enumeration, int, list, type ObjectType, optional, str, struct, uint64 } from '../../src/qom/qapi.js';
import { visitMembers } from '../../src/qom/visitor.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';

export const version: JsonObject = { qemu: { micro: 50, minor: 2, major: 10 }, package: '' };

interface FakeCommand {
  readonly args?: ObjectType;
  readonly oob?: boolean;
  readonly run?: (args: JsonObject, context: CommandContext) => JsonValue | Promise<JsonValue>;
}

function refuse(message: string): () => never {
  return () => {
    throw new QemuError(message);
  };
}

const path = struct('path', { path: str });

/** A handful of QEMU's commands, enough for the exchanges about the envelope, the syntax and argument checks. */
export const fakeCommands: Readonly<Record<string, FakeCommand>> = {
  'query-version': { run: () => version },
  'query-status': { run: () => ({ status: 'running', running: true }) },
  'query-name': {},
  'x-query-roms': { run: () => ({ 'human-readable-text': '' }) },
  'migrate-pause': {
    oob: true,
    run: refuse('migrate-pause is currently only supported during postcopy-active or postcopy-recover state'),
  },
  yank: { oob: true, args: struct('yank', { instances: optional(list(str)) }) },
  'qom-list': { args: path, run: () => [] },
  'qom-get': { args: struct('qom-get', { path: str, property: str }), run: (args) => args.property ?? null },
  balloon: { args: struct('balloon', { value: int }) },
  memsave: { args: struct('memsave', { val: uint64, size: uint64, filename: str }) },
  'query-stats-schemas': { args: struct('stats', { provider: optional(enumeration('StatsProvider', ['kvm'])) }) },
  'watchdog-set-action': { args: struct('watchdog', { action: enumeration('WatchdogAction', ['reset', 'none']) }) },
  'blockdev-add': { args: struct('blockdev', { driver: enumeration('BlockdevDriver', ['file']) }) },
};

export class FakeDispatcher implements QmpDispatcher {
  ending = false;
  readonly #commands: Readonly<Record<string, FakeCommand>>;

  constructor(more: Readonly<Record<string, FakeCommand>> = {}) {
    this.#commands = { ...fakeCommands, ...more };
  }

  dispatch(command: string, args: JsonObject, context: CommandContext): JsonValue | Promise<JsonValue> {
    const found = this.#find(command);
    if (found === undefined) {
      throw new QemuError(`The command ${command} has not been found`, { errorClass: 'CommandNotFound' });
    }
    const checked = visitMembers(found.args ?? empty, args);
    return found.run?.(checked, context) ?? {};
  }

  isOobAllowed(command: string): boolean | undefined {
    const found = this.#find(command);
    return found === undefined ? undefined : (found.oob ?? false);
  }

  #find(command: string): FakeCommand | undefined {
    return Object.hasOwn(this.#commands, command) ? this.#commands[command] : undefined;
  }
}

/** The client side of a session in memory: what was sent to it, and whether the session wants more input. */
export class QmpPeer implements SessionTransport {
  readonly session: QmpSession;
  /** One entry a `send`. */
  readonly writes: string[] = [];
  /** What `send` answers. */
  ready = true;
  paused = false;
  /** `pause` and `resume` calls. */
  throttlings = 0;

  constructor(options: { dispatcher?: QmpDispatcher; pretty?: boolean } = {}) {
    this.session = new QmpSession({
      dispatcher: options.dispatcher ?? new FakeDispatcher(),
      transport: this,
      version,
      pretty: options.pretty ?? false,
    });
  }

  send(bytes: Uint8Array): boolean {
    this.writes.push(Buffer.from(bytes).toString('latin1'));
    return this.ready;
  }

  pause(): void {
    this.paused = true;
    this.throttlings++;
  }

  resume(): void {
    this.paused = false;
    this.throttlings++;
  }

  /** Takes everything that was sent so far. */
  take(): string {
    return this.writes.splice(0).join('');
  }

  /** Takes everything that was sent so far as lines; each must end in CR LF. */
  takeLines(): string[] {
    const lines = this.take().split('\r\n');
    if (lines.pop() !== '') throw new Error('the output ends within a line');
    return lines;
  }

  /** Gives input and takes the answers. */
  ask(input: string | Uint8Array): string[] {
    this.session.receive(typeof input === 'string' ? Buffer.from(input, 'utf8') : input);
    return this.takeLines();
  }

  /** Takes the greeting and does the capability negotiation. */
  negotiate(oob = false): this {
    this.take();
    this.ask(
      oob ? '{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}' : '{"execute": "qmp_capabilities"}',
    );
    return this;
  }
}
