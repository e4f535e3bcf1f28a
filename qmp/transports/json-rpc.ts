import { type JSONRPCID, JSONRPCServer } from 'json-rpc-2.0';
import { asError, QemuError } from '../../src/system/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/system/json.js';
import { writeJson } from '../json/writer.js';
import { commandNames } from '../registry.js';
import type { Broadcast } from '../session/wire.js';
import type { SessionTransport } from '../session.js';
import { readMessage } from './json-rpc-text.js';

/** Runs a command for the session's client. */
export type RunCommand = (name: string, args: JsonObject) => JsonValue | Promise<JsonValue>;

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
/** The first of the codes that JSON-RPC leaves to servers: the command was run and failed, or refused its arguments. */
const COMMAND_FAILED = -32000;

class ParamsError extends QemuError {}

function codeOf(error: unknown): number {
  if (error instanceof ParamsError) return INVALID_PARAMS;
  return error instanceof QemuError && error.errorClass === 'CommandNotFound' ? METHOD_NOT_FOUND : COMMAND_FAILED;
}

function errorResponse(id: JSONRPCID, thrown: unknown) {
  const error = asError(thrown);
  const { errorClass, hint } = error instanceof QemuError ? error : { errorClass: 'GenericError', hint: undefined };
  const data = { class: errorClass, ...(hint === undefined ? {} : { hint }) };
  return { jsonrpc: '2.0' as const, id, error: { code: codeOf(error), message: error.message, data } };
}

/** All sessions' server; the session is the parameter of its methods. */
function createServer(): JSONRPCServer<JsonRpcSession> {
  // The error goes to the client; nothing is written here.
  const server = new JSONRPCServer<JsonRpcSession>({ errorListener: () => {} });
  server.mapErrorToJSONRPCErrorResponse = errorResponse;
  for (const name of commandNames()) {
    server.addMethod(name, (params: unknown, session) => session.call(name, params as JsonValue | undefined));
  }
  server.handleMethodNotFound = async ({ id, method }) => {
    const error = new QemuError(`The command ${method} has not been found`, { errorClass: 'CommandNotFound' });
    return id === undefined ? null : errorResponse(id, error);
  };
  return server;
}

let server: JSONRPCServer<JsonRpcSession> | undefined;

/**
 * One JSON-RPC 2.0 client: method = command, params = its arguments by name, events as notifications. There is no
 * greeting and no negotiation. Commands run one after the other, also those of a batch.
 */
export class JsonRpcSession {
  readonly #run: RunCommand;
  readonly #transport: SessionTransport;
  readonly #server: JSONRPCServer<JsonRpcSession>;
  readonly #waiting: Uint8Array[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #running = false;
  #blocked = false;
  #paused = false;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(run: RunCommand, transport: SessionTransport) {
    this.#run = run;
    this.#transport = transport;
    server ??= createServer();
    this.#server = server;
  }

  /** Takes one whole message. */
  receive(message: Uint8Array): void {
    if (this.#closed) return;
    this.#waiting.push(message);
    this.#pump();
  }

  /** The transport has sent what it had queued. */
  drained(): void {
    this.#blocked = false;
    this.#pump();
  }

  sendEvent(event: Broadcast): void {
    if (!this.#closed) this.#send(event.notification());
  }

  /** Resolves when all that was received has been answered, or at once after `close`. */
  async idle(): Promise<void> {
    if (!this.#busy) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  get #busy(): boolean {
    return !this.#closed && (this.#running || this.#waiting.length > 0);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#whenIdle?.();
  }

  /** A method call, run when those before it have ended. @throws QemuError */
  call(name: string, params: JsonValue | undefined): Promise<JsonValue> {
    const result = this.#last.then(() => {
      if (this.#closed) throw new QemuError('the client is gone');
      const args = params ?? {};
      if (Array.isArray(args) && args.length === 0) return this.#run(name, {});
      if (!isJsonObject(args)) throw new ParamsError('Invalid params: arguments are given by name');
      return this.#run(name, args);
    });
    this.#last = result.catch(() => {});
    return result;
  }

  #pump(): void {
    while (!this.#running && !this.#blocked && !this.#closed) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#running = true;
      void this.#answer(message).then((reply) => {
        this.#running = false;
        if (reply !== undefined && !this.#closed) this.#send(writeJson(reply));
        this.#pump();
      });
    }
    this.#throttle();
    if (this.#whenIdle !== undefined && !this.#busy) this.#whenIdle();
  }

  async #answer(message: Uint8Array): Promise<JsonValue | undefined> {
    const received = readMessage(message);
    if ('code' in received) {
      return { jsonrpc: '2.0', id: null, error: { code: received.code, message: received.why } };
    }
    const { requests } = received;
    const reply = (await this.#server.receive(requests as never, this)) as JsonValue;
    if (reply === null) return undefined;
    // The package answers a batch with one answer as if it were no batch.
    return Array.isArray(requests) && requests.length > 0 && !Array.isArray(reply) ? [reply] : reply;
  }

  #send(text: string): void {
    if (!this.#transport.send(Buffer.from(text, 'latin1'))) this.#blocked = true;
  }

  #throttle(): void {
    const stuck = this.#waiting.length > 0;
    if (stuck === this.#paused || this.#closed) return;
    this.#paused = stuck;
    if (stuck) this.#transport.pause();
    else this.#transport.resume();
  }
}
