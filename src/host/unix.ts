import { lstatSync } from 'node:fs';
import { duplicate, setNonBlocking } from './fd.js';
import { check, Errno, HostError, koffi, libc } from './libc.js';
import { AF_UNIX, type ConnectOptions, connectSocket, SocketServer, SocketStream, streamSocket } from './socket.js';
import type { FdStreamOptions } from './stream.js';

/** sizeof(sun_path); a path also needs its NUL. */
const PATH_MAX = 108;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CMSG_HEADER = 16;
/** SCM_MAX_FD: the most that one message can carry. */
const FDS_PER_MESSAGE = 253;
const DEFAULT_MAX_FDS = 64;
const DEFAULT_BACKLOG = 128;

/** A name in the file system, or in the abstract name space (`tight` false pads it with NULs to 107 bytes, as old QEMU did). */
export type UnixAddress = { path: string } | { abstract: string; tight?: boolean };

export interface UnixSocketOptions extends FdStreamOptions {
  /** Received descriptors that may wait for takeFd(), default 64; more are closed on arrival. */
  maxReceivedFds?: number;
}

/** struct sockaddr_un. @throws HostError ENAMETOOLONG beyond 107 bytes */
function encodeAddress(address: UnixAddress): Buffer {
  const abstract = 'abstract' in address;
  const name = Buffer.from(abstract ? `\0${address.abstract}` : `${address.path}\0`);
  if (name.length > PATH_MAX) throw new HostError('bind', Errno.ENAMETOOLONG);
  const padding = abstract && address.tight === false ? PATH_MAX - name.length : 0;
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), name, Buffer.alloc(padding)]);
}

/** struct msghdr with one buffer and room for one control message, kept for every call of this thread. */
class Message {
  readonly header = Buffer.alloc(56);
  readonly control = Buffer.alloc(CMSG_HEADER + 4 * FDS_PER_MESSAGE + 4);
  readonly #vector = Buffer.alloc(16);

  constructor() {
    this.header.writeBigUInt64LE(koffi().address(this.#vector), 16);
    this.header.writeBigUInt64LE(1n, 24);
    this.header.writeBigUInt64LE(koffi().address(this.control), 32);
  }

  /** Points the message at `data` and gives the control part `controlSize` bytes. */
  prepare(data: Buffer, controlSize: number): Buffer {
    this.#vector.writeBigUInt64LE(koffi().address(data), 0);
    this.#vector.writeBigUInt64LE(BigInt(data.length), 8);
    this.header.writeBigUInt64LE(BigInt(controlSize), 40);
    return this.header;
  }

  writeFds(fds: readonly number[]): number {
    const size = CMSG_HEADER + 4 * fds.length;
    this.control.writeBigUInt64LE(BigInt(size), 0);
    this.control.writeInt32LE(SOL_SOCKET, 8);
    this.control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, fd] of fds.entries()) this.control.writeInt32LE(fd, CMSG_HEADER + 4 * i);
    return (size + 7) & ~7;
  }

  readFds(): number[] {
    const end = Math.min(this.header.readUInt32LE(40), this.control.length);
    const fds: number[] = [];
    for (let at = 0; at + CMSG_HEADER <= end; ) {
      const size = this.control.readUInt32LE(at);
      if (size < CMSG_HEADER) break;
      const rights =
        this.control.readInt32LE(at + 8) === SOL_SOCKET && this.control.readInt32LE(at + 12) === SCM_RIGHTS;
      for (let i = at + CMSG_HEADER; rights && i + 4 <= Math.min(at + size, end); i += 4) {
        fds.push(this.control.readInt32LE(i));
      }
      at += (size + 7) & ~7;
    }
    return fds;
  }
}

let message: Message | undefined;

/**
 * A connected unix stream that also carries descriptors (SCM_RIGHTS), which node:net drops. Take received ones while handling
 * `data`: those that nobody took are closed with the stream.
 */
export class UnixSocket extends SocketStream {
  readonly #maxReceived: number;
  readonly #received: number[] = [];
  readonly #outgoing: { position: number; fds: readonly number[] }[] = [];

  constructor(fd: number, options: UnixSocketOptions = {}) {
    super(fd, options);
    this.#maxReceived = options.maxReceivedFds ?? DEFAULT_MAX_FDS;
  }

  /** The oldest received descriptor, close-on-exec, from now on the caller's. It arrives no later than the bytes it was sent with. */
  takeFd(): number | undefined {
    return this.#received.shift();
  }

  /**
   * A duplicate of the socket, the caller's, over which all that comes from now on is exchanged; this stream is not
   * served any more, and is to be destroyed when the peer is gone.
   *
   * @throws HostError
   */
  handOver(): number {
    const fd = duplicate(this.fd);
    this.suspend(true);
    return fd;
  }

  /** Received descriptors that wait. */
  get receivedFds(): number {
    return this.#received.length;
  }

  /**
   * write() with descriptors on the first byte. They must stay open until the callback or, without one, 'drain' or 'finish'.
   *
   * @param fds 1 to 253 of them
   * @throws RangeError for no byte to carry them or too many descriptors
   */
  writeWithFds(data: Uint8Array, fds: readonly number[], done?: (error?: Error | null) => void): boolean {
    if (data.length === 0) throw new RangeError('descriptors travel with at least one byte');
    if (fds.length === 0 || fds.length > FDS_PER_MESSAGE) throw new RangeError(`cannot send ${fds.length} descriptors`);
    this.#outgoing.push({ position: this.acceptedBytes, fds });
    return this.write(data, done);
  }

  protected override readSome(buffer: Buffer): number {
    message ??= new Message();
    const header = message.prepare(buffer, message.control.length);
    const count = libc.recvmsg(this.fd, header, MSG_CMSG_CLOEXEC);
    if (count >= 0) this.#keep(message.readFds());
    return count;
  }

  #keep(fds: number[]): void {
    for (const fd of fds) {
      if (this.#received.length < this.#maxReceived) this.#received.push(fd);
      else libc.close(fd);
    }
  }

  protected override writeSome(buffer: Buffer): number {
    const next = this.#outgoing[0];
    if (next === undefined) return super.writeSome(buffer);
    const before = next.position - this.bytesWritten;
    if (before > 0) return super.writeSome(buffer.subarray(0, before));
    message ??= new Message();
    const header = message.prepare(buffer, message.writeFds(next.fds));
    const count = libc.sendmsg(this.fd, header, 0);
    if (count > 0) this.#outgoing.shift();
    return count;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const fd of this.#received.splice(0)) libc.close(fd);
    super._destroy(error, done);
  }
}

export type UnixConnectOptions = UnixAddress & ConnectOptions & UnixSocketOptions;

/** @throws HostError: ENOENT, ECONNREFUSED, EAGAIN when the listener's queue is full */
export async function connectUnix(options: UnixConnectOptions): Promise<UnixSocket> {
  const address = encodeAddress(options);
  const fd = streamSocket(AF_UNIX);
  try {
    await connectSocket(fd, address, options);
    return new UnixSocket(fd, options);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** A listening unix socket; `connection` carries UnixSocket. */
export class UnixServer extends SocketServer<UnixSocket> {
  readonly #streamOptions: UnixSocketOptions;
  #path: string | undefined;

  /** @param path removed from the file system by close() */
  constructor(fd: number, backlog: number, streamOptions: UnixSocketOptions, path?: string) {
    super(fd, backlog);
    this.#streamOptions = streamOptions;
    this.#path = path;
  }

  protected override wrap(fd: number): UnixSocket {
    return new UnixSocket(fd, this.#streamOptions);
  }

  override close(): void {
    super.close();
    if (this.#path !== undefined) libc.unlink(this.#path);
    this.#path = undefined;
  }
}

export type UnixListenOptions = (UnixAddress | { fd: number }) &
  UnixSocketOptions & {
    /** Connections that may wait to be accepted, default 128. */
    backlog?: number;
  };

/**
 * Listens on a path (a left-over socket file there is replaced, as QEMU does; close() removes it), an abstract name, or an
 * inherited socket that is bound already.
 *
 * @throws HostError: EADDRINUSE, EACCES, ENAMETOOLONG
 */
export function listenUnix(options: UnixListenOptions): UnixServer {
  const backlog = options.backlog ?? DEFAULT_BACKLOG;
  if ('fd' in options) {
    setNonBlocking(options.fd);
    return new UnixServer(options.fd, backlog, options);
  }
  const address = encodeAddress(options);
  const path = 'path' in options ? options.path : undefined;
  const fd = streamSocket(AF_UNIX);
  try {
    if (path !== undefined && isSocket(path)) check('unlink', libc.unlink(path));
    check('bind', libc.bind(fd, address, address.length));
    return new UnixServer(fd, backlog, options, path);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
