import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { threadId } from '../../src/host/threads.js';
import type { BoardPlan, OpenBoard } from '../../src/hw/i386/board.js';
import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import { type IrqPlan, openIrqLines } from '../../src/hw/intc/irq-lines.js';
import { asError } from '../../src/system/errors.js';
import { Vcpu, type VcpuParts, type VcpuStop } from './vcpu.js';

/** What the thread of a vCPU is started with (workerData). */
export interface VcpuThreadData extends VcpuParts {
  readonly board: BoardPlan;
  readonly irqs: IrqPlan;
}

/** What the main thread asks a vCPU to do. */
export interface VcpuCalls {
  reset(boot: CpuState | undefined): void;
  /** @param skip ticks of the time stamp counter that the guest is not to see */
  resume(skip: bigint): void;
  pause(): void;
  nmi(): void;
  registers(): CpuRegisters;
  translate(address: bigint): bigint | undefined;
}

export type VcpuRequest = {
  [K in keyof VcpuCalls]: { readonly id: number; readonly call: K; readonly args: Parameters<VcpuCalls[K]> };
}[keyof VcpuCalls];

export type VcpuReply =
  | { readonly type: 'started'; readonly tid: number }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | VcpuStop;

/**
 * The body of a vCPU's worker thread. While the guest runs the thread does not come back to its event loop: the main
 * thread posts a request and then kicks it out of KVM_RUN.
 */
export function serveVcpu(openBoard: OpenBoard): void {
  if (parentPort === null) throw new Error('not a worker thread');
  const data = workerData as VcpuThreadData;
  const vcpu = new Vcpu(data, openBoard(data.board, openIrqLines(data.irqs)));
  new VcpuThread(vcpu, parentPort).serve();
}

class VcpuThread implements VcpuCalls {
  readonly #vcpu: Vcpu;
  readonly #port: MessagePort;
  #running = false;

  constructor(vcpu: Vcpu, port: MessagePort) {
    this.#vcpu = vcpu;
    this.#port = port;
  }

  serve(): void {
    this.#port.on('message', (request: VcpuRequest) => {
      this.#answer(request);
      this.#run();
    });
    this.#post({ type: 'started', tid: threadId() });
  }

  #post(reply: VcpuReply): void {
    this.#port.postMessage(reply);
  }

  #answer(request: VcpuRequest): void {
    const { id, call } = request;
    try {
      this.#post({ type: 'result', id, value: this.#call(request) });
    } catch (error) {
      this.#post({ type: 'failed', id, message: `${call}: ${asError(error).message}` });
    }
  }

  #call(request: VcpuRequest): unknown {
    switch (request.call) {
      case 'reset':
        return this.reset(...request.args);
      case 'resume':
        return this.resume(...request.args);
      case 'translate':
        return this.translate(...request.args);
      default:
        return this[request.call]();
    }
  }

  #run(): void {
    while (this.#running) {
      const stop = this.#vcpu.run();
      if (stop !== undefined) {
        this.#running = false;
        this.#post(stop);
      }
      for (;;) {
        const received = receiveMessageOnPort(this.#port);
        if (received === undefined) break;
        this.#answer(received.message as VcpuRequest);
      }
    }
  }

  reset(boot: CpuState | undefined): void {
    this.#vcpu.reset(boot);
  }

  resume(skip: bigint): void {
    this.#vcpu.skipTime(skip);
    this.#running = true;
  }

  pause(): void {
    this.#running = false;
  }

  nmi(): void {
    this.#vcpu.nmi();
  }

  registers(): CpuRegisters {
    return this.#vcpu.registers();
  }

  translate(address: bigint): bigint | undefined {
    return this.#vcpu.translate(address);
  }
}
