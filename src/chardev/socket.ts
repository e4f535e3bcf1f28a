import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { BackendData } from './backend.js';
import { Chardev, type CharFrontend, type CharPort } from './chardev.js';
import type { BackendContext } from './create.js';
import { connect, type Listener, listen, type Peer, type SocketTuning } from './endpoint.js';
import {
  addressJson,
  connectedName,
  disconnectedName,
  flatten,
  type SocketAddress,
  targetName,
} from './socket-address.js';
import { SocketConnection } from './socket-connection.js';
import { type Layers, layersFor, shakeHands } from './socket-layers.js';

/** Clients beyond the limit that wait for their turn, unread; more are closed. */
const MAX_WAITING = 16;
/** Handshakes (TLS, WebSocket) under way at once; they hold no client's place. More are closed. */
const MAX_HANDSHAKES = 64;

type Options = BackendData['socket'];

/** Checks that need no resources. @throws QemuError */
function validate(options: Options): void {
  const server = options.server ?? true;
  const refuse = (option: string, why: string): never => {
    throw new QemuError(`'${option}' option is incompatible with ${why}`);
  };
  if (options.addr.type === 'fd') {
    if (options['reconnect-ms'] !== undefined) refuse('reconnect-ms', "'fd' address type");
    if (options['tls-creds'] !== undefined && !server) refuse('tls_creds', "'fd' address type as client");
  }
  if (options['tls-authz'] !== undefined && options['tls-creds'] === undefined) {
    throw new QemuError("'tls_authz' option requires 'tls_creds' option");
  }
  if (server) {
    if (options['reconnect-ms'] !== undefined) refuse('reconnect-ms', 'socket in server listen mode');
  } else {
    if (options.websocket === true) throw new QemuError('Websocket client is not implemented');
    if (options.wait !== undefined) refuse('wait', 'socket in client connect mode');
  }
  if (options.tn3270 === true) throw new QemuError("'tn3270' is not supported");
  for (const limit of ['x-clients', 'x-handshake-timeout-ms', 'x-max-message', 'x-silence-ms'] as const) {
    if (options[limit] === 0) throw new QemuError(`Parameter '${limit}' expects a number greater than zero`);
  }
  for (const option of ['x-origins', 'x-token-file', 'x-token-secret', 'x-max-message', 'x-silence-ms'] as const) {
    if (options[option] !== undefined && options.websocket !== true) {
      throw new QemuError(`'${option}' option requires 'websocket' option`);
    }
  }
}

/** Where to listen; a WebSocket endpoint without a host stays on this one, for any web page can reach for it. */
function listenAddress(options: Options): SocketAddress {
  const address = flatten(options.addr);
  const inward = options.websocket === true && address.type === 'inet' && address.host === '';
  return inward ? { ...address, host: 'localhost' } : address;
}

/** A stream socket: one client or server connection, or with `x-clients=N` up to N clients at once. */
export class SocketChardev extends Chardev {
  readonly #options: Options;
  readonly #context: BackendContext;
  readonly #role: { readonly protocol: string; readonly server: boolean };
  readonly #maxClients: number;
  readonly #reconnectMs: number;
  readonly #connections = new Set<SocketConnection>();
  readonly #waiting: Peer[] = [];
  readonly #abort = new AbortController();
  #address: SocketAddress;
  #layers: Layers = { layers: [], authenticated: false };
  #listener: Listener | undefined;
  readonly #shakingHands = new Set<Peer>();
  /** The connection of the one front end, without x-clients. */
  #current: SocketConnection | undefined;
  #makeFrontend: ((port: CharPort) => CharFrontend) | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #failureReported = false;
  #firstClient: (() => void) | undefined;

  constructor(options: Options, context: BackendContext) {
    super(context.type);
    this.#options = options;
    this.#context = context;
    const protocol = options.telnet === true ? 'telnet' : options.websocket === true ? 'websocket' : 'tcp';
    this.#role = { protocol, server: options.server ?? true };
    this.#maxClients = options['x-clients'] ?? 1;
    this.#reconnectMs = Number(options['reconnect-ms'] ?? 0);
    this.#address = this.#role.server ? listenAddress(options) : flatten(options.addr);
  }

  /** QOM property `addr`. */
  get address(): JsonObject {
    return addressJson(this.#address);
  }

  override get filename(): string {
    const [connection] = this.#connections;
    return connection === undefined
      ? disconnectedName(this.#address, this.#role)
      : connectedName(connection.peer.ends, this.#role);
  }

  protected override async acquire(): Promise<void> {
    validate(this.#options);
    const { system, descriptors } = this.#context;
    this.#layers = await layersFor(system, this.#options);
    const tuning = { noDelay: this.#options.nodelay ?? false };
    if (!this.#role.server) {
      if (this.#reconnectMs > 0) void this.#connectLater();
      else await this.#admit(await connect(this.#address, tuning, descriptors, this.#abort.signal));
      return;
    }
    await this.#listen(tuning);
    if (this.#options.wait ?? true) await this.#waitForClient();
  }

  /** Listens, and takes nobody in before it is clear that the address may be listened at. */
  async #listen(tuning: SocketTuning): Promise<void> {
    const early: Peer[] = [];
    let accept = (peer: Peer): void => void early.push(peer);
    const listener = await listen(this.#address, tuning, this.#context.descriptors, (peer) => accept(peer));
    try {
      this.#checkExposure(listener);
    } catch (error) {
      listener.close();
      for (const { stream } of early) stream.destroy();
      throw error;
    }
    this.#listener = listener;
    this.#address = listener.address;
    accept = (peer) => this.#accept(peer);
    for (const peer of early) accept(peer);
  }

  /** @throws QemuError for a WebSocket endpoint that strangers could use */
  #checkExposure({ exposed, address }: Listener): void {
    if (this.#options.websocket !== true || !exposed) return;
    const where = targetName(address);
    if (!this.#layers.authenticated) {
      throw new QemuError(`WebSocket endpoint ${where} is open to other hosts and asks for no credentials`, {
        hint:
          'Listen on host=127.0.0.1, or ask for a token (x-token-file=, x-token-secret=) or a client certificate ' +
          '(tls-creds= with verify-peer=on).',
      });
    }
    if (this.#options['tls-creds'] === undefined) {
      this.#context.system.report.warn(`WebSocket endpoint ${where} receives its token unencrypted (no tls-creds=)`);
    }
  }

  async #waitForClient(): Promise<void> {
    if (this.#connections.size > 0) return;
    this.#context.system.report.info(`QEMU waiting for connection on: ${this.filename}`);
    await new Promise<void>((resolve) => {
      this.#firstClient = resolve;
    });
  }

  /** One attempt of a client that keeps trying; its first failure since the last success is reported. */
  async #connectLater(): Promise<void> {
    const { system, descriptors, quiet } = this.#context;
    const { signal } = this.#abort;
    try {
      const tuning = { noDelay: this.#options.nodelay ?? false };
      const peer = await connect(this.#address, tuning, descriptors, signal);
      if (signal.aborted) peer.stream.destroy();
      else await this.#admit(peer);
      this.#failureReported = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!this.#failureReported && !quiet && error instanceof QemuError) {
        system.report.error(error.prefixed(`Unable to connect character device ${this.label}: `));
      }
      this.#failureReported = true;
      this.#scheduleReconnect();
    }
  }

  #scheduleReconnect(): void {
    this.#reconnect = setTimeout(() => void this.#connectLater(), this.#reconnectMs);
  }

  #accept(peer: Peer): void {
    // A handshake that fails has ended its connection.
    if (this.#shakingHands.size < MAX_HANDSHAKES) void this.#admit(peer).catch(() => {});
    else peer.stream.destroy();
  }

  /** Takes a peer in once its layers are up. @throws the error of a layer */
  async #admit(peer: Peer): Promise<void> {
    const { layers } = this.#layers;
    if (layers.length === 0) {
      this.#enter(peer);
      return;
    }
    this.#shakingHands.add(peer);
    try {
      this.#enter(await shakeHands(layers, peer, this.#options));
    } finally {
      this.#shakingHands.delete(peer);
    }
  }

  #enter(peer: Peer): void {
    if (this.#hasRoom()) {
      this.#connected(peer);
      return;
    }
    // Its end shows when its turn comes.
    peer.stream.on('error', () => {});
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(peer);
    else peer.stream.destroy();
  }

  #hasRoom(): boolean {
    return this.#connections.size < this.#maxClients && (this.#maxClients === 1 || this.busy);
  }

  #admitWaiting(): void {
    while (this.#hasRoom()) {
      const peer = this.#waiting.shift();
      if (peer === undefined) return;
      this.#connected(peer);
    }
  }

  #connected(peer: Peer): void {
    const telnet = this.#role.server && this.#options.telnet === true;
    if (this.#maxClients > 1) this.#connectedOneOfMany(peer, telnet);
    else {
      const connection: SocketConnection = new SocketConnection(peer, telnet, {
        received: (data) => this.received(data),
        break: () => this.raiseBreak(),
        drained: () => this.drained(),
        inputEnded: () => this.answered(),
        ended: () => this.#left(connection),
      });
      this.#connections.add(connection);
      this.#current = connection;
    }
    this.setConnected(true);
    this.#firstClient?.();
  }

  #connectedOneOfMany(peer: Peer, telnet: boolean): void {
    const connection: SocketConnection = new SocketConnection(peer, telnet, {
      received: (data) => frontend.receive(data),
      break: () => frontend.break?.(),
      drained: () => frontend.drained?.(),
      inputEnded: async () => frontend.finish?.(),
      ended: () => {
        frontend.closed?.();
        this.#left(connection);
      },
    });
    this.#connections.add(connection);
    const frontend = this.#makeFrontend?.(connection) ?? { receive: () => {} };
    connection.resume();
    frontend.opened?.();
  }

  #left(connection: SocketConnection): void {
    this.#connections.delete(connection);
    if (this.#current === connection) this.#current = undefined;
    if (this.#connections.size === 0) this.setConnected(false);
    if (this.#abort.signal.aborted) return;
    if (this.#role.server) this.#admitWaiting();
    else if (this.#reconnectMs > 0) this.#scheduleReconnect();
  }

  override attachEach(make: (port: CharPort) => CharFrontend): void {
    if (this.#maxClients === 1) {
      super.attachEach(make);
      return;
    }
    if (this.#makeFrontend !== undefined) throw new QemuError(`chardev '${this.label}' is already in use`);
    this.#makeFrontend = make;
    this.frontendOpen = true;
    this.#admitWaiting();
  }

  override attach(frontend: CharFrontend): CharPort {
    if (this.#maxClients > 1) {
      throw new QemuError(`chardev '${this.label}' serves several clients, which its user cannot do`);
    }
    return super.attach(frontend);
  }

  override get busy(): boolean {
    return this.#makeFrontend !== undefined || super.busy;
  }

  protected override send(data: Uint8Array): boolean {
    return this.#current?.write(data) ?? true;
  }

  override get queued(): number {
    return this.#current?.queued ?? 0;
  }

  override get subprotocol(): string | undefined {
    return this.#current?.subprotocol;
  }

  protected override flow(on: boolean): void {
    if (on) this.#current?.resume();
    else this.#current?.pause();
  }

  override disconnect(): void {
    this.#current?.disconnect();
  }

  override takeDescriptor(): number | undefined {
    return this.#current?.takeDescriptor();
  }

  override takeSocket(): number | undefined {
    return this.#current?.takeSocket();
  }

  protected override async release(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#reconnect);
    this.#listener?.close();
    for (const { stream } of [...this.#waiting.splice(0), ...this.#shakingHands]) stream.destroy();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    this.#firstClient?.();
  }
}
