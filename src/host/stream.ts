import { Duplex } from 'node:stream';
import { setNonBlocking, wouldBlock } from './fd.js';
import { Errno, HostError, libc } from './libc.js';
import { type Watch, watch } from './reactor.js';

/** One read(2) takes at most this much; the buffer is shared by all streams of a thread. */
const READ_SIZE = 64 * 1024;
/** Full reads in a row before other descriptors get their turn. */
const READS_PER_TURN = 4;
/** Small chunks queued behind a slow reader are joined up to this size for one write(2). */
const JOIN_SIZE = 64 * 1024;

const scratch: { buffer?: Buffer } = {};

export interface FdStreamOptions {
  /** Keep the writing side open after the peer's end (as node:net; default false). */
  allowHalfOpen?: boolean;
  /** Bytes buffered in each direction before back-pressure (default: Node's). */
  highWaterMark?: number;
}

interface PendingWrite {
  chunks: Buffer[];
  done: (error?: Error | null) => void;
}

/**
 * A byte stream over a descriptor that epoll can watch: socket, pipe, FIFO, terminal. The stream owns the descriptor and
 * closes it. A reader that does not read costs nothing: the kernel is then asked for nothing, and its own buffer fills.
 */
export class FdStream extends Duplex {
  readonly fd: number;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #watch: Watch;
  #reading = false;
  #ended = false;
  #pending: PendingWrite | undefined;
  #suspended = false;
  #finishedBytes = 0;

  /** @throws HostError if `fd` cannot be made non-blocking; it is then still the caller's */
  constructor(fd: number, { allowHalfOpen = false, highWaterMark }: FdStreamOptions = {}) {
    super({ allowHalfOpen, ...(highWaterMark === undefined ? {} : { highWaterMark }) });
    setNonBlocking(fd);
    this.fd = fd;
    this.#watch = watch(fd, {}, () => this.#onReady());
  }

  /** The process stays alive while this stream waits; the default. */
  ref(): this {
    this.#watch.ref();
    return this;
  }

  /** The process may end by itself while this stream waits. */
  unref(): this {
    this.#watch.unref();
    return this;
  }

  /** Bytes that write() has taken since the beginning, whether the kernel has them already or not. */
  protected get acceptedBytes(): number {
    return this.#finishedBytes + this.writableLength;
  }

  /** Reads once: bytes placed in `buffer`, 0 at the end, or a negative errno. */
  protected readSome(buffer: Buffer): number {
    return libc.read(this.fd, buffer, buffer.length);
  }

  /** Writes once: bytes taken from `buffer`, or a negative errno. */
  protected writeSome(buffer: Buffer): number {
    return libc.write(this.fd, buffer, buffer.length);
  }

  /** Tells the peer that no more bytes follow. A descriptor that is no socket has no way to say so. */
  protected endWriting(): void {}

  /** While suspended the descriptor is not watched, whatever the stream wants. */
  protected suspend(on: boolean): void {
    this.#suspended = on;
    this.#rearm();
  }

  #onReady(): void {
    // An error or a hang-up makes both calls return at once, so the flags need not be told apart.
    if (this.#pending) this.#continueWriting();
    if (this.#reading) this.#readTurn();
    this.#rearm();
  }

  #rearm(): void {
    const active = !this.#suspended;
    this.#watch.update({ readable: active && this.#reading, writable: active && this.#pending !== undefined });
  }

  override _read(): void {
    if (this.#reading || this.#ended) return;
    this.#reading = true;
    this.#rearm();
  }

  #readTurn(): void {
    for (let turn = 0; turn < READS_PER_TURN && this.#reading && !this.destroyed; turn++) {
      scratch.buffer ??= Buffer.allocUnsafeSlow(READ_SIZE);
      const count = this.readSome(scratch.buffer);
      if (count > 0) {
        this.bytesRead += count;
        this.#reading = this.push(takeScratch(scratch.buffer, count));
        if (count < READ_SIZE) return;
      } else if (count === 0) {
        this.#reading = false;
        this.#ended = true;
        this.push(null);
      } else if (retry(count)) {
        return;
      } else {
        this.destroy(new HostError('read', -count));
      }
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#startWriting([chunk], done);
  }

  override _writev(entries: { chunk: Buffer; encoding: BufferEncoding }[], done: (error?: Error | null) => void): void {
    this.#startWriting(join(entries.map((entry) => entry.chunk)), done);
  }

  #startWriting(chunks: Buffer[], done: (error?: Error | null) => void): void {
    this.#pending = { chunks, done };
    this.#continueWriting();
    if (this.#pending) this.#rearm();
  }

  #continueWriting(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    for (let chunk = pending.chunks[0]; chunk !== undefined; chunk = pending.chunks[0]) {
      const count = this.writeSome(chunk);
      if (count < 0) {
        if (!retry(count)) this.#finishWrite(pending, new HostError('write', -count));
        return;
      }
      this.bytesWritten += count;
      if (count === chunk.length) pending.chunks.shift();
      else pending.chunks[0] = chunk.subarray(count);
    }
    this.#finishWrite(pending, null);
  }

  #finishWrite(pending: PendingWrite, error: Error | null): void {
    this.#pending = undefined;
    this.#finishedBytes = this.bytesWritten;
    pending.done(error);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.endWriting();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#watch.close();
    libc.close(this.fd);
    const pending = this.#pending;
    if (pending) this.#finishWrite(pending, error ?? new HostError('write', Errno.ECANCELED));
    done(error);
  }
}

function retry(result: number): boolean {
  return wouldBlock(result) || result === -Errno.EINTR;
}

/** The bytes just read, as a buffer of their own: copied if they are few, else the scratch buffer itself is given away. */
function takeScratch(buffer: Buffer, count: number): Buffer {
  if (count < READ_SIZE / 2) return Buffer.from(buffer.subarray(0, count));
  delete scratch.buffer;
  return buffer.subarray(0, count);
}

/** Neighbouring chunks joined up to JOIN_SIZE. */
function join(chunks: Buffer[]): Buffer[] {
  const joined: Buffer[] = [];
  let run: Buffer[] = [];
  let size = 0;
  for (const chunk of chunks) {
    if (size + chunk.length > JOIN_SIZE && run.length > 0) {
      joined.push(Buffer.concat(run, size));
      run = [];
      size = 0;
    }
    run.push(chunk);
    size += chunk.length;
  }
  joined.push(run.length === 1 && run[0] ? run[0] : Buffer.concat(run, size));
  return joined;
}
