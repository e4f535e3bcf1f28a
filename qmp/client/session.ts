import { isJsonObject, type JsonObject, type JsonValue } from '../../src/system/json.js';
import { JsonReader, JsonSyntaxError } from '../json/reader.js';
import { writeJson } from '../json/writer.js';
import { QmpCommandError, QmpConnectionError } from './errors.js';
import { type Limits, limited } from './limits.js';

/** What a server says of itself when it is connected to. */
export interface QmpGreeting {
  readonly version: {
    readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
    readonly package: string;
  };
  /** Capabilities that may be enabled, such as `oob`. */
  readonly capabilities: readonly string[];
}

/** An event as it is on the wire. `timestamp` is the server's clock since 1970, both -1 when it has none. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: JsonObject;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

export interface ExecuteOptions extends Limits {
  /** Runs the command out of band, before those that wait; the connection must have been made with `oob`. */
  readonly oob?: boolean;
  /** Descriptors that go with the command (getfd, add-fd). They must stay open until the reply. */
  readonly fds?: readonly number[];
}

export interface SessionListener {
  event(event: QmpEvent): void;
  /** The connection is over; `closedHere` when `close()` was its reason. */
  ended(reason: QmpConnectionError, closedHere: boolean): void;
}

/** The way to the server. */
export interface ClientTransport {
  /** Queues bytes, with the descriptors on the first of them. @throws TypeError when it carries no descriptors */
  send(bytes: Uint8Array, fds?: readonly number[]): void;
  /** Ends the connection; `end()` of the session follows. */
  close(): void;
}

export interface ClientSessionOptions {
  readonly transport: ClientTransport;
  /** Names the server in errors. */
  readonly endpoint: string;
  /** Enables out-of-band execution where the server offers it. */
  readonly oob?: boolean;
}

interface Pending {
  readonly command: string;
  readonly request: JsonObject;
  readonly oob: boolean;
  readonly fds: readonly number[] | undefined;
  readonly resolve: (result: JsonValue) => void;
  readonly reject: (error: Error) => void;
}

/** In-band commands under way with `oob`: one more could keep the server from reading an out-of-band one (monitor/qmp.c). */
const oobWindow = 8;
/** Commands without a reply; a server that is stuck must not make its client's memory grow. */
const maxUnanswered = 100_000;

/**
 * The client's side of a QMP connection, bytes in and bytes out: greeting, negotiation, commands matched with replies by
 * id, events. Commands made before the negotiation is over wait for it. Those made in one turn of the event loop leave
 * in one piece.
 */
export class ClientSession {
  /** Greeted and negotiated. @throws QmpConnectionError */
  readonly ready: Promise<QmpGreeting>;
  /** Fulfilled with the reason when the connection is over. */
  readonly ended: Promise<QmpConnectionError>;
  /** Fulfilled when the transport is gone. */
  readonly disconnected: Promise<void>;
  readonly #transport: ClientTransport;
  readonly #endpoint: string;
  readonly #wantsOob: boolean;
  readonly #reader = new JsonReader();
  readonly #inFlight = new Map<number, Pending>();
  readonly #waiting: Pending[] = [];
  readonly #listeners = new Set<SessionListener>();
  #inBandInFlight = 0;
  #window = 0;
  #nextId = 1;
  #out = '';
  #greeted = false;
  #oob = false;
  #end: QmpConnectionError | undefined;
  #closedHere = false;
  #settleReady: { resolve(greeting: QmpGreeting): void; reject(error: Error): void } | undefined;
  #settleEnded: ((error: QmpConnectionError) => void) | undefined;
  #settleDisconnected: (() => void) | undefined;

  constructor({ transport, endpoint, oob = false }: ClientSessionOptions) {
    this.#transport = transport;
    this.#endpoint = endpoint;
    this.#wantsOob = oob;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // Whoever does not wait for the greeting learns of the end from the commands.
    this.ready.catch(() => {});
    this.ended = new Promise((resolve) => {
      this.#settleEnded = resolve;
    });
    this.disconnected = new Promise((resolve) => {
      this.#settleDisconnected = resolve;
    });
  }

  /** Out-of-band execution is enabled. */
  get oob(): boolean {
    return this.#oob;
  }

  /** Takes input, cut anywhere. The bytes must not change afterwards. */
  receive(chunk: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#reader.push(chunk);
    for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) {
      if (message instanceof JsonSyntaxError) this.#violation(message.desc);
      else this.#accept(message);
      if (this.#end !== undefined) return;
    }
  }

  /** The transport is gone: everything pending fails. */
  end(cause?: Error): void {
    this.#finish('connection lost', cause);
    this.#settleDisconnected?.();
  }

  /** Ends the connection from this side. */
  close(): void {
    this.#closedHere ||= this.#end === undefined;
    if (this.#finish('closed by this client')) this.#transport.close();
  }

  /** Calls `listener` until the returned function is called; of an end that was before, at once. */
  listen(listener: SessionListener): () => void {
    if (this.#end === undefined) this.#listeners.add(listener);
    else listener.ended(this.#end, this.#closedHere);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Runs a command and gives its result. A command whose caller gives up before it left is never sent; the reply to one
   * that did leave is ignored.
   *
   * @throws QmpCommandError, QmpConnectionError, QmpTimeoutError, the signal's reason; TypeError for what this connection
   *   cannot do, RangeError while 100,000 commands are unanswered
   */
  request(command: string, args: JsonObject | undefined, options: ExecuteOptions = {}): Promise<JsonValue> {
    return limited<JsonValue>(`${this.#endpoint}: ${command}`, options, (resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#lost(this.#end, command));
        return undefined;
      }
      if (this.#inFlight.size + this.#waiting.length >= maxUnanswered) {
        reject(new RangeError(`${this.#endpoint}: ${maxUnanswered} commands are unanswered`));
        return undefined;
      }
      const { oob = false, fds } = options;
      if (oob && !this.#oob) {
        reject(new TypeError(`${command}: out-of-band execution is not enabled on this connection`));
        return undefined;
      }
      const request: JsonObject = { [oob ? 'exec-oob' : 'execute']: command };
      if (args !== undefined) request.arguments = withoutUndefined(args);
      const pending: Pending = { command, request, oob, fds, resolve, reject };
      if (oob || this.#inBandInFlight < this.#window) this.#send(pending);
      else this.#waiting.push(pending);
      return () => {
        const at = this.#waiting.indexOf(pending);
        if (at >= 0) this.#waiting.splice(at, 1);
      };
    });
  }

  #accept(message: JsonValue): void {
    if (!isJsonObject(message)) this.#violation(`unexpected ${excerpt(message)}`);
    else if (!this.#greeted) this.#greet(message);
    else if ('event' in message) this.#event(message);
    else if ('return' in message || 'error' in message) this.#reply(message);
    else this.#violation(`unexpected ${excerpt(message)}`);
  }

  #greet(message: JsonObject): void {
    const greeting = message.QMP;
    if (!isJsonObject(greeting) || !isJsonObject(greeting.version) || !Array.isArray(greeting.capabilities)) {
      this.#violation(`no QMP greeting but ${excerpt(message)}`);
      return;
    }
    this.#greeted = true;
    const oob = this.#wantsOob && greeting.capabilities.includes('oob');
    const negotiated = () => {
      this.#oob = oob;
      this.#window = oob ? oobWindow : Number.POSITIVE_INFINITY;
      this.#settleReady?.resolve(greeting as unknown as QmpGreeting);
      this.#sendWaiting();
    };
    this.#send({
      command: 'qmp_capabilities',
      request: { execute: 'qmp_capabilities', ...(oob ? { arguments: { enable: ['oob'] } } : {}) },
      oob: false,
      fds: undefined,
      resolve: negotiated,
      reject: (error) => this.#violation(`negotiation failed: ${error.message}`),
    });
  }

  #event(message: JsonObject): void {
    const { event, data, timestamp } = message;
    if (typeof event !== 'string' || !isJsonObject(timestamp) || (data !== undefined && !isJsonObject(data))) {
      this.#violation(`malformed event ${excerpt(message)}`);
    } else {
      for (const listener of this.#listeners) listener.event(message as unknown as QmpEvent);
    }
  }

  #reply(message: JsonObject): void {
    const id = this.#repliedId(message);
    const pending = id === undefined ? undefined : this.#inFlight.get(id);
    if (id === undefined || pending === undefined) {
      this.#violation(`reply to no command ${excerpt(message)}`);
      return;
    }
    const { error } = message;
    if (error !== undefined && !isJsonObject(error)) {
      this.#violation(`malformed error ${excerpt(message)}`);
      return;
    }
    this.#inFlight.delete(id);
    if (!pending.oob) this.#inBandInFlight--;
    if (error === undefined) pending.resolve(message.return ?? null);
    else pending.reject(new QmpCommandError(pending.command, String(error.class), String(error.desc)));
    this.#sendWaiting();
  }

  /** An error without id is about a command that the server could not read; it takes them in order. */
  #repliedId({ id, error }: JsonObject): number | undefined {
    if (typeof id === 'number') return id;
    if (id !== undefined || error === undefined) return undefined;
    for (const [oldest] of this.#inFlight) return oldest;
    return undefined;
  }

  #sendWaiting(): void {
    while (this.#inBandInFlight < this.#window) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#send(next);
    }
  }

  #send(pending: Pending): void {
    const id = this.#nextId++;
    pending.request.id = id;
    const text = `${writeJson(pending.request)}\r\n`;
    if (pending.fds === undefined) {
      if (this.#out === '') queueMicrotask(() => this.#flush());
      this.#out += text;
    } else {
      this.#flush();
      try {
        this.#transport.send(Buffer.from(text, 'latin1'), pending.fds);
      } catch (error) {
        pending.reject(error as Error);
        return;
      }
    }
    this.#inFlight.set(id, pending);
    if (!pending.oob) this.#inBandInFlight++;
  }

  #flush(): void {
    if (this.#out === '' || this.#end !== undefined) return;
    const bytes = Buffer.from(this.#out, 'latin1');
    this.#out = '';
    this.#transport.send(bytes);
  }

  /** The other end does not keep to the protocol. */
  #violation(what: string): void {
    if (this.#finish(what)) this.#transport.close();
  }

  #finish(why: string, cause?: Error): boolean {
    if (this.#end !== undefined) return false;
    const detail = cause === undefined ? '' : `: ${cause.message}`;
    const end = new QmpConnectionError(`${this.#endpoint}: ${why}${detail}`, cause);
    this.#end = end;
    this.#out = '';
    const pending = [...this.#inFlight.values(), ...this.#waiting];
    this.#inFlight.clear();
    this.#waiting.length = 0;
    this.#settleReady?.reject(end);
    this.#settleEnded?.(end);
    for (const { command, reject } of pending) reject(this.#lost(end, command));
    for (const listener of this.#listeners) listener.ended(end, this.#closedHere);
    this.#listeners.clear();
    return true;
  }

  #lost(end: QmpConnectionError, command: string): QmpConnectionError {
    return new QmpConnectionError(`${end.message}; no reply to ${command}`, end.cause);
  }
}

function excerpt(message: JsonValue): string {
  const text = writeJson(message);
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

/** Callers whose compiler lets `undefined` stand for an absent member mean that. */
function withoutUndefined(args: JsonObject): JsonObject {
  return Object.values(args).includes(undefined as never)
    ? Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined))
    : args;
}
