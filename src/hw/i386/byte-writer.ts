/** Builds a little-endian structure from front to back. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  /** An unsigned integer of `size` bytes, 1 to 8. */
  uint(value: number, size: number): this {
    let rest = value;
    for (let i = 0; i < size; i++) {
      this.#bytes.push(rest % 256);
      rest = Math.floor(rest / 256);
    }
    return this;
  }

  u8(...values: number[]): this {
    this.#bytes.push(...values);
    return this;
  }

  u16(value: number): this {
    return this.uint(value, 2);
  }

  u32(value: number): this {
    return this.uint(value, 4);
  }

  u64(value: number): this {
    return this.uint(value, 8);
  }

  /** ASCII text, filled up with spaces. */
  text(value: string, size = value.length): this {
    return this.append(Buffer.from(value.padEnd(size), 'latin1'));
  }

  zeros(count: number): this {
    return this.append(new Uint8Array(count));
  }

  append(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Sets the byte at `at` so that all of `bytes` add up to 0 modulo 256. */
export function setChecksum(bytes: Uint8Array, at: number): void {
  bytes[at] = 0;
  bytes[at] = -bytes.reduce((sum, byte) => sum + byte, 0);
}
