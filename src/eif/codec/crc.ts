import { crc32 } from 'node:zlib';
import { CRC_OFFSET, type Section } from './header.js';

/** The reflected polynomial of CRC-32/ISO-HDLC; bit 31 is the coefficient of x^0. */
const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;
const X8 = 0x00800000;

/** a * b modulo the CRC polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted >>> 1) ^ ((shifted & 1) * POLYNOMIAL);
  }
  return product >>> 0;
}

/**
 * The CRC-32 of two byte strings joined, from the CRC of each.
 *
 * @param second length of the second string in bytes, 0 to 2^53 - 1
 */
export function crc32Combine(firstCrc: number, secondCrc: number, second: number): number {
  // Appending n bytes multiplies the first remainder by x^(8n); squaring makes that 53 steps at most.
  let power = X8;
  let shift = ONE;
  for (let n = second; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) shift = multiply(power, shift);
    power = multiply(power, power);
  }
  return (multiply(shift, firstCrc) ^ secondCrc) >>> 0;
}

/**
 * The CRC of an image read once, front to back, whatever the order of its section table: the file is cut at every
 * section boundary, each piece gets a CRC of its own, and the pieces are joined afterwards in the order wanted. So
 * sections may lie in any order, overlap, or leave gaps.
 */
export class ImageCrc {
  readonly #starts: number[];
  readonly #crcs: number[];
  #at = 0;
  #piece = 0;

  constructor(sections: readonly Section[]) {
    const cuts = sections.flatMap((section) => [section.offset, section.payload + section.size]);
    this.#starts = [...new Set([0, CRC_OFFSET, ...cuts])].sort((a, b) => a - b);
    this.#crcs = this.#starts.map(() => 0);
  }

  /** Takes the next bytes of the file. */
  update(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const end = this.#starts[this.#piece + 1] ?? Number.POSITIVE_INFINITY;
      const part = rest.subarray(0, end - this.#at);
      this.#crcs[this.#piece] = crc32(part, this.#crcs[this.#piece]);
      this.#at += part.length;
      if (this.#at === end) this.#piece += 1;
      rest = rest.subarray(part.length);
    }
  }

  /** The CRC of the header (its CRC field left out) followed by `sections` in the order given. */
  over(sections: readonly Section[]): number {
    return sections.reduce(
      (crc, section) => this.#extend(crc, section.offset, section.payload + section.size),
      this.#extend(0, 0, CRC_OFFSET),
    );
  }

  #extend(crc: number, start: number, end: number): number {
    let joined = crc;
    for (const [piece, at] of this.#starts.entries()) {
      const next = this.#starts[piece + 1];
      if (at < start || next === undefined || next > end) continue;
      joined = crc32Combine(joined, this.#crcs[piece] ?? 0, next - at);
    }
    return joined;
  }
}
