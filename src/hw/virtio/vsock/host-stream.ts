import type { Duplex } from 'node:stream';
import type { HostStream, HostStreamEvents } from './backend.js';

/** A HostStream over a node stream that was opened with allowHalfOpen; it owns the stream. */
export class DuplexHostStream implements HostStream {
  readonly #duplex: Duplex;
  #failed = false;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    // A destroy() of ours makes no error, so this is the peer's or the kernel's doing.
    duplex.on('error', () => {
      this.#failed = true;
    });
  }

  attach(events: HostStreamEvents): void {
    const duplex = this.#duplex;
    const closed = () => events.closed(this.#failed);
    if (duplex.closed) {
      queueMicrotask(closed);
      return;
    }
    duplex.once('close', closed);
    // A peer that sent nothing may have ended before.
    if (duplex.readableEnded) queueMicrotask(() => events.end());
    else duplex.once('end', () => events.end());
    duplex.on('data', (bytes: Uint8Array) => events.data(bytes));
    this.#onWritten = (count) => events.written(count);
  }

  #onWritten: (count: number) => void = () => {};

  write(bytes: Uint8Array): void {
    this.#duplex.write(bytes, (error) => {
      if (!error) this.#onWritten(bytes.length);
    });
  }

  end(): void {
    this.#duplex.end();
  }

  pause(): void {
    this.#duplex.pause();
  }

  resume(): void {
    this.#duplex.resume();
  }

  release(): void {
    this.#duplex.end(() => this.#duplex.destroy());
  }

  destroy(): void {
    this.#duplex.destroy();
  }
}
