import type { Duplex } from 'node:stream';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import { type ConnectionEnds, type SocketAddress, targetName } from './socket-address.js';

/** A connection just made. */
export interface Peer {
  readonly stream: Duplex;
  readonly ends: ConnectionEnds;
  /** Unix sockets: the oldest descriptor received, given away. */
  readonly takeDescriptor?: () => number | undefined;
  /** Unix sockets: a duplicate of the socket; the stream carries nothing any more. */
  readonly takeSocket?: () => number;
  /** What a WebSocket client and its server agreed to speak. */
  readonly subprotocol?: string;
}

/** A listening socket. */
export interface Listener {
  /** Where it listens: with the port the kernel chose, the path of an inherited socket. */
  readonly address: SocketAddress;
  /** Others than this host's processes can reach it. */
  readonly exposed: boolean;
  /** Stops listening; a socket's file is removed. Peers live on. */
  close(): void;
}

/** TCP settings that are not part of the address. */
export interface SocketTuning {
  /** TCP_NODELAY. */
  readonly noDelay: boolean;
}

/** What the caller knows of descriptors that came by other ways than the command line. */
export interface DescriptorNames {
  /** In a monitor: takes the descriptor that getfd named. Without it `fd=` is a number of this process. */
  readonly take?: (name: string) => number | undefined;
}

/** @throws QemuError */
function descriptorOf(text: string, { take }: DescriptorNames): number {
  if (take !== undefined) {
    const fd = take(text);
    if (fd === undefined) throw new QemuError(`File descriptor named '${text}' has not been found`);
    return fd;
  }
  if (!/^\s*[+-]?\d+$/.test(text)) throw new QemuError(`Unable to parse FD number ${text}`);
  return Number(text);
}

/** An inherited or passed descriptor and its address family. @throws QemuError when it is no socket */
async function inherited(text: string, names: DescriptorNames): Promise<{ fd: number; family: number }> {
  const fd = descriptorOf(text, names);
  const { socketName } = await import('../host/socket.js');
  try {
    return { fd, family: socketName(fd).readUInt16LE(0) };
  } catch (error) {
    throw new QemuError(`File descriptor '${text}' is not a socket`, { cause: asError(error) });
  }
}

const AF_UNIX = 1;
const AF_VSOCK = 40;

/**
 * Listens at an address.
 *
 * @param accept called for every connection; the peer is the callee's
 * @throws QemuError with QEMU's sentence
 */
export async function listen(
  address: SocketAddress,
  tuning: SocketTuning,
  names: DescriptorNames,
  accept: (peer: Peer) => void,
): Promise<Listener> {
  switch (address.type) {
    case 'unix':
      return (await import('./endpoint-unix.js')).listen(address, accept);
    case 'vsock':
      return (await import('./endpoint-vsock.js')).listen(address, accept);
    case 'inet':
      return (await import('./endpoint-inet.js')).listen(address, tuning, accept);
    case 'fd': {
      const { fd, family } = await inherited(address.str, names);
      if (family === AF_UNIX) return (await import('./endpoint-unix.js')).listenAt(fd, accept);
      if (family === AF_VSOCK) return (await import('./endpoint-vsock.js')).listenAt(fd, accept);
      return (await import('./endpoint-inet.js')).listenAt(fd, tuning, accept);
    }
  }
}

/**
 * Connects to an address.
 *
 * @param signal gives the attempt up
 * @throws QemuError `Failed to connect to 'TARGET': ...`
 */
export async function connect(
  address: SocketAddress,
  tuning: SocketTuning,
  names: DescriptorNames,
  signal: AbortSignal,
): Promise<Peer> {
  try {
    switch (address.type) {
      case 'unix':
        return await (await import('./endpoint-unix.js')).connect(address, signal);
      case 'vsock':
        return await (await import('./endpoint-vsock.js')).connect(address, signal);
      case 'inet':
        return await (await import('./endpoint-inet.js')).connect(address, tuning, signal);
      case 'fd': {
        const { fd, family } = await inherited(address.str, names);
        if (family === AF_UNIX) return (await import('./endpoint-unix.js')).adopt(fd);
        if (family === AF_VSOCK) return (await import('./endpoint-vsock.js')).adopt(fd);
        return (await import('./endpoint-inet.js')).adopt(fd, tuning);
      }
    }
  } catch (error) {
    if (error instanceof QemuError) throw error;
    throw new QemuError(`Failed to connect to '${targetName(address)}': ${osErrorText(error)}`, {
      cause: asError(error),
    });
  }
}
