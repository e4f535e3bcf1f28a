/** A window of guest RAM with the typed views that ring fields need. */
class Part {
  readonly start: number;
  readonly end: number;
  readonly view: DataView;
  readonly halves: Uint16Array | undefined;

  constructor(bytes: Uint8Array, start: number) {
    this.start = start;
    this.end = start + bytes.length;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // Only rings are accessed by atomic halves, and they are aligned; an indirect table may lie anywhere.
    const aligned = bytes.byteOffset % 2 === 0;
    this.halves = aligned ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1) : undefined;
  }
}

/**
 * A part of a ring in guest RAM, little-endian like the hosts this runs on. It may be cut where RAM's windows end; no
 * field is, as windows end at multiples of 16 (tables at any address are read bytewise there).
 */
export class RingArea {
  /** Bytes. */
  readonly size: number;
  readonly #parts: Part[] = [];

  constructor(slices: readonly Uint8Array[]) {
    let size = 0;
    for (const slice of slices) {
      this.#parts.push(new Part(slice, size));
      size += slice.length;
    }
    this.size = size;
  }

  get16(offset: number): number {
    const part = this.#part(offset, 2);
    return part === undefined ? this.#bytewise(offset, 2) : part.view.getUint16(offset - part.start, true);
  }

  get32(offset: number): number {
    const part = this.#part(offset, 4);
    return part === undefined ? this.#bytewise(offset, 4) : part.view.getUint32(offset - part.start, true);
  }

  get64(offset: number): bigint {
    return BigInt(this.get32(offset)) | (BigInt(this.get32(offset + 4)) << 32n);
  }

  set32(offset: number, value: number): void {
    const part = this.#aligned(offset, 4);
    part.view.setUint32(offset - part.start, value, true);
  }

  /** An atomic, sequentially consistent load: nothing after it is read before it. */
  load16(offset: number): number {
    const { halves, start } = this.#aligned(offset, 2);
    return Atomics.load(halves, (offset - start) >> 1);
  }

  /** An atomic, sequentially consistent store: everything before it is seen before it, and it is a full barrier. */
  store16(offset: number, value: number): void {
    const { halves, start } = this.#aligned(offset, 2);
    Atomics.store(halves, (offset - start) >> 1, value);
  }

  #part(offset: number, length: number): Part | undefined {
    return this.#parts.find(({ start, end }) => offset >= start && offset + length <= end);
  }

  #aligned(offset: number, length: number): Part & { readonly halves: Uint16Array } {
    const part = this.#part(offset, length);
    if (part?.halves === undefined) throw new RangeError(`no aligned ring field at ${offset}`);
    return part as Part & { readonly halves: Uint16Array };
  }

  #bytewise(offset: number, length: number): number {
    let value = 0;
    for (let i = length - 1; i >= 0; i--) {
      const part = this.#part(offset + i, 1);
      if (part === undefined) throw new RangeError(`${length} bytes at ${offset} are outside of a ring`);
      value = value * 256 + part.view.getUint8(offset + i - part.start);
    }
    return value;
  }
}
