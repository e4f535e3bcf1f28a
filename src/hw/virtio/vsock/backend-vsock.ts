import { connectVsock, listenVsock, type VsockServer } from '../../../host/vsock.js';
import { asError, QemuError } from '../../../system/errors.js';
import { osErrorText } from '../../../system/os-error.js';
import type { GuestDialer, HostStream, VsockBackend, VsockDestination } from './backend.js';
import { DuplexHostStream } from './host-stream.js';
import { BACKLOG, CONNECT_LIMIT_MS } from './listen.js';

export interface VsockForwarding {
  /** Where connections of the guest go, whatever CID it named; refused if absent. 1 is this host. */
  readonly forwardCid?: number | undefined;
  /** Ports of this host whose connections go to the same ports of the guest. */
  readonly forwardListen: readonly number[];
}

/** The host's own AF_VSOCK (machine properties `vsock-forward-cid`, `vsock-forward-listen`), as vhost-device-vsock does it. */
export class AfVsockBackend implements VsockBackend {
  readonly #forwarding: VsockForwarding;
  readonly #servers: VsockServer[] = [];

  constructor(forwarding: VsockForwarding) {
    this.#forwarding = forwarding;
  }

  async connect({ port }: VsockDestination): Promise<HostStream> {
    const cid = this.#forwarding.forwardCid;
    if (cid === undefined) throw new Error('no CID to forward to');
    return new DuplexHostStream(await connectVsock({ cid, port, timeoutMs: CONNECT_LIMIT_MS, allowHalfOpen: true }));
  }

  async listen(dialer: GuestDialer): Promise<void> {
    for (const port of this.#forwarding.forwardListen) {
      try {
        const server = listenVsock({ port, backlog: BACKLOG, allowHalfOpen: true });
        server.on('connection', (socket) => dialer.dial(port, new DuplexHostStream(socket)));
        // A socket that cannot be accepted is its peer's loss alone.
        server.on('error', () => {});
        this.#servers.push(server);
      } catch (error) {
        this.close();
        throw new QemuError(`Failed to bind socket to vsock:${port}: ${osErrorText(error)}`, { cause: asError(error) });
      }
    }
  }

  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }
}
