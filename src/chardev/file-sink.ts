import { close, write } from 'node:fs';

/** Bytes that may wait for the disk before `write` asks for patience. */
const HIGH_WATER = 256 * 1024;

/**
 * Appends bytes to an open file in order, on libuv's threads: for regular files, which epoll cannot watch and where a
 * write ends by itself. Each call writes everything that waits.
 */
export class FileSink {
  readonly #fd: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing = 0;
  #blocked = false;
  #drained: () => void = () => {};
  #failed: (error: NodeJS.ErrnoException) => void = () => {};
  #idle: (() => void)[] = [];
  #broken = false;

  /** @param fd the sink's from now on */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Called when there is room after `write` returned false. */
  onDrained(drained: () => void): void {
    this.#drained = drained;
  }

  /** Called once at the first error (disk full); bytes are dropped from then on. */
  onFailed(failed: (error: NodeJS.ErrnoException) => void): void {
    this.#failed = failed;
  }

  /** Bytes accepted and not yet written. */
  get queued(): number {
    return this.#waitingBytes + this.#writing;
  }

  /** Copies `data`. @returns false when the caller should wait for `onDrained` */
  write(data: Uint8Array): boolean {
    if (this.#broken) return true;
    this.#waiting.push(Buffer.from(data));
    this.#waitingBytes += data.length;
    if (this.#writing === 0) this.#next();
    this.#blocked = this.queued >= HIGH_WATER;
    return !this.#blocked;
  }

  #next(): void {
    const batch = this.#waiting.length === 1 && this.#waiting[0] ? this.#waiting[0] : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#writing = batch.length;
    this.#put(batch);
  }

  #put(batch: Uint8Array): void {
    write(this.#fd, batch, 0, batch.length, null, (error, written) => {
      if (error !== null) return this.#fail(error);
      this.#writing -= written;
      if (written < batch.length) return this.#put(batch.subarray(written));
      this.#settle();
    });
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.#broken = true;
    this.#writing = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#failed(error);
    this.#settle();
  }

  #settle(): void {
    if (this.#waitingBytes > 0) this.#next();
    if (this.#blocked && this.queued < HIGH_WATER) {
      this.#blocked = false;
      this.#drained();
    }
    if (this.queued === 0) for (const done of this.#idle.splice(0)) done();
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    if (this.queued > 0) await new Promise<void>((done) => this.#idle.push(done));
    await new Promise<void>((done) => close(this.#fd, () => done()));
  }
}
