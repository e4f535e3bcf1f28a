/**
 * CBOR (RFC 8949) as the Nitro Secure Module and its documents use it: definite and indefinite lengths read, definite
 * ones written, shortest integers unless asked otherwise. A reader's result keeps what strict callers look at: the width
 * an integer was encoded in.
 */
export type Cbor =
  | {
      readonly type: 'uint';
      readonly value: bigint /** Bytes after the initial one: 0, 1, 2, 4, 8. */;
      readonly width: number;
    }
  | { readonly type: 'nint' /** The negative number itself. */; readonly value: bigint }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'array'; readonly items: readonly Cbor[] }
  | { readonly type: 'map'; readonly entries: readonly (readonly [Cbor, Cbor])[] }
  | { readonly type: 'tag'; readonly tag: bigint; readonly content: Cbor }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'null' }
  | { readonly type: 'undefined' }
  | { readonly type: 'float'; readonly value: number };

/** The bytes are not CBOR, or more than the limits allow. */
export class CborError extends Error {
  /** Offset of the item that is wrong. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at offset ${offset}`);
    this.offset = offset;
  }
}

export interface CborLimits {
  /** Arrays, maps and tags inside one another. */
  readonly depth: number;
  /** Items in all. */
  readonly items: number;
}

const defaultLimits: CborLimits = { depth: 32, items: 65_536 };
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #limits: CborLimits;
  #items = 0;
  at = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  #need(count: number): void {
    if (this.at + count > this.#bytes.length) throw new CborError('the item is cut off', this.at);
  }

  #byte(): number {
    this.#need(1);
    return this.#view.getUint8(this.at++);
  }

  /** The argument of an initial byte; undefined stands for indefinite length. */
  #argument(info: number): { value: bigint; width: number } | undefined {
    if (info < 24) return { value: BigInt(info), width: 0 };
    if (info === 31) return undefined;
    if (info > 27) throw new CborError('reserved additional information', this.at - 1);
    const width = 1 << (info - 24);
    this.#need(width);
    const at = this.at;
    this.at += width;
    const value =
      width === 8
        ? this.#view.getBigUint64(at)
        : BigInt(
            width === 4 ? this.#view.getUint32(at) : width === 2 ? this.#view.getUint16(at) : this.#view.getUint8(at),
          );
    return { value, width };
  }

  item(depth: number): Cbor {
    const start = this.at;
    if (depth > this.#limits.depth) throw new CborError('nested too deeply', start);
    if (++this.#items > this.#limits.items) throw new CborError('too many items', start);
    const initial = this.#byte();
    const major = initial >> 5;
    const argument = this.#argument(initial & 31);
    switch (major) {
      case 0:
      case 1:
        if (argument === undefined) throw new CborError('an integer without a value', start);
        return major === 0 ? { type: 'uint', ...argument } : { type: 'nint', value: -1n - argument.value };
      case 2:
        return { type: 'bytes', value: this.#string(2, argument?.value, start) };
      case 3:
        return { type: 'text', value: this.#text(this.#string(3, argument?.value, start), start) };
      case 4:
        return { type: 'array', items: this.#sequence(argument?.value, start, () => this.item(depth + 1)) };
      case 5: {
        const pair = (): readonly [Cbor, Cbor] => [this.item(depth + 1), this.item(depth + 1)];
        return { type: 'map', entries: this.#sequence(argument?.value, start, pair) };
      }
      case 6:
        if (argument === undefined) throw new CborError('a tag without a number', start);
        return { type: 'tag', tag: argument.value, content: this.item(depth + 1) };
      default:
        return this.#simple(initial & 31, argument, start);
    }
  }

  #string(major: number, length: bigint | undefined, start: number): Uint8Array {
    if (length !== undefined) return this.#take(length, start);
    const parts: Uint8Array[] = [];
    for (let initial = this.#byte(); initial !== 0xff; initial = this.#byte()) {
      const argument = this.#argument(initial & 31);
      if (initial >> 5 !== major || argument === undefined) throw new CborError('a chunk of another type', this.at - 1);
      if (++this.#items > this.#limits.items) throw new CborError('too many items', start);
      parts.push(this.#take(argument.value, start));
    }
    return Buffer.concat(parts);
  }

  #take(length: bigint, start: number): Uint8Array {
    if (length > BigInt(this.#bytes.length - this.at)) throw new CborError('the string is cut off', start);
    const end = this.at + Number(length);
    const bytes = this.#bytes.slice(this.at, end);
    this.at = end;
    return bytes;
  }

  #text(bytes: Uint8Array, start: number): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new CborError('a text that is not UTF-8', start);
    }
  }

  #sequence<T>(count: bigint | undefined, start: number, next: () => T): T[] {
    const items: T[] = [];
    if (count === undefined) {
      while (this.#bytes[this.at] !== 0xff) items.push(next());
      this.at += 1;
      return items;
    }
    if (count > BigInt(this.#limits.items)) throw new CborError('too many items', start);
    for (let i = 0n; i < count; i++) items.push(next());
    return items;
  }

  #simple(info: number, argument: { value: bigint; width: number } | undefined, start: number): Cbor {
    switch (info) {
      case 20:
      case 21:
        return { type: 'bool', value: info === 21 };
      case 22:
        return { type: 'null' };
      case 23:
        return { type: 'undefined' };
      case 25:
        return { type: 'float', value: halfFloat(Number(argument?.value ?? 0n)) };
      case 26:
        return { type: 'float', value: this.#view.getFloat32(start + 1) };
      case 27:
        return { type: 'float', value: this.#view.getFloat64(start + 1) };
      default:
        throw new CborError(info === 31 ? 'a break without its beginning' : 'an unassigned simple value', start);
    }
  }
}

/** IEEE 754 binary16. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The first item of `bytes` and where it ends. @throws CborError */
export function readCbor(bytes: Uint8Array, limits: CborLimits = defaultLimits): { item: Cbor; end: number } {
  const reader = new Reader(bytes, limits);
  const item = reader.item(0);
  return { item, end: reader.at };
}

/** The value of a text key in a map; of a repeated key the first. */
export function member(map: Cbor, key: string): Cbor | undefined {
  if (map.type !== 'map') return undefined;
  return map.entries.find(([name]) => name.type === 'text' && name.value === key)?.[1];
}

/** The initial byte and argument of an item, in the shortest form or in eight bytes. */
function head(major: number, value: bigint | number, width?: 8): Buffer {
  const n = Number(value);
  const size = width ?? (n < 24 ? 0 : n < 0x100 ? 1 : n < 0x1_0000 ? 2 : n < 0x1_0000_0000 ? 4 : 8);
  const bytes = Buffer.allocUnsafe(1 + size);
  bytes[0] = (major << 5) | (size === 0 ? n : 24 + Math.log2(size));
  if (size === 8) bytes.writeBigUInt64BE(BigInt(value), 1);
  else if (size > 0) bytes.writeUIntBE(n, 1, size);
  return bytes;
}

/** Writers of single items; arrays and maps take items that are written already. */
export const cbor = {
  uint: (value: bigint | number): Buffer => head(0, value),
  /** An unsigned integer in eight bytes, as timestamps are. */
  uint64: (value: bigint | number): Buffer => head(0, value, 8),
  /** A negative integer. */
  nint: (value: bigint | number): Buffer => head(1, -1n - BigInt(value)),
  bytes: (value: Uint8Array): Buffer => Buffer.concat([head(2, value.length), value]),
  text: (value: string): Buffer => {
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([head(3, bytes.length), bytes]);
  },
  array: (items: readonly Uint8Array[]): Buffer => Buffer.concat([head(4, items.length), ...items]),
  map: (entries: readonly (readonly [Uint8Array, Uint8Array])[]): Buffer =>
    Buffer.concat([head(5, entries.length), ...entries.flat()]),
  bool: (value: boolean): Buffer => Buffer.from([value ? 0xf5 : 0xf4]),
  null: Buffer.from([0xf6]),
};
