import type { Socket } from 'node:net';
import { POLLIN, socketPair } from './fd.js';
import { koffi, libc } from './libc.js';

const POLLFD_SIZE = 8;

/** Tells a reactor when its epoll descriptor has something to report. */
export interface EpollWait {
  /** Whether the wait keeps the thread's event loop alive. */
  hold(on: boolean): void;
  /** What was reported has been dealt with: wait for more. */
  served(): void;
}

let isMainThread: boolean | undefined;

/** The main program tells, for asking node:worker_threads takes 3 ms where `node -e 0` takes 25. */
export function onMainThread(): void {
  isMainThread = true;
}

/** @param ready called on this thread, with promises, ticks and thrown errors treated as in any event handler */
export function waitForEpoll(epoll: number, ready: () => void): EpollWait {
  isMainThread ??= process.getBuiltinModule('node:worker_threads').isMainThread;
  return isMainThread ? new LoopWait(epoll, ready) : new PoolWait(epoll, ready);
}

/** The main thread: libuv waits for the epoll descriptor together with its own. No other thread, no hand-off. */
class LoopWait implements EpollWait {
  readonly #handle: import('koffi').node.PollHandle;
  #closed = false;

  constructor(epoll: number, ready: () => void) {
    // The callback comes outside of Node's callback scope, where promises and ticks stay unserved and a thrown error unseen.
    // An immediate runs right after the poll phase and has all three.
    this.#handle = koffi().node.poll(epoll, { readable: true }, () => setImmediate(ready));
    this.#handle.unref();
    // koffi aborts the process if libuv calls it while the environment is taken down.
    process.once('exit', () => {
      this.#closed = true;
      this.#handle.close();
    });
  }

  hold(on: boolean): void {
    if (this.#closed) return;
    if (on) this.#handle.ref();
    else this.#handle.unref();
  }

  served(): void {}
}

/**
 * A worker: it can be terminated at any moment, when LoopWait's callback would abort the process. A thread of libuv's pool
 * waits instead, for the epoll descriptor and for a socket whose other end belongs to a handle of Node's: taking the
 * environment down closes that handle, which ends the wait. Costs one of the pool's threads and 20 us an event. A running
 * wait keeps the worker alive, so it runs only while held.
 */
class PoolWait implements EpollWait {
  readonly #fds = Buffer.alloc(2 * POLLFD_SIZE);
  readonly #ready: () => void;
  readonly #wakeRead: number;
  readonly #owner: Socket;
  #held = false;
  #waiting = false;

  constructor(epoll: number, ready: () => void) {
    this.#ready = ready;
    const [wakeRead, wakeWrite] = socketPair();
    this.#wakeRead = wakeRead;
    const { Socket } = process.getBuiltinModule('node:net');
    this.#owner = new Socket({ fd: wakeWrite }).unref();
    for (const [i, fd] of [epoll, this.#wakeRead].entries()) {
      this.#fds.writeInt32LE(fd, i * POLLFD_SIZE);
      this.#fds.writeInt16LE(POLLIN, i * POLLFD_SIZE + 4);
    }
  }

  hold(on: boolean): void {
    this.#held = on;
    if (on) this.served();
    else if (this.#waiting) this.#owner.write('x');
  }

  served(): void {
    if (!this.#held || this.#waiting) return;
    this.#waiting = true;
    void libc.pollBlocking(this.#fds, 2, -1).then(() => {
      this.#waiting = false;
      if (this.#fds.readInt16LE(POLLFD_SIZE + 6) !== 0) libc.read(this.#wakeRead, Buffer.alloc(64), 64);
      setImmediate(this.#ready);
    });
  }
}
