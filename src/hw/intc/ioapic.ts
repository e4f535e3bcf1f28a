import type { IoWindow } from '../../system/io-bus.js';
import { IOAPIC_PINS } from '../i386/memory-layout.js';
import type { InterruptMessage } from './delivery.js';

/** The version with an EOI register (82093AA-compatible chips since ICH). */
const VERSION = 0x20;
/** The last redirection entry, in bits 16 to 23 of the version register. */
const MAX_ENTRY = (IOAPIC_PINS - 1) << 16;

const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOI = 0x40;
const register = { id: 0, version: 1, arbitration: 2, table: 0x10 } as const;

// The low word of a redirection entry (82093AA data sheet, 3.2.4).
const VECTOR = 0xff;
const LOGICAL = 1 << 11;
const DELIVERY_STATUS = 1 << 12;
const REMOTE_IRR = 1 << 14;
const LEVEL = 1 << 15;
const MASKED = 1 << 16;
const READ_ONLY = DELIVERY_STATUS | REMOTE_IRR;
const WRITABLE_LOW = 0x1afff & ~READ_ONLY;
const WRITABLE_HIGH = 0xff000000;

/** The I/O APIC: 24 pins that become messages to local APICs (Intel 82093AA data sheet, 290566-001). */
export class IoApic implements IoWindow {
  readonly #low = new Int32Array(IOAPIC_PINS);
  readonly #high = new Int32Array(IOAPIC_PINS);
  readonly #deliver: (message: InterruptMessage) => void;
  /** Pins that are high. */
  #lines = 0;
  #select = 0;
  #id = 0;

  constructor(deliver: (message: InterruptMessage) => void) {
    this.#deliver = deliver;
    this.reset();
  }

  reset(): void {
    this.#low.fill(MASKED);
    this.#high.fill(0);
    this.#select = 0;
    this.#id = 0;
  }

  /** @param pin 0 to 23 */
  setLine(pin: number, level: boolean): void {
    const bit = 1 << pin;
    const rises = level && !(this.#lines & bit);
    this.#lines = level ? this.#lines | bit : this.#lines & ~bit;
    const entry = this.#entry(pin);
    if (entry & LEVEL) this.#serviceLevel(pin);
    // A masked pin forgets edges (3.2.4, bit 16).
    else if (rises && !(entry & MASKED)) this.#send(pin);
  }

  /** A local APIC has done with a level-triggered vector. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = this.#entry(pin);
      if ((entry & VECTOR) !== vector || !(entry & LEVEL) || !(entry & REMOTE_IRR)) continue;
      this.#low[pin] = entry & ~REMOTE_IRR;
      this.#serviceLevel(pin);
    }
  }

  read(offset: number, data: Uint8Array): void {
    data.fill(0);
    let value = 0;
    if (offset === IOREGSEL) value = this.#select;
    else if (offset === IOWIN && data.length === 4) value = this.#readRegister();
    for (let i = 0; i < Math.min(data.length, 4); i++) data[i] = value >>> (8 * i);
  }

  write(offset: number, data: Uint8Array): void {
    if (offset === IOREGSEL) this.#select = data[0] ?? 0;
    else if (data.length !== 4) return;
    else if (offset === IOWIN) this.#writeRegister(new DataView(data.buffer, data.byteOffset).getInt32(0, true));
    else if (offset === EOI) this.endOfInterrupt(data[0] ?? 0);
  }

  #readRegister(): number {
    switch (this.#select) {
      case register.id:
      case register.arbitration:
        return this.#id << 24;
      case register.version:
        return MAX_ENTRY | VERSION;
      default: {
        const index = this.#select - register.table;
        return (index & 1 ? this.#high[index >> 1] : this.#low[index >> 1]) ?? 0;
      }
    }
  }

  #writeRegister(value: number): void {
    if (this.#select === register.id) this.#id = (value >>> 24) & 0xf;
    const index = this.#select - register.table;
    const pin = index >> 1;
    if (index < 0 || pin >= IOAPIC_PINS) return;
    if (index & 1) {
      this.#high[pin] = value & WRITABLE_HIGH;
      return;
    }
    const entry = (value & WRITABLE_LOW) | (this.#entry(pin) & READ_ONLY);
    this.#low[pin] = entry & LEVEL ? entry : entry & ~REMOTE_IRR;
    this.#serviceLevel(pin);
  }

  /** Sends the interrupt of a level pin that is high, once until its EOI. */
  #serviceLevel(pin: number): void {
    const entry = this.#entry(pin);
    if (!(entry & LEVEL) || entry & (MASKED | REMOTE_IRR) || !(this.#lines & (1 << pin))) return;
    this.#low[pin] = entry | REMOTE_IRR;
    this.#send(pin);
  }

  #send(pin: number): void {
    const entry = this.#entry(pin);
    this.#deliver({
      vector: entry & VECTOR,
      mode: (entry >> 8) & 7,
      logical: (entry & LOGICAL) !== 0,
      destination: (this.#high[pin] ?? 0) >>> 24,
      level: (entry & LEVEL) !== 0,
    });
  }

  #entry(pin: number): number {
    return this.#low[pin] ?? 0;
  }
}
