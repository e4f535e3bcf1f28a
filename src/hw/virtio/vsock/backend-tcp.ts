import type { Server } from 'node:net';
import { asError, QemuError } from '../../../system/errors.js';
import { osErrorText } from '../../../system/os-error.js';
import type { GuestDialer, HostStream, VsockBackend, VsockDestination } from './backend.js';
import { DuplexHostStream } from './host-stream.js';
import { connectNet, listenNet } from './listen.js';
import type { TcpAddress, TcpListen } from './options.js';

/** TCP for hosts without vsock (machine properties `vsock-tcp-listen` and `vsock-tcp-connect`), by a table of ports. */
export class TcpBackend implements VsockBackend {
  readonly #listens: readonly TcpListen[];
  readonly #connects: ReadonlyMap<number, TcpAddress>;
  readonly #servers: Server[] = [];

  constructor(listens: readonly TcpListen[], connects: ReadonlyMap<number, TcpAddress>) {
    this.#listens = listens;
    this.#connects = connects;
  }

  async connect({ port }: VsockDestination): Promise<HostStream> {
    const address = this.#connects.get(port);
    if (address === undefined) throw new Error(`port ${port} is not in the table`);
    return new DuplexHostStream(await connectNet({ ...address }));
  }

  async listen(dialer: GuestDialer): Promise<void> {
    for (const { host, port, guestPort } of this.#listens) {
      try {
        this.#servers.push(
          await listenNet({ host, port }, (socket) => dialer.dial(guestPort, new DuplexHostStream(socket))),
        );
      } catch (error) {
        this.close();
        throw new QemuError(`Failed to bind socket to ${host}:${port}: ${osErrorText(error)}`, {
          cause: asError(error),
        });
      }
    }
  }

  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }
}
