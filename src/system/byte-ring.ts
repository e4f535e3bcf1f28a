const HEADER_BYTES = 8;
const WRITTEN = 0;
const TAKEN = 1;

/** Bytes in shared memory on their way from one thread to another: one writer at a time, one reader. */
export class ByteRing {
  readonly capacity: number;
  /** Bytes written and taken so far, modulo 2^32. */
  readonly #counts: Int32Array;
  readonly #bytes: Uint8Array;

  /**
   * @param offset of `ByteRing.size(capacity)` zeroed bytes, a multiple of 4
   * @param capacity bytes it holds, a power of two
   */
  constructor(buffer: SharedArrayBuffer, offset: number, capacity: number) {
    this.capacity = capacity;
    this.#counts = new Int32Array(buffer, offset, 2);
    this.#bytes = new Uint8Array(buffer, offset + HEADER_BYTES, capacity);
  }

  /** Bytes of shared memory that a ring of this capacity takes. */
  static size(capacity: number): number {
    return HEADER_BYTES + capacity;
  }

  get length(): number {
    return (Atomics.load(this.#counts, WRITTEN) - Atomics.load(this.#counts, TAKEN)) >>> 0;
  }

  get free(): number {
    return this.capacity - this.length;
  }

  /** @returns false when there is no room: the byte is not in */
  push(byte: number): boolean {
    if (this.free === 0) return false;
    const written = Atomics.load(this.#counts, WRITTEN);
    this.#bytes[written & (this.capacity - 1)] = byte;
    Atomics.store(this.#counts, WRITTEN, written + 1);
    return true;
  }

  /** Waits at most `limitMs` until there is room for a byte. */
  awaitRoom(limitMs: number): void {
    const taken = Atomics.load(this.#counts, TAKEN);
    if (this.free === 0) Atomics.wait(this.#counts, TAKEN, taken, limitMs);
  }

  /** Takes out at most `limit` bytes, as a copy. */
  take(limit: number): Uint8Array {
    const taken = Atomics.load(this.#counts, TAKEN);
    const length = Math.min(this.length, limit);
    const start = taken & (this.capacity - 1);
    const head = this.#bytes.slice(start, start + length);
    const bytes = new Uint8Array(length);
    bytes.set(head);
    bytes.set(this.#bytes.subarray(0, length - head.length), head.length);
    Atomics.store(this.#counts, TAKEN, taken + length);
    Atomics.notify(this.#counts, TAKEN);
    return bytes;
  }
}
