import { check, libc } from './libc.js';
import {
  AF_VSOCK,
  type ConnectOptions,
  connectSocket,
  SocketServer,
  SocketStream,
  socketName,
  streamSocket,
} from './socket.js';
import type { FdStreamOptions } from './stream.js';

// <linux/vm_sockets.h>
/** Any address of this host, for listening. */
export const VMADDR_CID_ANY = 0xffffffff;
/** Let the kernel choose the port. */
export const VMADDR_PORT_ANY = 0xffffffff;
export const VMADDR_CID_HYPERVISOR = 0;
export const VMADDR_CID_HOST = 2;
const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6;
const SOCKADDR_VM_SIZE = 16;
const DEFAULT_BACKLOG = 128;

export interface VsockAddress {
  /** 32-bit context id. */
  cid: number;
  /** 32-bit port. */
  port: number;
}

/** struct sockaddr_vm */
function encodeAddress({ cid, port }: VsockAddress): Buffer {
  const address = Buffer.alloc(SOCKADDR_VM_SIZE);
  address.writeUInt16LE(AF_VSOCK, 0);
  address.writeUInt32LE(port, 4);
  address.writeUInt32LE(cid, 8);
  return address;
}

function decodeAddress(address: Buffer): VsockAddress {
  return { port: address.readUInt32LE(4), cid: address.readUInt32LE(8) };
}

/** A connected AF_VSOCK stream. */
export class VsockSocket extends SocketStream {
  readonly remoteCid: number;
  readonly remotePort: number;

  constructor(fd: number, remote: VsockAddress, options: FdStreamOptions = {}) {
    super(fd, options);
    this.remoteCid = remote.cid;
    this.remotePort = remote.port;
  }

  /** This end's address. @throws HostError after the socket was closed */
  address(): VsockAddress {
    return decodeAddress(socketName(this.fd));
  }
}

export interface VsockConnectOptions extends VsockAddress, ConnectOptions, FdStreamOptions {}

/**
 * Connects to a vsock stream listener.
 *
 * @throws HostError: ECONNRESET or ECONNREFUSED when nobody listens, ENODEV when there is no such CID, ETIMEDOUT, ECANCELED
 */
export async function connectVsock(options: VsockConnectOptions): Promise<VsockSocket> {
  const fd = streamSocket(AF_VSOCK);
  try {
    if (options.timeoutMs !== undefined) setConnectTimeout(fd, options.timeoutMs);
    await connectSocket(fd, encodeAddress(options), options);
    return new VsockSocket(fd, options, options);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** The kernel gives up after 2 s by itself, also on a non-blocking socket. */
function setConnectTimeout(fd: number, timeoutMs: number): void {
  const timeval = Buffer.alloc(16);
  timeval.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  timeval.writeBigInt64LE(BigInt(Math.round((timeoutMs % 1000) * 1000)), 8);
  check('setsockopt', libc.setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeval, timeval.length));
}

export interface VsockListenOptions extends FdStreamOptions {
  /** Default VMADDR_CID_ANY. */
  cid?: number;
  port: number;
  /** Connections that may wait to be accepted, default 128. */
  backlog?: number;
}

/** A listening AF_VSOCK socket; `connection` carries VsockSocket. */
export class VsockServer extends SocketServer<VsockSocket> {
  readonly #streamOptions: FdStreamOptions;

  constructor(fd: number, backlog: number, streamOptions: FdStreamOptions) {
    super(fd, backlog);
    this.#streamOptions = streamOptions;
  }

  protected override wrap(fd: number, address: Buffer): VsockSocket {
    return new VsockSocket(fd, decodeAddress(address), this.#streamOptions);
  }

  /** Where it listens; the port the kernel chose for VMADDR_PORT_ANY. @throws HostError after close() */
  address(): VsockAddress {
    return decodeAddress(socketName(this.fd));
  }
}

/** @throws HostError: EADDRINUSE, EADDRNOTAVAIL for a CID that is not this host's, EACCES for a port below 1024 without privilege */
export function listenVsock(options: VsockListenOptions): VsockServer {
  const { cid = VMADDR_CID_ANY, port, backlog = DEFAULT_BACKLOG } = options;
  const fd = streamSocket(AF_VSOCK);
  try {
    check('bind', libc.bind(fd, encodeAddress({ cid, port }), SOCKADDR_VM_SIZE));
    return new VsockServer(fd, backlog, options);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}
