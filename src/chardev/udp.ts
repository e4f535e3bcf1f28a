import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import type { BackendData, SocketAddressLegacy } from './backend.js';
import { Chardev } from './chardev.js';
import type { BackendContext } from './create.js';
import { resolveInet } from './endpoint-inet.js';
import { flatten, type InetAddress } from './socket-address.js';

/** The largest payload of a datagram over IPv4. */
const MAX_DATAGRAM = 65_507;
const HIGH_WATER = 256 * 1024;
/** Datagrams kept for a front end that has paused; further ones are lost, as datagrams may be. */
const MAX_KEPT = 64;

function inet(address: SocketAddressLegacy): InetAddress {
  const flat = flatten(address);
  if (flat.type !== 'inet') throw new QemuError('socket type unsupported for datagram');
  return flat;
}

/** Each write is a datagram to `remote`, each datagram from there is input. */
export class UdpChardev extends Chardev {
  readonly #options: BackendData['udp'];
  #socket: Socket | undefined;
  #sending = 0;
  readonly #kept: Uint8Array[] = [];
  #flowing = false;

  constructor(options: BackendData['udp'], context: BackendContext) {
    super(context.type);
    this.#options = options;
  }

  protected override async acquire(): Promise<void> {
    const remote = await resolveInet(inet(this.#options.remote), []);
    const host = remote.hosts[0] ?? '';
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      await this.#bind(socket, isIPv6(host));
      socket.connect(remote.port, host);
      await once(socket, 'connect');
    } catch (error) {
      socket.close();
      if (error instanceof QemuError) throw error;
      throw new QemuError(`Failed to bind socket: ${osErrorText(error)}`, { cause: asError(error) });
    }
    socket.on('message', (data) => this.#take(data));
    // ICMP's answer to an earlier datagram: nobody listens there, yet.
    socket.on('error', () => {});
    this.#socket = socket;
    this.setConnected(true);
  }

  async #bind(socket: Socket, ipv6: boolean): Promise<void> {
    const { local } = this.#options;
    const wildcard = ipv6 ? '::' : '0.0.0.0';
    const where = local === undefined ? undefined : await resolveInet(inet(local), [wildcard]);
    const address = where?.hosts.find((host) => isIPv6(host) === ipv6) ?? wildcard;
    socket.bind({ port: where?.port ?? 0, address });
    await once(socket, 'listening');
  }

  #take(data: Uint8Array): void {
    if (this.#flowing) this.received(data);
    else if (this.#kept.length < MAX_KEPT) this.#kept.push(data);
  }

  protected override flow(on: boolean): void {
    this.#flowing = on;
    if (on) process.nextTick(() => this.#deliverKept());
  }

  #deliverKept(): void {
    while (this.#flowing) {
      const data = this.#kept.shift();
      if (data === undefined) return;
      this.received(data);
    }
  }

  protected override send(data: Uint8Array): boolean {
    for (let at = 0; at < data.length; at += MAX_DATAGRAM) {
      const datagram = Buffer.from(data.subarray(at, at + MAX_DATAGRAM));
      this.#sending += datagram.length;
      this.#socket?.send(datagram, () => {
        this.#sending -= datagram.length;
        if (this.#sending < HIGH_WATER) this.drained();
      });
    }
    return this.#sending < HIGH_WATER;
  }

  override get queued(): number {
    return this.#sending;
  }

  protected override release(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
