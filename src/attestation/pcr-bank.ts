import { createHash } from 'node:crypto';

/** Registers of a Nitro Secure Module. */
export const PCR_COUNT = 32;
/** Bytes of a register: SHA-384. */
export const PCR_SIZE = 48;

/** The PCR bank: 32 registers of 48 bytes, zero and unlocked after a reset; a lock stays until the next (spec nsm.md, 4). */
export class PcrBank {
  readonly #values: Uint8Array[] = [];
  readonly #locked: boolean[] = [];

  constructor() {
    this.reset();
  }

  reset(): void {
    for (let i = 0; i < PCR_COUNT; i++) {
      this.#values[i] = new Uint8Array(PCR_SIZE);
      this.#locked[i] = false;
    }
  }

  has(index: number): boolean {
    return Number.isInteger(index) && index >= 0 && index < PCR_COUNT;
  }

  /** @throws RangeError for an index from 32 up */
  value(index: number): Uint8Array {
    const value = this.#values[index];
    if (value === undefined) throw new RangeError(`there is no PCR ${index}`);
    return value;
  }

  isLocked(index: number): boolean {
    return this.#locked[index] === true;
  }

  /** new = SHA-384(old || data), `data` of any length. @returns the new value */
  extend(index: number, data: Uint8Array): Uint8Array {
    const value = createHash('sha384').update(this.value(index)).update(data).digest();
    this.#values[index] = value;
    return value;
  }

  /** Puts a measured value in place, as the machine does at boot. */
  load(index: number, value: Uint8Array): void {
    if (value.length !== PCR_SIZE) throw new RangeError(`a PCR has ${PCR_SIZE} bytes, not ${value.length}`);
    this.#values[index] = value.slice();
  }

  lock(index: number): void {
    this.#locked[index] = true;
  }

  /** Copies of the locked registers, by index: what a document lists. */
  locked(): Map<number, Uint8Array> {
    return new Map(this.lockedIndices().map((index) => [index, this.value(index).slice()]));
  }

  /** Indices of locked registers, ascending. */
  lockedIndices(): number[] {
    return this.#locked.flatMap((locked, index) => (locked ? [index] : []));
  }
}
