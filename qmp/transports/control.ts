import type { CharFrontend, CharPort } from '../../src/chardev/chardev.js';
import { MonitorClient, type MonitorHost } from '../context.js';
import { Dispatcher } from '../dispatch.js';
import type { Broadcast } from '../session/wire.js';
import { QmpSession, type SessionTransport } from '../session.js';
import { versionInfo } from '../version.js';
import { splitMessages } from './messages.js';

export interface ControlOptions {
  readonly pretty?: boolean;
  /** Serves query-*, qom-get and qom-list only. */
  readonly readOnly?: boolean;
  /** Bytes of events that may wait for a client that is behind with reading; more end its connection. */
  readonly eventQueue?: number;
}

/** Default of `x-event-queue`. */
export const defaultEventQueue = 1024 * 1024;

/** What a client speaks: QMP or JSON-RPC. */
interface Session {
  receive(data: Uint8Array): void;
  drained(): void;
  sendEvent(event: Broadcast): void;
  idle(): Promise<void>;
  close(): void;
}

/** A control monitor on one port: each peer that comes gets a session of its own. */
export class ControlFrontend implements CharFrontend {
  readonly #host: MonitorHost;
  readonly #clients: Set<ControlFrontend>;
  readonly #port: CharPort;
  readonly #options: ControlOptions;
  #session: Session | undefined;
  #client: MonitorClient | undefined;
  // The peer has not taken all that was sent; #late bytes of events came since.
  #behind = false;
  #late = 0;

  /** @param clients where a connected client is found by events */
  constructor(host: MonitorHost, clients: Set<ControlFrontend>, port: CharPort, options: ControlOptions) {
    this.#host = host;
    this.#clients = clients;
    this.#port = port;
    this.#options = options;
  }

  opened(): void {
    this.#end();
    const port = this.#port;
    const client = new MonitorClient({
      readOnly: this.#options.readOnly ?? false,
      takeDescriptor: () => port.takeDescriptor(),
    });
    this.#client = client;
    this.#clients.add(this);
    if (port.subprotocol === 'jsonrpc') void this.#speakJsonRpc(client);
    else this.#speakQmp(client);
  }

  #speakQmp(client: MonitorClient): void {
    const messages = this.#port.subprotocol === 'qmp';
    this.#session = new QmpSession({
      dispatcher: new Dispatcher(this.#host, client),
      version: versionInfo(this.#host.system.settings.version),
      pretty: this.#options.pretty ?? false,
      transport: this.#transport(messages ? (bytes) => this.#writeMessages(bytes) : (bytes) => this.#port.write(bytes)),
    });
  }

  async #speakJsonRpc(client: MonitorClient): Promise<void> {
    this.#port.pause();
    const { JsonRpcSession } = await import('./json-rpc.js');
    if (this.#client !== client) return;
    const dispatcher = new Dispatcher(this.#host, client);
    this.#session = new JsonRpcSession(
      (name, args) => dispatcher.dispatch(name, args),
      this.#transport((bytes) => this.#port.write(bytes)),
    );
    this.#port.resume();
  }

  #transport(write: (bytes: Uint8Array) => boolean): SessionTransport {
    return {
      send: (bytes) => {
        this.#behind = !write(bytes);
        return !this.#behind;
      },
      pause: () => this.#port.pause(),
      resume: () => this.#port.resume(),
    };
  }

  /** WebSocket's `qmp`: a message of ours is a message of theirs. */
  #writeMessages(bytes: Uint8Array): boolean {
    let room = true;
    for (const message of splitMessages(bytes)) room = this.#port.write(message);
    return room;
  }

  /** One client's slowness is its own: what it does not read is kept up to a bound, then the connection ends. */
  sendEvent(event: Broadcast): void {
    const before = this.#port.queued;
    const wasBehind = this.#behind;
    this.#session?.sendEvent(event);
    if (!wasBehind) return;
    this.#late += this.#port.queued - before;
    if (this.#late > (this.#options.eventQueue ?? defaultEventQueue)) this.#port.disconnect();
  }

  async finish(): Promise<void> {
    await this.#session?.idle();
  }

  closed(): void {
    // A pipe that ended still wants the answers.
    if (!this.#port.connected) this.#end();
  }

  #end(): void {
    this.#clients.delete(this);
    this.#session?.close();
    this.#session = undefined;
    this.#client?.close();
    this.#client = undefined;
    this.#behind = false;
    this.#late = 0;
  }

  receive(data: Uint8Array): void {
    this.#session?.receive(data);
  }

  drained(): void {
    this.#behind = false;
    this.#late = 0;
    this.#session?.drained();
  }
}
