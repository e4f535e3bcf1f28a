import { Worker } from 'node:worker_threads';
import { boardPorts } from '../../src/hw/i386/board.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { TcgCalls, TcgReply, TcgStop, TcgThreadData } from './tcg-thread.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The main thread's end of the thread that has the vCPUs. */
export class TcgHandle {
  readonly #worker: Worker;
  readonly #lines: SharedIrqWords;
  readonly #requests: Int32Array;
  readonly #onStop: (stop: TcgStop) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  /** Resolves when the thread is ready; rejects when that fails. */
  readonly started: Promise<void>;
  #tid = 0;
  #lastId = 0;
  #ending = false;

  /**
   * @param worker file of the thread
   * @param onStop the machine does not go on by itself, or its thread has died
   */
  constructor(worker: URL, data: TcgThreadData, onStop: (stop: TcgStop) => void) {
    this.#lines = new SharedIrqWords(data.lines);
    this.#requests = new Int32Array(data.requests);
    this.#onStop = onStop;
    this.#worker = new Worker(worker, { workerData: data, transferList: boardPorts(data.board) });
    this.started = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: () => resolve(), reject }));
    this.#worker.on('message', (reply: TcgReply) => this.#take(reply));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('error', (error) => this.#die(`vCPU thread: ${error.message}`));
      this.#worker.once('exit', () => {
        this.#die('vCPU thread ended');
        resolve();
      });
    });
  }

  /** Host thread id, 0 before it has started. */
  get threadId(): number {
    return this.#tid;
  }

  #take(reply: TcgReply): void {
    switch (reply.type) {
      case 'started':
        this.#tid = reply.tid;
        this.#settle(0)?.resolve(undefined);
        break;
      case 'result':
        this.#settle(reply.id)?.resolve(reply.value);
        break;
      case 'failed':
        this.#settle(reply.id)?.reject(new Error(reply.message));
        break;
      default:
        this.#onStop(reply);
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #die(text: string): void {
    if (!this.#ending) this.#onStop({ type: 'internal-error', cpu: 0, text });
    for (const { reject } of this.#waiting.values()) reject(new Error(text));
    this.#waiting.clear();
    this.#ending = true;
  }

  /** Makes the thread do something between two instructions of the guest. @throws Error with the step that failed */
  call<K extends keyof TcgCalls>(call: K, ...args: Parameters<TcgCalls[K]>): Promise<ReturnType<TcgCalls[K]>> {
    if (this.#ending) return Promise.reject(new Error('the virtual machine is closed'));
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, call, args });
    // Counted when it can be received.
    Atomics.add(this.#requests, 0, 1);
    this.#lines.kick();
    return answer as Promise<ReturnType<TcgCalls[K]>>;
  }

  /** Ends the thread, wherever it is. Resolves when it is gone. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#worker.terminate();
    await this.#ended;
  }
}
