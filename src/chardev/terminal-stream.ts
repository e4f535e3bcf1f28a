import { Errno } from '../host/libc.js';
import { FdStream } from '../host/stream.js';

/** Input from a terminal that this process may have to share with other jobs. */
export class TerminalStream extends FdStream {
  readonly #mayRead: () => boolean;

  /** @param mayRead asked before each read; after a no the stream waits for `hold(false)` */
  constructor(fd: number, mayRead: () => boolean) {
    super(fd);
    this.#mayRead = mayRead;
  }

  /** While held, the descriptor is neither read nor watched. */
  hold(on: boolean): void {
    if (!this.destroyed) this.suspend(on);
  }

  protected override readSome(buffer: Buffer): number {
    return this.#mayRead() ? super.readSome(buffer) : -Errno.EAGAIN;
  }
}
