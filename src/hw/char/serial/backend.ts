import type { CharFrontend, CharPort } from '../../../chardev/chardev.js';
import type { IrqLine } from '../../../system/irq.js';
import { SerialMemory } from './serial-memory.js';
import type { Uart } from './uart.js';

/** Bytes given to the character device at a time. */
const OUTPUT_CHUNK = 16_384;

/**
 * The other side of a serial port, on the main thread: takes what the guest writes as fast as the character device takes
 * it, and feeds the FIFO with what comes from there as fast as the guest reads it.
 */
export class SerialBackend implements CharFrontend {
  readonly #memory: SerialMemory;
  readonly #uart: Uart;
  readonly #input: Uint8Array[] = [];
  #port: CharPort | undefined;
  #blocked = false;

  constructor(registers: SharedArrayBuffer, irq: IrqLine) {
    this.#memory = new SerialMemory(registers);
    this.#uart = this.#memory.uart({
      interrupt: (up) => (up ? irq.raise() : irq.lower()),
      transmit: () => true,
      drained() {},
    });
  }

  /** What the guest has written waits until there is a port. */
  connect(port: CharPort): void {
    this.#port = port;
    this.poll();
  }

  /** The guest did something. */
  poll(): void {
    this.#send();
    this.#feed();
  }

  receive(data: Uint8Array): void {
    this.#input.push(data);
    this.#feed();
  }

  break(): void {
    this.#memory.lock.run(() => this.#uart.receiveBreak());
  }

  drained(): void {
    this.#blocked = false;
    this.#send();
  }

  reset(): void {
    this.#memory.lock.run(() => this.#uart.reset());
    this.#feed();
  }

  /** Gives the character device all that the guest has written, whether it is ready or not. */
  flush(): void {
    while (this.#memory.output.length > 0) this.#port?.write(this.#memory.output.take(OUTPUT_CHUNK));
  }

  #send(): void {
    const { output, lock } = this.#memory;
    const port = this.#port;
    if (port === undefined) return;
    while (!this.#blocked && output.length > 0) {
      this.#blocked = !port.write(output.take(OUTPUT_CHUNK));
    }
    if (this.#memory.hasRoom) lock.run(() => this.#uart.transmitterReady());
  }

  #feed(): void {
    const memory = this.#memory;
    memory.inputWaits = this.#input.length > 0;
    memory.lock.run(() => {
      for (let [first] = this.#input; first !== undefined; [first] = this.#input) {
        const count = Math.min(this.#uart.room, first.length);
        for (const byte of first.subarray(0, count)) this.#uart.receive(byte);
        if (count < first.length) {
          this.#input[0] = first.subarray(count);
          break;
        }
        this.#input.shift();
      }
      memory.inputWaits = this.#input.length > 0;
    });
    if (this.#input.length > 0) this.#port?.pause();
    else this.#port?.resume();
  }
}
