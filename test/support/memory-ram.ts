import type { GuestRam } from '../../src/system/guest-ram.js';

const GIB = 1024 ** 3;

/** Guest RAM in this process's memory, in buffers of `windowSize` bytes (small ones make every copy cross borders). */
export class MemoryRam implements GuestRam {
  readonly size: number;
  readonly #windowSize: number;
  readonly #buffers: Uint8Array[];

  constructor(size: number, windowSize = GIB) {
    this.size = size;
    this.#windowSize = windowSize;
    this.#buffers = Array.from(
      { length: Math.ceil(size / windowSize) },
      (_, i) => new Uint8Array(Math.min(windowSize, size - i * windowSize)),
    );
  }

  *windows(offset: number, length: number): Generator<Uint8Array> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new RangeError(`range ${offset}+${length} is outside ${this.size} bytes of RAM`);
    }
    for (let at = offset; at < offset + length; ) {
      const buffer = this.#buffers[Math.floor(at / this.#windowSize)];
      const window = buffer?.subarray(at % this.#windowSize, (at % this.#windowSize) + offset + length - at);
      if (window === undefined) throw new RangeError(`no window at ${at}`);
      yield window;
      at += window.length;
    }
  }
}
