import type { MessagePort } from 'node:worker_threads';

/** The bell's end that rings, as it is sent to another thread (with `port` in the transfer list). */
export interface BellRope {
  readonly pending: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** Makes a bell; the owner listens on `listener`, the rope goes to the thread that rings. */
export function createBell(): { rope: BellRope; listener: BellRope } {
  const pending = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const { port1, port2 } = new MessageChannel();
  return { rope: { pending, port: port2 as MessagePort }, listener: { pending, port: port1 as MessagePort } };
}

/**
 * Rings the bell of a thread that has an event loop. Rings that come before the listener has run are one ring, so that
 * a busy guest does not fill the queue of the port.
 */
export class Doorbell {
  readonly #pending: Int32Array;
  readonly #port: MessagePort;

  constructor({ pending, port }: BellRope) {
    this.#pending = new Int32Array(pending);
    this.#port = port;
    port.unref();
  }

  ring(): void {
    if (Atomics.exchange(this.#pending, 0, 1) === 0) this.#port.postMessage(0);
  }
}

/** Runs `work` after each ring; a ring during `work` runs it again. */
export function answerBell({ pending, port }: BellRope, work: () => void): void {
  const word = new Int32Array(pending);
  port.on('message', () => {
    Atomics.store(word, 0, 0);
    work();
  });
}
