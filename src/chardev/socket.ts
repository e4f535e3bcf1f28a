import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { BackendData } from './backend.js';
import { Chardev, type CharFrontend, type CharPort } from './chardev.js';
import type { BackendContext } from './create.js';
import { connect, type Listener, listen, type Peer } from './endpoint.js';
import { addressJson, connectedName, disconnectedName, flatten, type SocketAddress } from './socket-address.js';
import { SocketConnection } from './socket-connection.js';
import { layersFor, type StreamLayer } from './socket-layers.js';

/** Clients beyond the limit that wait for their turn, unread; more are closed. */
const MAX_WAITING = 16;

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
  if (options['x-clients'] === 0) throw new QemuError("Parameter 'x-clients' expects a number greater than zero");
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
  #layers: StreamLayer[] = [];
  #listener: Listener | undefined;
  #shakingHands = 0;
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
    this.#address = flatten(options.addr);
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
    this.#listener = await listen(this.#address, tuning, descriptors, (peer) => this.#accept(peer));
    this.#address = this.#listener.address;
    if (this.#options.wait ?? true) await this.#waitForClient();
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
    if (this.#hasRoom()) {
      void this.#admit(peer).catch(() => this.#admitWaiting());
      return;
    }
    // Its end shows when its turn comes.
    peer.stream.on('error', () => {});
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(peer);
    else peer.stream.destroy();
  }

  #hasRoom(): boolean {
    const taken = this.#connections.size + this.#shakingHands;
    return taken < this.#maxClients && (this.#maxClients === 1 || this.busy);
  }

  #admitWaiting(): void {
    while (this.#hasRoom()) {
      const peer = this.#waiting.shift();
      if (peer === undefined) return;
      void this.#admit(peer).catch(() => this.#admitWaiting());
    }
  }

  /** Takes a peer in once its layers are up. @throws the error of a layer */
  async #admit(peer: Peer): Promise<void> {
    if (this.#layers.length === 0) {
      this.#connected(peer);
      return;
    }
    this.#shakingHands++;
    let { stream } = peer;
    try {
      for (const layer of this.#layers) stream = await layer(stream);
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      this.#shakingHands--;
    }
    this.#connected({ ...peer, stream });
  }

  #connected(peer: Peer): void {
    const telnet = this.#role.server && this.#options.telnet === true;
    if (this.#maxClients > 1) this.#connectedOneOfMany(peer, telnet);
    else {
      const connection: SocketConnection = new SocketConnection(peer, telnet, {
        received: (data) => this.received(data),
        break: () => this.raiseBreak(),
        drained: () => this.drained(),
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
      ended: () => {
        frontend.closed?.();
        this.#left(connection);
      },
    });
    this.#connections.add(connection);
    const frontend = this.#makeFrontend?.(connection) ?? { receive: () => {} };
    frontend.opened?.();
    connection.resume();
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

  protected override async release(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#reconnect);
    this.#listener?.close();
    for (const peer of this.#waiting.splice(0)) peer.stream.destroy();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    this.#firstClient?.();
  }
}
