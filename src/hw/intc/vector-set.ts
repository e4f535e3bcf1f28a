/** A set of interrupt vectors 0 to 255, laid out as the 256-bit registers of a local APIC. */
export class VectorSet {
  readonly #words = new Int32Array(8);

  add(vector: number): void {
    const word = vector >> 5;
    this.#words[word] = this.word(word) | (1 << (vector & 31));
  }

  delete(vector: number): void {
    const word = vector >> 5;
    this.#words[word] = this.word(word) & ~(1 << (vector & 31));
  }

  has(vector: number): boolean {
    return (this.word(vector >> 5) & (1 << (vector & 31))) !== 0;
  }

  /** @returns the highest vector, or -1 */
  highest(): number {
    for (let index = 7; index >= 0; index--) {
      const word = this.word(index);
      if (word !== 0) return index * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }

  /** Vectors 32 x `index` to 32 x `index` + 31 as bits. */
  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  clear(): void {
    this.#words.fill(0);
  }
}
