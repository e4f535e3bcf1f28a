import { Worker } from 'node:worker_threads';
import { boardPorts } from '../../src/hw/i386/board.js';
import type { LineChange } from '../../src/qtest/target.js';
import type { BoardCalls, BoardReply, BoardThreadData } from './board-thread.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The main thread's end of the board's thread, which never waits for anything. */
export class BoardHandle {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** Resolves when the thread has the devices; rejects when that fails. */
  readonly started: Promise<void>;
  onLineChange: (change: LineChange) => void = () => {};
  #tid = 0;
  #lastId = 0;
  #ended = false;

  constructor(data: BoardThreadData) {
    const worker = new URL('./board.worker.js', import.meta.url);
    this.#worker = new Worker(worker, { workerData: data, transferList: boardPorts(data.board) });
    this.started = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: () => resolve(), reject }));
    this.#worker.on('message', (reply: BoardReply) => this.#take(reply));
    this.#worker.once('error', (error) => this.#end(`qtest thread: ${error.message}`));
    this.#worker.once('exit', () => this.#end('the qtest thread has ended'));
  }

  /** Host thread id. */
  get threadId(): number {
    return this.#tid;
  }

  #take(reply: BoardReply): void {
    switch (reply.type) {
      case 'started':
        this.#tid = reply.tid;
        this.#settle(0)?.resolve(undefined);
        break;
      case 'line':
        this.onLineChange(reply);
        break;
      case 'result':
        this.#settle(reply.id)?.resolve(reply.value);
        break;
      case 'failed':
        this.#settle(reply.id)?.reject(new Error(reply.message));
        break;
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #end(text: string): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new Error(text));
    this.#waiting.clear();
  }

  /** Calls are done in their order. @throws Error with the step that failed, or when the thread has ended */
  call<K extends keyof BoardCalls>(call: K, ...args: Parameters<BoardCalls[K]>): Promise<ReturnType<BoardCalls[K]>> {
    if (this.#ended) return Promise.reject(new Error('the qtest thread has ended'));
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, call, args });
    return answer as Promise<ReturnType<BoardCalls[K]>>;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
