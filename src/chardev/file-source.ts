import { read } from 'node:fs';
import { asError } from '../system/errors.js';
import { closeQuietly } from './open-file.js';

const READ_SIZE = 64 * 1024;

export interface FileSourceEvents {
  /** Called only while reading is on. */
  received(data: Uint8Array): void;
  /** The end of the file, or an error, has come. */
  ended(error: Error | undefined): void;
}

/** Reads an open file on libuv's threads: for regular files, which epoll cannot watch. */
export class FileSource {
  readonly #fd: number;
  readonly #events: FileSourceEvents;
  #reading = false;
  #busy = false;
  #closed = false;
  /** Read when reading was already off again. */
  #held: Buffer | undefined;

  /** @param fd the source's from now on */
  constructor(fd: number, events: FileSourceEvents) {
    this.#fd = fd;
    this.#events = events;
  }

  setReading(on: boolean): void {
    this.#reading = on;
    if (on) process.nextTick(() => this.#next());
  }

  #next(): void {
    if (!this.#reading || this.#busy || this.#closed) return;
    if (this.#held !== undefined) {
      const held = this.#held;
      this.#held = undefined;
      this.#events.received(held);
      this.#next();
      return;
    }
    this.#busy = true;
    const buffer = Buffer.allocUnsafe(READ_SIZE);
    read(this.#fd, buffer, 0, READ_SIZE, null, (error, count) => {
      this.#busy = false;
      if (this.#closed) {
        closeQuietly(this.#fd);
        return;
      }
      if (error !== null || count === 0) {
        this.close();
        this.#events.ended(error === null ? undefined : asError(error));
        return;
      }
      this.#held = buffer.subarray(0, count);
      this.#next();
    });
  }

  /** Closes the file, once a read under way is over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#busy) closeQuietly(this.#fd);
  }
}
