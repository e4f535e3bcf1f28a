import { waitForEpoll } from './epoll-wait.js';
import { check, libc } from './libc.js';

// <sys/epoll.h>
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 0x001;
const EPOLLOUT = 0x004;
const EPOLLERR = 0x008;
const EPOLLHUP = 0x010;
const EPOLLRDHUP = 0x2000;
/** struct epoll_event is packed on x86-64 only. */
const DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
const EVENT_SIZE = DATA_OFFSET + 8;
/** Descriptors served before other work of the event loop gets its turn. */
const BATCH = 256;

/** What a watch waits for. With none of them the descriptor is left alone altogether. */
export interface Interest {
  readable?: boolean;
  writable?: boolean;
  /** Peer closed its side, or hang-up and errors alone (the kernel reports those two with any other interest as well). */
  hangup?: boolean;
}

/** What epoll found. Level-triggered: what stays true is reported again. */
export interface Ready {
  readable: boolean;
  writable: boolean;
  /** EPOLLHUP or EPOLLRDHUP. */
  hangup: boolean;
  error: boolean;
}

/**
 * Epoll for this thread's event loop: one epoll descriptor holds every watched one, and one wait for that descriptor serves
 * them all, so that 1,000 of them cost no thread and no libuv handle each.
 */
class Reactor {
  readonly #epoll = check('epoll_create1', libc.epollCreate1(EPOLL_CLOEXEC));
  readonly #events = Buffer.alloc(BATCH * EVENT_SIZE);
  readonly #watches = new Map<number, Watch>();
  readonly #wait = waitForEpoll(this.#epoll, () => this.#dispatch());
  #lastToken = 0;
  #holding = 0;

  /** Counts the watches that keep the thread alive. */
  hold(change: 1 | -1): void {
    const before = this.#holding;
    this.#holding += change;
    if ((before === 0) !== (this.#holding === 0)) this.#wait.hold(this.#holding > 0);
  }

  enlist(watch: Watch): number {
    this.#lastToken += 1;
    this.#watches.set(this.#lastToken, watch);
    return this.#lastToken;
  }

  forget(token: number): void {
    this.#watches.delete(token);
  }

  /** Moves the kernel's registration from one mask to another; 0 means not registered. */
  register(fd: number, token: number, from: number, to: number): void {
    if (from === to) return;
    const operation = from === 0 ? EPOLL_CTL_ADD : to === 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    const event = Buffer.alloc(EVENT_SIZE);
    event.writeUInt32LE(to, 0);
    event.writeUIntLE(token, DATA_OFFSET, 6);
    check('epoll_ctl', libc.epollCtl(this.#epoll, operation, fd, event));
  }

  #dispatch(): void {
    try {
      const count = check('epoll_wait', libc.epollWait(this.#epoll, this.#events, BATCH, 0));
      for (let i = 0; i < count; i++) {
        const at = i * EVENT_SIZE;
        const events = this.#events.readUInt32LE(at);
        // Absent when an earlier callback of this batch closed it.
        this.#watches.get(this.#events.readUIntLE(at + DATA_OFFSET, 6))?.deliver(events);
      }
    } finally {
      this.#wait.served();
    }
  }
}

/** One watched descriptor. */
export class Watch {
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #callback: (ready: Ready) => void;
  readonly #token: number;
  #mask = 0;
  #referenced = true;
  #closed = false;

  constructor(reactor: Reactor, fd: number, callback: (ready: Ready) => void) {
    this.#reactor = reactor;
    this.#fd = fd;
    this.#callback = callback;
    this.#token = reactor.enlist(this);
  }

  /** Replaces the interest. No effect after close(). @throws HostError */
  update({ readable, writable, hangup }: Interest): void {
    if (!this.#closed) this.#setMask((readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0) | (hangup ? EPOLLRDHUP : 0));
  }

  #setMask(mask: number): void {
    this.#reactor.register(this.#fd, this.#token, this.#mask, mask);
    if (this.#referenced && (this.#mask === 0) !== (mask === 0)) this.#reactor.hold(mask === 0 ? -1 : 1);
    this.#mask = mask;
  }

  /** The process stays alive while this watch has an interest; the default. */
  ref(): this {
    if (!this.#referenced && this.#mask !== 0) this.#reactor.hold(1);
    this.#referenced = true;
    return this;
  }

  /** The process may end by itself while this watch waits. In a worker such a watch is served only while another one is referenced. */
  unref(): this {
    if (this.#referenced && this.#mask !== 0) this.#reactor.hold(-1);
    this.#referenced = false;
    return this;
  }

  /** Ends the watch; no callback comes after. Call it before close(2): a duplicate would keep the registration alive. */
  close(): void {
    if (this.#closed) return;
    this.#setMask(0);
    this.#closed = true;
    this.#reactor.forget(this.#token);
  }

  /** @internal Called by the reactor with the kernel's event mask. */
  deliver(events: number): void {
    // An earlier callback of the same batch may have taken the interest back.
    const wanted = events & (this.#mask | EPOLLERR | EPOLLHUP);
    if (this.#mask === 0 || wanted === 0) return;
    this.#callback({
      readable: (wanted & EPOLLIN) !== 0,
      writable: (wanted & EPOLLOUT) !== 0,
      hangup: (wanted & (EPOLLHUP | EPOLLRDHUP)) !== 0,
      error: (wanted & EPOLLERR) !== 0,
    });
  }
}

let reactor: Reactor | undefined;

/**
 * Calls back on this thread whenever `fd` has what `interest` asks for. A descriptor can be watched once per thread; regular
 * files cannot (EPERM). An error thrown by the callback is an uncaught exception, as in any event handler.
 *
 * @throws HostError
 */
export function watch(fd: number, interest: Interest, callback: (ready: Ready) => void): Watch {
  reactor ??= new Reactor();
  const watch = new Watch(reactor, fd, callback);
  try {
    watch.update(interest);
  } catch (error) {
    watch.close();
    throw error;
  }
  return watch;
}
