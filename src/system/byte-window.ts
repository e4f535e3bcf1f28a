import type { IoWindow } from './io-bus.js';

/** A device whose registers are bytes. */
export interface ByteRegisters {
  /** @returns 0 to 255 */
  read(offset: number): number;
  write(offset: number, value: number): void;
}

/** The window of byte registers: a wider access is one of each byte, in ascending order, as on the ISA bus. */
export function byteWindow(registers: ByteRegisters): IoWindow {
  return {
    read(offset, data) {
      for (let i = 0; i < data.length; i++) data[i] = registers.read(offset + i);
    },
    write(offset, data) {
      for (const [i, value] of data.entries()) registers.write(offset + i, value);
    },
  };
}
