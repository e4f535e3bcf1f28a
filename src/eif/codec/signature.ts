import { QemuError } from '../../system/errors.js';

/** One signature of an image (spec eif.md, section 9). */
export interface SignatureEntry {
  /** PEM text of the signing certificate. */
  certificate: Uint8Array;
  /** COSE_Sign1 over PCR0. */
  signature: Uint8Array;
}

const Major = { unsigned: 0, text: 3, array: 4, map: 5 } as const;
/** The argument form of integers up to 255. */
const BYTE_FORM = 24;
const majorNames = [
  'unsigned integer',
  'negative integer',
  'byte string',
  'text',
  'array',
  'map',
  'tag',
  'simple value',
];

/**
 * Reads the payload of a signature section: array(n >= 1) of map(2) {"signing_certificate": array of bytes,
 * "signature": array of bytes}, definite lengths, no tags, nothing after it. Only this one shape is read, so there is no nesting
 * to bound, and no array longer than its payload is allocated.
 *
 * @throws QemuError `Failed to load signature section data as CBOR` when the bytes end early, `Invalid signature CBOR`
 *   for any other shape, with the byte offset in the hint
 */
export function parseSignature(payload: Uint8Array): SignatureEntry[] {
  const reader = new Reader(payload);
  const count = reader.head(Major.array);
  if (count === 0) throw reader.invalid('the array of signatures is empty');
  const entries: SignatureEntry[] = [];
  for (let i = 0; i < count; i++) {
    if (reader.head(Major.map) !== 2) throw reader.invalid('a signature is not a map of 2 pairs');
    const certificate = reader.member('signing_certificate');
    const signature = reader.member('signature');
    entries.push({ certificate, signature });
  }
  if (!reader.atEnd) throw reader.invalid('bytes follow the signatures');
  return entries;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  invalid(why: string): QemuError {
    return new QemuError('Invalid signature CBOR', { hint: `at byte ${this.#at} of the section: ${why}` });
  }

  /** The argument of the next item, which must be of the type named; `widest` bounds the form of the argument. */
  head(major: number, widest = 27): number {
    const initial = this.#byte();
    const found = initial >> 5;
    if (found !== major) throw this.invalid(`expected ${majorNames[major]}, found ${majorNames[found]}`);
    const info = initial & 31;
    if (info < 24) return info;
    if (info > widest) throw this.invalid(`argument form ${info} is not allowed here`);
    let value = 0;
    for (let i = 0; i < 2 ** (info - 24); i++) value = value * 256 + this.#byte();
    return value;
  }

  /** The bytes of the next pair, whose key must be `key` and whose value an array of integers 0..255, not empty. */
  member(key: string): Uint8Array {
    const length = this.head(Major.text);
    const found = this.#take(length);
    if (length !== key.length || found.some((byte, i) => byte !== key.charCodeAt(i))) {
      throw this.invalid(`expected key "${key}"`);
    }
    const count = this.head(Major.array);
    if (count === 0) throw this.invalid(`"${key}" is empty`);
    // Each element takes at least one byte.
    if (count > this.#bytes.length - this.#at) throw this.#short();
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      bytes[i] = this.head(Major.unsigned, BYTE_FORM);
    }
    return bytes;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#short();
    this.#at += 1;
    return byte;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.#short();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #short(): QemuError {
    return new QemuError('Failed to load signature section data as CBOR', {
      hint: `the section ends early, at byte ${this.#bytes.length}`,
    });
  }
}
