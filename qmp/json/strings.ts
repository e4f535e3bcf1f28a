/**
 * String tokens of QEMU's JSON dialect. Text is "modified UTF-8": code point 0 may come as C0 80; surrogates,
 * noncharacters (U+FDD0 to U+FDEF, the last two of each plane) and other overlong forms are invalid (util/unicode.c).
 */

const replacement = 0xfffd;
const lowestOfLength = [0, 0, 0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000];
/** `"`, `'`, `/`, `\\`, b, f, n, r, t. */
const simpleEscapes: Readonly<Record<number, number>> = {
  34: 34,
  39: 39,
  47: 47,
  92: 92,
  98: 8,
  102: 12,
  110: 10,
  114: 13,
  116: 9,
};

function isCharacter(codePoint: number): boolean {
  return (
    codePoint >= 0 &&
    codePoint <= 0x10ffff &&
    !(codePoint >= 0xd800 && codePoint <= 0xdfff) &&
    !(codePoint >= 0xfdd0 && codePoint <= 0xfdef) &&
    (codePoint & 0xfffe) !== 0xfffe
  );
}

/** The sequence at `at`: `codePoint * 8 + bytes`, or minus the number of bytes to skip when it is invalid. */
function sequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return lead * 8 + 1;
  // A continuation byte, or one that no UTF-8 text contains.
  if (lead < 0xc0 || lead >= 0xfe) return -1;
  const length = Math.clz32(~(lead << 24));
  let codePoint = lead & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i] ?? 0;
    if ((byte & 0xc0) !== 0x80) return -i;
    codePoint = codePoint * 64 + (byte & 0x3f);
  }
  const overlong = codePoint < (lowestOfLength[length] ?? 0) && !(codePoint === 0 && length === 2);
  return overlong || !isCharacter(codePoint) ? -length : codePoint * 8 + length;
}

/** UTF-16 text under construction; never longer than the bytes it comes from. */
class Utf16 {
  readonly #units: Uint16Array;
  #length = 0;

  constructor(maxLength: number) {
    this.#units = new Uint16Array(maxLength);
  }

  add(codePoint: number): void {
    if (codePoint > 0xffff) {
      this.#units[this.#length++] = 0xd7c0 + (codePoint >> 10);
      this.#units[this.#length++] = 0xdc00 | (codePoint & 0x3ff);
    } else {
      this.#units[this.#length++] = codePoint;
    }
  }

  toString(): string {
    return Buffer.from(this.#units.buffer, 0, this.#length * 2).toString('utf16le');
  }
}

/** Text for an error sentence: up to the first NUL, invalid sequences replaced by U+FFFD. */
export function decodeLossy(bytes: Uint8Array): string {
  const text = new Utf16(bytes.length);
  for (let i = 0; i < bytes.length && bytes[i] !== 0; ) {
    const step = sequence(bytes, i);
    text.add(step < 0 ? replacement : step >> 3);
    i += step < 0 ? -step : step & 7;
  }
  return text.toString();
}

/**
 * The value of a string token, quotes included in `bytes`.
 *
 * @param fail told QEMU's sentence, less `JSON parse error, `, when the string is invalid
 */
export function decodeString(bytes: Uint8Array, fail: (why: string) => void): string | undefined {
  const end = bytes.length - 1;
  const text = new Utf16(bytes.length);
  for (let i = 1; i < end; ) {
    if (bytes[i] !== 0x5c) {
      const step = sequence(bytes, i);
      if (step < 0) {
        fail('invalid UTF-8 sequence in string');
        return undefined;
      }
      text.add(step >> 3);
      i += step & 7;
      continue;
    }
    const letter = bytes[i + 1] ?? 0;
    if (letter !== 0x75) {
      const plain = simpleEscapes[letter];
      if (plain === undefined) {
        fail('invalid escape sequence in string');
        return undefined;
      }
      text.add(plain);
      i += 2;
      continue;
    }
    let codePoint = hex4(bytes, i + 2);
    let length = 6;
    if (codePoint >= 0xd800 && codePoint <= 0xdbff && bytes[i + 6] === 0x5c && bytes[i + 7] === 0x75) {
      const trailing = hex4(bytes, i + 8);
      const paired = trailing >= 0xdc00 && trailing <= 0xdfff;
      codePoint = paired ? 0x10000 + ((codePoint & 0x3ff) << 10) + (trailing & 0x3ff) : -1;
      if (paired) length = 12;
    }
    if (!isCharacter(codePoint)) {
      fail(`${decodeLossy(bytes.subarray(i, i + length))} is not a valid Unicode character`);
      return undefined;
    }
    text.add(codePoint);
    i += length;
  }
  return text.toString();
}

/** Four hexadecimal digits as a number, or -1. */
function hex4(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const digit = hexDigit(bytes[i] ?? 0);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
