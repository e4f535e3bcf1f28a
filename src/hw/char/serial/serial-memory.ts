import { ByteRing } from '../../../system/byte-ring.js';
import { SharedLock } from '../../../system/shared-lock.js';
import { UART_FIFO, UART_WORDS, Uart, type UartEvents } from './uart.js';

/** Bytes on their way to the character device: some screens of kernel messages. */
const OUTPUT_BYTES = 65_536;
const LOCK = 0;
const INPUT_WAITS = 1;
const UART = 2;
const OUTPUT_OFFSET = 4 * (UART + UART_WORDS);

/** What a serial port has in shared memory: the UART, the bytes that wait to be taken, and a lock. */
export class SerialMemory {
  readonly lock: SharedLock;
  readonly output: ByteRing;
  readonly #words: Int32Array;

  /** @param buffer made by `SerialMemory.create` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, UART + UART_WORDS);
    this.lock = new SharedLock(this.#words.subarray(LOCK, LOCK + 1));
    this.output = new ByteRing(buffer, OUTPUT_OFFSET, OUTPUT_BYTES);
  }

  static create(): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(OUTPUT_OFFSET + ByteRing.size(OUTPUT_BYTES));
    new SerialMemory(buffer).uart({ interrupt() {}, transmit: () => true, drained() {} }).reset();
    return buffer;
  }

  uart(events: UartEvents): Uart {
    return new Uart(this.#words.subarray(UART), events);
  }

  /** There is input that did not fit into the FIFO. */
  get inputWaits(): boolean {
    return Atomics.load(this.#words, INPUT_WAITS) !== 0;
  }

  set inputWaits(waits: boolean) {
    Atomics.store(this.#words, INPUT_WAITS, waits ? 1 : 0);
  }

  /** The guest may write a whole FIFO without looking. */
  get hasRoom(): boolean {
    return this.output.free >= UART_FIFO;
  }
}
