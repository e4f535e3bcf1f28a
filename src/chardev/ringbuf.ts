import { QemuError } from '../system/errors.js';
import type { BackendData } from './backend.js';
import { Chardev } from './chardev.js';
import type { BackendContext } from './create.js';

const DEFAULT_SIZE = 65_536;
/** The buffer lies in memory until somebody reads it. */
const MAX_SIZE = 2 ** 30;

/** Keeps the last bytes that the front end wrote, for ringbuf-read. */
export class RingbufChardev extends Chardev {
  readonly #buffer: Buffer;
  /** Bytes ever written and ever read; their difference lies in the buffer. */
  #produced = 0;
  #consumed = 0;

  /** @throws QemuError when the size is no power of two or over 1 GiB */
  constructor(options: BackendData['ringbuf'], context: BackendContext) {
    super(context.type);
    const size = Number(options.size ?? 0) || DEFAULT_SIZE;
    if (size < 1 || !Number.isInteger(Math.log2(size))) {
      throw new QemuError('size of ringbuf chardev must be power of two');
    }
    if (size > MAX_SIZE) throw new QemuError(`size of ringbuf chardev must not exceed ${MAX_SIZE} bytes`);
    this.#buffer = Buffer.alloc(size);
  }

  protected override acquire(): void {
    this.setConnected(true);
  }

  protected override release(): void {}

  /** Bytes waiting to be read. */
  get count(): number {
    return this.#produced - this.#consumed;
  }

  protected override send(data: Uint8Array): boolean {
    this.put(data);
    return true;
  }

  /** Adds bytes; the oldest go when there is no room. */
  put(data: Uint8Array): void {
    const size = this.#buffer.length;
    const kept = data.subarray(Math.max(0, data.length - size));
    const at = (this.#produced + data.length - kept.length) % size;
    const first = Math.min(kept.length, size - at);
    this.#buffer.set(kept.subarray(0, first), at);
    this.#buffer.set(kept.subarray(first), 0);
    this.#produced += data.length;
    this.#consumed = Math.max(this.#consumed, this.#produced - size);
  }

  /** Removes and returns up to `limit` of the oldest bytes. */
  take(limit: number): Buffer {
    const size = this.#buffer.length;
    const count = Math.min(limit, this.count);
    const at = this.#consumed % size;
    const first = this.#buffer.subarray(at, Math.min(size, at + count));
    const taken = Buffer.concat([first, this.#buffer.subarray(0, count - first.length)]);
    this.#consumed += count;
    return taken;
  }
}
