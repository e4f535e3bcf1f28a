import type { GuestRam } from '../../src/system/guest-ram.js';

const CHUNK = 1024 * 1024;

/** Guest RAM of any size, of which only what is touched takes memory, in windows of 1 MiB. */
export class SparseRam implements GuestRam {
  readonly size: number;
  readonly #chunks = new Map<number, Uint8Array>();

  constructor(size: number) {
    this.size = size;
  }

  *windows(offset: number, length: number): Generator<Uint8Array> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new RangeError(`range ${offset}+${length} is outside ${this.size} bytes of RAM`);
    }
    for (let at = offset; at < offset + length; ) {
      const index = Math.floor(at / CHUNK);
      const chunk = this.#chunks.get(index) ?? new Uint8Array(CHUNK);
      this.#chunks.set(index, chunk);
      const window = chunk.subarray(at % CHUNK, (at % CHUNK) + offset + length - at);
      yield window;
      at += window.length;
    }
  }
}
