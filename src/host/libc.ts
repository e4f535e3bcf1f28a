import { getSystemErrorMap } from 'node:util';
import { requireFile } from './require.js';

type Koffi = typeof import('koffi');
type NativeCall = ((...args: unknown[]) => number) & {
  async: (...args: [...unknown[], (error: Error | null, result: number) => void]) => void;
};

/** A pointer argument: memory of a typed array (read and written in place), an address, or NULL. */
export type Pointer = Uint8Array | bigint | null;

let loaded: Koffi | undefined;
let library: ReturnType<Koffi['load']> | undefined;

/** koffi itself, loaded at the first use of anything native. */
export function koffi(): Koffi {
  loaded ??= loadKoffi();
  return loaded;
}

// koffi's own entry script probes platforms before it opens the same file: 8 ms against 2 ms, where `node -e 0` takes 65.
function loadKoffi(): Koffi {
  const arch = process.arch;
  try {
    return requireFile(`@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`) as Koffi;
  } catch {
    return requireFile('koffi') as Koffi;
  }
}

function bind(prototype: string): NativeCall {
  library ??= koffi().load('libc.so.6');
  return library.func(prototype) as NativeCall;
}

/** Declares a C function bound at its first call. It returns the C result, or `-errno` where C returns -1. */
function declare<A extends unknown[]>(prototype: string): (...args: A) => number {
  let native: NativeCall | undefined;
  return (...args) => {
    native ??= bind(prototype);
    const result = native(...args);
    return result === -1 ? -koffi().errno() : result;
  };
}

let pending = 0;

/** Calls that wait on a thread of the pool at this moment; while there is one, process.exit() does not return. */
export function blockingCalls(): number {
  return pending;
}

/** As `declare`, for a call that can block: it runs on a thread of libuv's pool and cannot be interrupted. */
function declareBlocking<A extends unknown[]>(prototype: string): (...args: A) => Promise<number> {
  let native: NativeCall | undefined;
  return (...args) => {
    native ??= bind(prototype);
    const call = native;
    return new Promise((resolve, reject) => {
      pending += 1;
      call.async(...args, (error, result) => {
        pending -= 1;
        if (error) reject(error);
        else resolve(result === -1 ? -koffi().errno() : result);
      });
    });
  };
}

/**
 * The C library's functions, each bound when first called. Every one returns its C result, or `-errno` where C says -1.
 * The calls on descriptors return at once only if the descriptor is non-blocking.
 */
export const libc = {
  ioctl: declare<[fd: number, request: number, argument: Pointer | number]>('int ioctl(int, unsigned long, void *)'),
  /** For requests that wait for a device; see `ioctlBlocking` in fd.ts. */
  ioctlBlocking: declareBlocking<[fd: number, request: number, argument: Pointer | number]>(
    'int ioctl(int, unsigned long, void *)',
  ),
  fcntl: declare<[fd: number, command: number, argument: number]>('int fcntl(int, int, long)'),
  gettid: declare<[]>('int gettid()'),
  tgkill: declare<[pid: number, tid: number, signal: number]>('int tgkill(int, int, int)'),
  getpgid: declare<[pid: number]>('int getpgid(int)'),
  dup2: declare<[from: number, to: number]>('int dup2(int, int)'),
  _exit: declare<[status: number]>('void _exit(int)') as (status: number) => never,
  close: declare<[fd: number]>('int close(int)'),
  open: declare<[path: string, flags: number, mode: number]>('int open(const char *, int, unsigned int)'),
  unlink: declare<[path: string]>('int unlink(const char *)'),
  read: declare<[fd: number, buffer: Uint8Array, count: number]>('int64_t read(int, void *, size_t)'),
  write: declare<[fd: number, buffer: Uint8Array, count: number]>('int64_t write(int, void *, size_t)'),
  poll: declare<[fds: Uint8Array, count: number, timeoutMs: number]>('int poll(void *, unsigned long, int)'),
  pollBlocking: declareBlocking<[fds: Uint8Array, count: number, timeoutMs: number]>(
    'int poll(void *, unsigned long, int)',
  ),
  eventfd: declare<[initial: number, flags: number]>('int eventfd(unsigned int, int)'),

  epollCreate1: declare<[flags: number]>('int epoll_create1(int)'),
  epollCtl: declare<[epoll: number, operation: number, fd: number, event: Pointer]>(
    'int epoll_ctl(int, int, int, void *)',
  ),
  epollWait: declare<[epoll: number, events: Uint8Array, max: number, timeoutMs: number]>(
    'int epoll_wait(int, void *, int, int)',
  ),

  socket: declare<[domain: number, type: number, protocol: number]>('int socket(int, int, int)'),
  socketpair: declare<[domain: number, type: number, protocol: number, pair: Uint8Array]>(
    'int socketpair(int, int, int, void *)',
  ),
  bind: declare<[fd: number, address: Uint8Array, length: number]>('int bind(int, void *, unsigned int)'),
  listen: declare<[fd: number, backlog: number]>('int listen(int, int)'),
  accept4: declare<[fd: number, address: Uint8Array, length: Uint8Array, flags: number]>(
    'int accept4(int, void *, void *, int)',
  ),
  connect: declare<[fd: number, address: Uint8Array, length: number]>('int connect(int, void *, unsigned int)'),
  getsockname: declare<[fd: number, address: Uint8Array, length: Uint8Array]>('int getsockname(int, void *, void *)'),
  getsockopt: declare<[fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array]>(
    'int getsockopt(int, int, int, void *, void *)',
  ),
  setsockopt: declare<[fd: number, level: number, option: number, value: Uint8Array, length: number]>(
    'int setsockopt(int, int, int, void *, unsigned int)',
  ),
  shutdown: declare<[fd: number, how: number]>('int shutdown(int, int)'),
  recv: declare<[fd: number, buffer: Uint8Array, count: number, flags: number]>(
    'int64_t recv(int, void *, size_t, int)',
  ),
  send: declare<[fd: number, buffer: Uint8Array, count: number, flags: number]>(
    'int64_t send(int, void *, size_t, int)',
  ),
  recvmsg: declare<[fd: number, message: Uint8Array, flags: number]>('int64_t recvmsg(int, void *, int)'),
  sendmsg: declare<[fd: number, message: Uint8Array, flags: number]>('int64_t sendmsg(int, void *, int)'),

  memfdCreate: declare<[name: string, flags: number]>('int memfd_create(const char *, unsigned int)'),
  mmap: declare<[address: Pointer, length: number, prot: number, flags: number, fd: number, offset: number]>(
    'int64_t mmap(void *, size_t, int, int, int, int64_t)',
  ),
  munmap: declare<[address: bigint, length: number]>('int munmap(void *, size_t)'),
  munmapBlocking: declareBlocking<[address: bigint, length: number]>('int munmap(void *, size_t)'),
  madvise: declare<[address: bigint, length: number, advice: number]>('int madvise(void *, size_t, int)'),
  madviseBlocking: declareBlocking<[address: bigint, length: number, advice: number]>(
    'int madvise(void *, size_t, int)',
  ),
  mallocTrimBlocking: declareBlocking<[keep: number]>('int malloc_trim(size_t)'),
  /** syscall(2) with the argument types of mbind(2), for which glibc has no wrapper. */
  mbindSyscall: declare<
    [number: number, address: bigint, length: number, mode: number, mask: Uint8Array, maxNode: number, flags: number]
  >('long syscall(long, void *, unsigned long, int, void *, unsigned long, unsigned int)'),
};

/** errno values that the code of this room tells apart (asm-generic: the same on x86-64 and arm64). */
export const Errno = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  ENFILE: 23,
  EMFILE: 24,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  EMSGSIZE: 90,
  ECONNABORTED: 103,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  EINPROGRESS: 115,
  ECANCELED: 125,
} as const;

let strerrorNative: ((errno: number) => string) | undefined;

/** The C library's text for an errno, for example `Connection refused`; `Unknown error 272` for a number it has no text for. */
export function strerror(errno: number): string {
  if (strerrorNative === undefined) {
    library ??= koffi().load('libc.so.6');
    strerrorNative = library.func('const char *strerror(int)') as (errno: number) => string;
  }
  return strerrorNative(errno);
}

/** A failed call into the kernel or the C library. The message is strerror(errno), alone: callers build their sentence. */
export class HostError extends Error {
  override readonly name = 'HostError';
  /** The function that failed, for example `bind` or `ioctl`. */
  readonly syscall: string;
  /** The positive errno. */
  readonly errno: number;
  /** The errno's name where libuv has one (`EADDRINUSE`), as in Node's own errors. */
  readonly code: string | undefined;

  constructor(syscall: string, errno: number) {
    super(strerror(errno));
    this.syscall = syscall;
    this.errno = errno;
    this.code = getSystemErrorMap().get(-errno)?.[0];
  }
}

/** Passes a result of `libc` on. @throws HostError if it is a negative errno */
export function check(syscall: string, result: number): number {
  if (result < 0) throw new HostError(syscall, -result);
  return result;
}

/** A 32-bit little-endian word in a buffer of its own, as `int *` and `socklen_t *` arguments want it. */
export function int32(value: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeInt32LE(value | 0);
  return word;
}
