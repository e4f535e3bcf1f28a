import { visitMembers } from '../src/qom/visitor.js';
import { asError, QemuError } from '../src/system/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../src/system/json.js';
import { JsonReader, JsonSyntaxError } from './json/reader.js';
import { capabilitiesArguments } from './session/capabilities.js';
import { checkEnvelope, isOutOfBand, type Request, RequestError } from './session/envelope.js';
import { type Broadcast, errorText, messageText, returnText } from './session/wire.js';

/** Who asks. */
export interface CommandContext {
  readonly session: QmpSession;
  /** Asked for with `exec-oob`. */
  readonly oob: boolean;
}

/** Runs commands; one for all sessions. */
export interface QmpDispatcher {
  /**
   * Checks the arguments and runs a command.
   *
   * @throws QemuError (or rejects with one), which becomes the error reply
   */
  dispatch(command: string, args: JsonObject, context: CommandContext): JsonValue | Promise<JsonValue>;
  /** Whether `exec-oob` may run it; undefined when there is no such command. */
  isOobAllowed(command: string): boolean | undefined;
  /** A client has enabled out-of-band execution: those commands are not to wait for their code. */
  prepareOob?(): void;
  /** The machine ends: what comes now is not looked at any more. */
  readonly ending?: boolean;
}

/** The other end of a session: a socket, a character device, a WebSocket. */
export interface SessionTransport {
  /**
   * Queues ASCII bytes. Returns false when the peer is behind: the session then takes no further request until
   * `drained()`. Events still come; a bound on them is the transport's.
   */
  send(bytes: Uint8Array): boolean;
  /** Asks for no more `receive()`. What is already under way may still come. */
  pause(): void;
  resume(): void;
}

export interface QmpSessionOptions {
  readonly dispatcher: QmpDispatcher;
  readonly transport: SessionTransport;
  /** The result of query-version, for the greeting. */
  readonly version: JsonObject;
  readonly pretty?: boolean;
}

/** In-band requests that wait while one runs, when out-of-band execution is enabled (monitor/qmp.c). */
const maxQueued = 8;
/** Replies made in one go are sent in pieces of about this many characters. */
const sendSize = 1 << 16;

/**
 * One QMP client: greeting, capability negotiation, requests in order, out-of-band requests at once, replies and events.
 * Without `oob` the next request is not looked at before the reply to the one before, as in QEMU.
 */
export class QmpSession {
  readonly transport: SessionTransport;
  readonly #dispatcher: QmpDispatcher;
  readonly #pretty: boolean;
  readonly #reader = new JsonReader();
  readonly #inBand: CommandContext = { session: this, oob: false };
  readonly #outOfBand: CommandContext = { session: this, oob: true };
  #queue: (JsonValue | JsonSyntaxError)[] = [];
  #negotiated = false;
  #oobEnabled = false;
  // An in-band command has not answered yet.
  #running = false;
  // The peer is behind with reading.
  #blocked = false;
  #paused = false;
  #pumping = false;
  #closed = false;
  #out = '';
  #whenIdle: (() => void) | undefined;

  /** Sends the greeting. */
  constructor(options: QmpSessionOptions) {
    this.transport = options.transport;
    this.#dispatcher = options.dispatcher;
    this.#pretty = options.pretty ?? false;
    this.#out = messageText({ QMP: { version: options.version, capabilities: ['oob'] } }, this.#pretty);
    this.#flush();
  }

  /** Capability negotiation is done: commands are served and events are sent. */
  get negotiated(): boolean {
    return this.#negotiated;
  }

  /** Takes input, cut anywhere. The bytes must not change afterwards. */
  receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#reader.push(chunk);
    this.#pump();
  }

  /** The transport has sent what it had queued. */
  drained(): void {
    this.#blocked = false;
    this.#pump();
  }

  /** Sends an event, if negotiation is done. Inside a command it precedes the command's reply. */
  sendEvent(event: Broadcast): void {
    if (!this.#negotiated || this.#closed) return;
    this.#out += event.text(this.#pretty);
    if (!this.#pumping) this.#flush();
  }

  /** Resolves when all that was received has been answered, or at once after `close`. */
  async idle(): Promise<void> {
    if (!this.#busy) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  get #busy(): boolean {
    if (this.#closed || this.#dispatcher.ending === true) return false;
    return this.#running || this.#queue.length > 0 || this.#reader.hasInput;
  }

  /** The client is gone: pending requests are dropped, replies to running ones too. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#out = '';
    this.#whenIdle?.();
  }

  /** Serves what can be served, sends the replies in one piece, and stops or restarts the transport as needed. */
  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    while (!this.#blocked && !this.#closed && this.#dispatcher.ending !== true) {
      if (!this.#serve()) break;
      if (this.#out.length >= sendSize) this.#flush();
    }
    this.#pumping = false;
    this.#flush();
    this.#throttle();
    if (this.#whenIdle !== undefined && !this.#busy) this.#whenIdle();
  }

  /** One step: a queued request if it is its turn, else the next message of the input. Returns false when stuck. */
  #serve(): boolean {
    const queued = this.#running ? undefined : this.#queue.shift();
    if (queued !== undefined) {
      this.#run(queued);
      return true;
    }
    if (this.#running && !(this.#oobEnabled && this.#queue.length < maxQueued)) return false;
    const message = this.#reader.next();
    if (message === undefined) return false;
    if (!(message instanceof JsonSyntaxError) && isOutOfBand(message)) {
      void this.#answer(message, this.#outOfBand)?.then(() => this.#pump());
    } else if (this.#running) this.#queue.push(message);
    else this.#run(message);
    return true;
  }

  #run(message: JsonValue | JsonSyntaxError): void {
    if (message instanceof JsonSyntaxError) {
      this.#out += errorText(new RequestError(message.desc), undefined, this.#pretty);
      return;
    }
    const pending = this.#answer(message, this.#inBand);
    if (pending === undefined) return;
    this.#running = true;
    void pending.then(() => {
      this.#running = false;
      this.#pump();
    });
  }

  /** Executes a request and writes its reply, now or before the promise that is returned is fulfilled. */
  #answer(message: JsonValue, context: CommandContext): Promise<void> | undefined {
    const id = isJsonObject(message) ? message.id : undefined;
    const request = this.#check(message);
    if (request instanceof RequestError) {
      this.#reply(errorText(request, id, this.#pretty));
      return undefined;
    }
    let result: JsonValue | Promise<JsonValue>;
    try {
      result = this.#execute(request, context);
    } catch (error) {
      this.#fail(error, id);
      return undefined;
    }
    if (!(result instanceof Promise)) {
      this.#reply(returnText(result, id, this.#pretty));
      return undefined;
    }
    return result.then(
      (value) => this.#reply(returnText(value, id, this.#pretty)),
      (error: unknown) => this.#fail(error, id),
    );
  }

  #check(message: JsonValue): Request | RequestError {
    const request = checkEnvelope(message, this.#oobEnabled);
    if (request instanceof RequestError) return request;
    const negotiation = request.command === 'qmp_capabilities';
    if (!this.#negotiated && !negotiation) {
      return new RequestError("Expecting capabilities negotiation with 'qmp_capabilities'", 'CommandNotFound');
    }
    if (request.oob && (negotiation || this.#dispatcher.isOobAllowed(request.command) === false)) {
      return new RequestError(`The command ${request.command} does not support OOB`);
    }
    return request;
  }

  #execute({ command, args }: Request, context: CommandContext): JsonValue | Promise<JsonValue> {
    if (command === 'qmp_capabilities') return this.#negotiate(args);
    return this.#dispatcher.dispatch(command, args, context);
  }

  #negotiate(args: JsonObject): JsonObject {
    const { enable } = visitMembers(capabilitiesArguments, args);
    if (this.#negotiated) {
      throw new QemuError('Capabilities negotiation is already complete, command ignored', {
        errorClass: 'CommandNotFound',
      });
    }
    this.#negotiated = true;
    this.#oobEnabled = Array.isArray(enable) && enable.includes('oob');
    if (this.#oobEnabled) this.#dispatcher.prepareOob?.();
    return {};
  }

  #fail(error: unknown, id: JsonValue | undefined): void {
    const known = error instanceof QemuError ? error : new QemuError(asError(error).message, { cause: error });
    this.#reply(errorText(known, id, this.#pretty));
  }

  #reply(text: string): void {
    if (!this.#closed) this.#out += text;
  }

  #flush(): void {
    if (this.#out === '') return;
    const bytes = Buffer.from(this.#out, 'latin1');
    this.#out = '';
    if (!this.transport.send(bytes)) this.#blocked = true;
  }

  /** Input is stopped only when some is waiting, so that commands that answer at once never touch the transport. */
  #throttle(): void {
    const stuck = this.#reader.hasInput;
    if (stuck === this.#paused || this.#closed) return;
    this.#paused = stuck;
    if (stuck) this.transport.pause();
    else this.transport.resume();
  }
}
