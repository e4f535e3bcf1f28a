import type { BoardDevice } from '../../src/hw/i386/board.js';
import type { IoWindow } from '../../src/system/io-bus.js';

/** Ports or bytes that a probe answers. */
export const probeSize = 0x100;

const WRITES = 0;
const READS = 1;
const THROWS = 2;
const ANSWER = 16;
const LOG = 32;
const ENTRY = 16;
const LOG_ENTRIES = 256;

/** A device that writes down what a guest does to it, and answers reads with bytes that the test chose. */
export class Probe {
  readonly registers: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(registers = new SharedArrayBuffer(LOG + ENTRY * LOG_ENTRIES)) {
    this.registers = registers;
    this.#words = new Int32Array(registers);
    this.#bytes = new Uint8Array(registers);
  }

  device(base: number): BoardDevice {
    return { model: 'probe', base, registers: this.registers };
  }

  /** What reads give, repeated; at most 8 bytes. */
  set answer(bytes: readonly number[]) {
    for (let i = 0; i < 8; i++) this.#bytes[ANSWER + i] = bytes[i % bytes.length] ?? 0;
  }

  /** Makes the device fail, as only a bug of ours would. */
  breakDown(): void {
    Atomics.store(this.#words, THROWS, 1);
  }

  get writes(): number {
    return Atomics.load(this.#words, WRITES);
  }

  get reads(): number {
    return Atomics.load(this.#words, READS);
  }

  /** The first 256 writes, as offset and bytes. */
  get log(): { offset: number; bytes: number[] }[] {
    return Array.from({ length: Math.min(this.writes, LOG_ENTRIES) }, (_, i) => {
      const at = LOG + i * ENTRY;
      const size = this.#bytes[at + 1] ?? 0;
      return { offset: this.#bytes[at] ?? 0, bytes: [...this.#bytes.subarray(at + 8, at + 8 + size)] };
    });
  }

  /** The bytes written to offset 0, one after the other. */
  get text(): string {
    return Buffer.from(this.log.filter(({ offset }) => offset === 0).flatMap(({ bytes }) => bytes)).toString('latin1');
  }

  read(data: Uint8Array): void {
    if (Atomics.load(this.#words, THROWS) === 1) throw new Error('probe broke down');
    data.set(this.#bytes.subarray(ANSWER, ANSWER + data.length));
    Atomics.add(this.#words, READS, 1);
  }

  write(offset: number, data: Uint8Array): void {
    const index = Atomics.load(this.#words, WRITES);
    if (index < LOG_ENTRIES) {
      const at = LOG + index * ENTRY;
      this.#bytes[at] = offset;
      this.#bytes[at + 1] = data.length;
      this.#bytes.set(data, at + 8);
    }
    Atomics.add(this.#words, WRITES, 1);
  }
}

export function probeWindow(registers: SharedArrayBuffer): IoWindow {
  const probe = new Probe(registers);
  return { read: (_offset, data) => probe.read(data), write: (offset, data) => probe.write(offset, data) };
}
