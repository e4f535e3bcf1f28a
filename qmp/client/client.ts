import type { JsonObject, JsonValue } from '../../src/system/json.js';
import type { CommandArgs, CommandName, CommandResult, EventName, EventNamed, Undeclared } from './commands.js';
import type { QmpConnectionError } from './errors.js';
import { EventStream, type EventStreamOptions } from './event-stream.js';
import { type Limits, limited } from './limits.js';
import type { ClientSession, ExecuteOptions, QmpEvent, QmpGreeting } from './session.js';

type NoneRequired<Args> =
  Args extends Readonly<Record<string, never>> ? true : Record<never, never> extends Args ? true : false;
/** Arguments may be absent where none of them is required. */
type DeclaredRest<Name extends CommandName> =
  NoneRequired<CommandArgs<Name>> extends true
    ? [args?: CommandArgs<Name>, options?: ExecuteOptions]
    : [args: CommandArgs<Name>, options?: ExecuteOptions];

type Known = EventName | (string & {});

export interface EventsOptions<Name extends string = string> extends EventStreamOptions {
  /** Only these events; all of them when absent. */
  readonly names?: readonly Name[] | undefined;
}

/** Milliseconds a command may take unless its caller says otherwise. */
export const defaultCommandTimeoutMs = 60_000;

/** A negotiated connection to a QMP server; `connect()` makes it. */
export class QmpClient implements AsyncDisposable {
  readonly greeting: QmpGreeting;
  readonly #session: ClientSession;
  readonly #commandTimeoutMs: number;

  /** @param session greeted and negotiated */
  constructor(session: ClientSession, greeting: QmpGreeting, commandTimeoutMs = defaultCommandTimeoutMs) {
    this.#session = session;
    this.greeting = greeting;
    this.#commandTimeoutMs = commandTimeoutMs;
  }

  /** Commands may be run out of band. */
  get oob(): boolean {
    return this.#session.oob;
  }

  /** Fulfilled with the reason when the connection is over, by `close()` too; never rejected. */
  get closed(): Promise<QmpConnectionError> {
    return this.#session.ended;
  }

  /**
   * Runs a command and gives its result. Any number may be under way; the server takes them in order. A command that
   * was given up is still run when it had left.
   *
   * @throws QmpCommandError when the server refuses it, QmpConnectionError when the connection ends before the reply,
   *   QmpTimeoutError after `timeoutMs` (60 s unless said otherwise), the signal's reason
   */
  execute<Name extends CommandName>(command: Name, ...rest: DeclaredRest<Name>): Promise<CommandResult<Name>>;
  execute<Name extends string>(
    command: Name & Undeclared<Name>,
    args?: JsonObject,
    options?: ExecuteOptions,
  ): Promise<JsonValue>;
  execute(command: string, args?: object, options: ExecuteOptions = {}): Promise<unknown> {
    const timeoutMs = options.timeoutMs ?? this.#commandTimeoutMs;
    return this.#session.request(command, args as JsonObject | undefined, { ...options, timeoutMs });
  }

  /**
   * The events from now on. See EventStream for what happens to those that nobody reads.
   *
   * @throws (the iteration) QmpConnectionError when the connection is lost, the signal's reason; `close()` ends it
   */
  events<Name extends Known = string>(options: EventsOptions<Name> = {}): EventStream<EventNamed<Name>> {
    const names = options.names === undefined ? undefined : new Set<string>(options.names);
    return new EventStream<EventNamed<Name>>(options, (stream) => {
      return this.#session.listen({
        event: (event) => {
          if (names === undefined || names.has(event.event)) stream.push(event as EventNamed<Name>);
        },
        ended: (reason, closedHere) => stream.end(closedHere ? undefined : { reason }),
      });
    });
  }

  /**
   * The first event of that name from now on for which `matches` holds.
   *
   * @throws QmpConnectionError, QmpTimeoutError, the signal's reason, or what `matches` throws
   */
  waitFor<Name extends Known>(
    name: Name,
    matches: (event: EventNamed<Name>) => boolean = () => true,
    limits: Limits = {},
  ): Promise<EventNamed<Name>> {
    return limited<EventNamed<Name>>(`event ${name}`, limits, (resolve, reject) => {
      return this.#session.listen({
        event: (event: QmpEvent) => {
          if (event.event !== name) return;
          try {
            if (matches(event as EventNamed<Name>)) resolve(event as EventNamed<Name>);
          } catch (error) {
            reject(error);
          }
        },
        ended: reject,
      });
    });
  }

  /** Ends the connection; whatever is pending fails with a QmpConnectionError. A second call waits for the same end. */
  async close(): Promise<void> {
    this.#session.close();
    await this.#session.disconnected;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
