import { Worker } from 'node:worker_threads';
import { boardPorts } from '../../src/hw/i386/board.js';
import { Run } from './abi.js';
import type { VcpuStop } from './vcpu.js';
import type { VcpuCalls, VcpuReply, VcpuThreadData } from './vcpu-thread.js';

/** What the handle needs of src/host. */
export interface KickHost {
  takeKicks(): void;
  kickThread(tid: number): void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Live handles: their threads must leave KVM_RUN before Node can end the process. */
const live = new Set<VcpuHandle>();
let exitWatched = false;

/** The main thread's end of a vCPU. */
export class VcpuHandle {
  readonly #worker: Worker;
  readonly #host: KickHost;
  /** struct kvm_run. */
  readonly #run: Uint8Array;
  readonly #onStop: (stop: VcpuStop) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  /** Resolves when the thread has its vCPU in hand; rejects when that fails. */
  readonly started: Promise<void>;
  #tid = 0;
  #lastId = 0;
  #ending = false;

  /**
   * @param worker file of the thread
   * @param run the view of kvm_run of this thread
   * @param onStop the vCPU does not go on by itself, or its thread has died
   */
  constructor(worker: URL, data: VcpuThreadData, run: Uint8Array, host: KickHost, onStop: (stop: VcpuStop) => void) {
    this.#host = host;
    this.#run = run;
    this.#onStop = onStop;
    host.takeKicks();
    this.#worker = new Worker(worker, { workerData: data, transferList: boardPorts(data.board) });
    this.started = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: () => resolve(), reject }));
    this.#worker.on('message', (reply: VcpuReply) => this.#take(reply));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('error', (error) => this.#die(`vCPU thread: ${error.message}`));
      this.#worker.once('exit', () => {
        this.#die('vCPU thread ended');
        live.delete(this);
        resolve();
      });
    });
    live.add(this);
    if (exitWatched) return;
    exitWatched = true;
    process.once('exit', () => {
      for (const handle of live) handle.stop();
    });
  }

  /** Host thread id, 0 before it has started. */
  get threadId(): number {
    return this.#tid;
  }

  #take(reply: VcpuReply): void {
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
    if (live.has(this) && !this.#ending) this.#onStop({ type: 'internal-error', text });
    for (const { reject } of this.#waiting.values()) reject(new Error(text));
    this.#waiting.clear();
    this.#ending = true;
  }

  /** Makes the thread do something between two instructions of the guest. @throws Error with the step that failed */
  call<K extends keyof VcpuCalls>(call: K, ...args: Parameters<VcpuCalls[K]>): Promise<ReturnType<VcpuCalls[K]>> {
    if (this.#ending) return Promise.reject(new Error('vCPU thread ended'));
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, call, args });
    this.#kick();
    return answer as Promise<ReturnType<VcpuCalls[K]>>;
  }

  #kick(): void {
    Atomics.store(this.#run, Run.immediate_exit, 1);
    if (this.#tid !== 0) this.#host.kickThread(this.#tid);
  }

  /** Ends the thread, wherever it is. Resolves when it is gone. */
  async end(): Promise<void> {
    this.stop();
    await this.#ended;
  }

  /** Node ends the thread at the next step of its JavaScript; the kick gets it there. */
  stop(): void {
    this.#ending = true;
    void this.#worker.terminate();
    this.#kick();
  }
}
