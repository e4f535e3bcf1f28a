import type { Duplex } from 'node:stream';

/** How long bytes that the peer does not take may hold up the end of a connection. */
const FLUSH_LIMIT_MS = 2_000;
/** How long the answers to a peer that has ended its side may take. */
const FINISH_LIMIT_MS = 10_000;

export interface StreamLinkEvents {
  /** Called only while reading is on. */
  received(data: Uint8Array): void;
  /** Room again after `write` returned false. */
  drained(): void;
  /** The peer sends no more; `ended` follows when the promise is settled, or after a limit of time. */
  inputEnded?(): Promise<void>;
  /** The peer has ended or the stream failed; nothing else is called afterwards. */
  ended(error: Error | undefined): void;
}

/**
 * A stream as a chardev uses it. While reading is off, no more than the stream's own buffer is read ahead, which is how
 * the end of an idle peer is noticed.
 */
export class StreamLink {
  readonly #stream: Duplex;
  readonly #events: StreamLinkEvents;
  #reading = false;
  #over = false;

  /**
   * @param stream the link's from now on; nothing of it has been read yet
   * @param writeOnly never reads, as when the descriptor cannot be read
   */
  constructor(stream: Duplex, events: StreamLinkEvents, writeOnly = false) {
    this.#stream = stream;
    this.#events = events;
    if (!writeOnly) stream.on('readable', () => this.#read());
    stream.on('drain', () => {
      if (!this.#over) events.drained();
    });
    stream.on('end', () => void this.#finish());
    stream.on('error', (error: Error) => this.#end(error));
    stream.on('close', () => this.#end(undefined));
  }

  /** Bytes written that the kernel has not taken yet. */
  get queued(): number {
    return this.#stream.writableLength;
  }

  /** Copies `data`; dropped after the end. @returns false when the caller should wait for `drained` */
  write(data: Uint8Array): boolean {
    if (this.#over || !this.#stream.writable) return true;
    return this.#stream.write(Buffer.from(data));
  }

  setReading(on: boolean): void {
    if (this.#reading === on) return;
    this.#reading = on;
    // Not from within the call: the front end is still attaching, or in the middle of its own `receive`.
    if (on) process.nextTick(() => this.#read());
  }

  #read(): void {
    while (this.#reading && !this.#over) {
      const chunk = this.#stream.read() as Buffer | null;
      if (chunk === null) return;
      this.#events.received(chunk);
    }
    // With an empty buffer read() is what lets the stream report its end.
    if (!this.#over && this.#stream.readableLength === 0) this.#stream.read(0);
  }

  async #finish(): Promise<void> {
    const work = this.#events.inputEnded?.();
    if (work !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, FINISH_LIMIT_MS);
      });
      await Promise.race([work, limit]);
      clearTimeout(timer);
    }
    this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.ended(error);
  }

  /** Drops what waits and closes the stream; `ended` is not called. */
  abort(): void {
    this.#over = true;
    this.#stream.destroy();
  }

  /** Sends what waits, within a limit of time, then closes the stream; `ended` is not called. */
  async close(): Promise<void> {
    this.#over = true;
    const stream = this.#stream;
    if (stream.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => stream.destroy(), FLUSH_LIMIT_MS);
      stream.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      // An orderly end waits for the peer's, which may never come.
      if (stream.destroyed) return;
      if (stream.writableFinished || !stream.writable) stream.destroy();
      else stream.end(() => stream.destroy());
    });
  }
}
