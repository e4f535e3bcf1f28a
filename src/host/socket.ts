import { EventEmitter } from 'node:events';
import { wouldBlock } from './fd.js';
import { check, Errno, HostError, int32, libc } from './libc.js';
import { type Watch, watch } from './reactor.js';
import { FdStream } from './stream.js';

// <sys/socket.h>, asm-generic: the same on x86-64 and arm64
export const AF_UNIX = 1;
export const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SHUT_WR = 1;
/** sizeof(struct sockaddr_storage) */
const ADDRESS_MAX = 128;
/** How long a server that has no descriptor left for a connection waits before it tries again. */
const ACCEPT_PAUSE_MS = 100;

/** A non-blocking, close-on-exec stream socket. @throws HostError */
export function streamSocket(domain: number): number {
  return check('socket', libc.socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/** The address that a socket is bound to, as a struct sockaddr. @throws HostError */
export function socketName(fd: number): Buffer {
  const address = Buffer.alloc(ADDRESS_MAX);
  const length = int32(ADDRESS_MAX);
  check('getsockname', libc.getsockname(fd, address, length));
  return address.subarray(0, length.readInt32LE());
}

export interface ConnectOptions {
  /** Milliseconds until the attempt fails with ETIMEDOUT; the kernel's own limit if absent. */
  timeoutMs?: number;
  /** An abort fails the attempt with ECANCELED. */
  signal?: AbortSignal;
}

/**
 * connect(2) without blocking. The descriptor stays the caller's, whatever the outcome.
 *
 * @param address a struct sockaddr
 * @throws HostError
 */
export async function connectSocket(fd: number, address: Buffer, options: ConnectOptions = {}): Promise<void> {
  const { timeoutMs, signal } = options;
  if (signal?.aborted) throw new HostError('connect', Errno.ECANCELED);
  const result = libc.connect(fd, address, address.length);
  if (result === -Errno.EINPROGRESS) await connected(fd, timeoutMs, signal);
  else check('connect', result);
}

function connected(fd: number, timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (errno: number): void => {
      attempt.close();
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (errno === 0) resolve();
      else reject(new HostError('connect', errno));
    };
    const abort = () => finish(Errno.ECANCELED);
    const attempt = watch(fd, { writable: true }, () => finish(takeSocketError(fd)));
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => finish(Errno.ETIMEDOUT), timeoutMs);
    signal?.addEventListener('abort', abort);
  });
}

/** SO_ERROR, which reading clears: 0 or an errno. */
function takeSocketError(fd: number): number {
  const error = Buffer.alloc(4);
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, error, int32(4));
  return result < 0 ? -result : error.readInt32LE();
}

/** A connected stream socket; end() shuts the writing side down and leaves the reading side open. */
export class SocketStream extends FdStream {
  protected override readSome(buffer: Buffer): number {
    return libc.recv(this.fd, buffer, buffer.length, 0);
  }

  protected override writeSome(buffer: Buffer): number {
    return libc.send(this.fd, buffer, buffer.length, 0);
  }

  /** The peer may be gone already (ENOTCONN): then there is nobody left to tell. */
  protected override endWriting(): void {
    libc.shutdown(this.fd, SHUT_WR);
  }
}

interface ServerEvents<S> {
  /** A peer connected; the stream is the listener's to close. */
  connection: [socket: S];
  /** The process had no descriptor or memory left for a connection; it is tried again. */
  drop: [error: HostError];
  error: [error: Error];
  close: [];
}

/**
 * A listening socket; subclasses say what an accepted descriptor becomes. The first `connection` comes in a later turn of
 * the event loop, so a listener added right after the construction misses none.
 */
export abstract class SocketServer<S> extends EventEmitter<ServerEvents<S>> {
  readonly fd: number;
  readonly #watch: Watch;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param fd a bound non-blocking socket; on success the server owns it. @throws HostError from listen(2) */
  constructor(fd: number, backlog: number) {
    super();
    check('listen', libc.listen(fd, backlog));
    this.fd = fd;
    this.#watch = watch(fd, { readable: true }, () => this.#accept());
  }

  /** @param address the peer's struct sockaddr */
  protected abstract wrap(fd: number, address: Buffer): S;

  /** One connection per event: a flood of peers shares the loop with everybody else. */
  #accept(): void {
    const address = Buffer.alloc(ADDRESS_MAX);
    const length = int32(ADDRESS_MAX);
    const fd = libc.accept4(this.fd, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      this.emit('connection', this.wrap(fd, address.subarray(0, length.readInt32LE())));
    } else if (isShortage(-fd)) {
      this.#watch.update({});
      this.#pause = setTimeout(() => this.#watch.update({ readable: true }), ACCEPT_PAUSE_MS);
      this.emit('drop', new HostError('accept', -fd));
    } else if (!wouldBlock(fd) && !isPassing(-fd)) {
      this.close();
      this.emit('error', new HostError('accept', -fd));
    }
  }

  /** The process stays alive while the server listens; the default. */
  ref(): this {
    this.#watch.ref();
    return this;
  }

  /** The process may end by itself while the server listens. */
  unref(): this {
    this.#watch.unref();
    return this;
  }

  /** Stops listening and closes the descriptor; accepted sockets live on. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#watch.close();
    libc.close(this.fd);
    process.nextTick(() => this.emit('close'));
  }
}

function isShortage(errno: number): boolean {
  return [Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM].some((shortage) => shortage === errno);
}

/** The peer gave up before it was accepted, or a signal came. */
function isPassing(errno: number): boolean {
  return errno === Errno.EINTR || errno === Errno.ECONNABORTED;
}
