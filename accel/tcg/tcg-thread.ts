import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { RegisterName } from '../../src/gdbstub/registers.js';
import type { Breakpoint, BreakpointHit } from '../../src/gdbstub/target.js';
import { threadId } from '../../src/host/threads.js';
import type { BoardPlan, OpenBoard } from '../../src/hw/i386/board.js';
import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { CpuidLeaf } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { type IrqPlan, openIrqLines, SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import { asError } from '../../src/system/errors.js';
import { Engine, type EngineStop } from './engine.js';
import { failureText } from './failure.js';

/** What the thread is started with (workerData). */
export interface TcgThreadData {
  readonly memory: WebAssembly.Memory;
  readonly ramLow: number;
  readonly ramHigh: number;
  readonly cpuid: readonly (readonly CpuidLeaf[])[];
  readonly board: BoardPlan;
  readonly lines: SharedArrayBuffer;
  /** One Int32: requests that were posted. */
  readonly requests: SharedArrayBuffer;
}

/** What the main thread asks of the machine. */
export interface TcgCalls {
  reset(boot: CpuState): void;
  resume(): void;
  pause(): void;
  nmi(): void;
  registers(cpu: number): CpuRegisters;
  translate(cpu: number, address: bigint): bigint | undefined;
  debugRegisters(cpu: number): Map<RegisterName, bigint>;
  setDebugRegister(cpu: number, name: RegisterName, value: bigint): void;
  readMemory(cpu: number, address: bigint, length: number): Uint8Array | undefined;
  writeMemory(cpu: number, address: bigint, bytes: Uint8Array): boolean;
  setBreakpoints(breakpoints: readonly Breakpoint[]): void;
  step(cpu: number): BreakpointHit | undefined;
}

export type TcgRequest = {
  [K in keyof TcgCalls]: { readonly id: number; readonly call: K; readonly args: Parameters<TcgCalls[K]> };
}[keyof TcgCalls];

export type TcgStop =
  | { readonly type: 'reset' }
  | { readonly type: 'breakpoint'; readonly hit: BreakpointHit }
  | { readonly type: 'internal-error'; readonly cpu: number; readonly text: string };

export type TcgReply =
  | { readonly type: 'started'; readonly tid: number }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | TcgStop;

/**
 * The body of the worker thread that has all vCPUs. While the guest runs the thread does not come back to its event loop:
 * the main thread posts a request, counts it, and kicks.
 */
export function serveTcg(openBoard: OpenBoard): void {
  if (parentPort === null) throw new Error('not a worker thread');
  const data = workerData as TcgThreadData;
  const plan: IrqPlan = { kind: 'shared', words: data.lines };
  const requests = new Int32Array(data.requests);
  const thread = new TcgThread(parentPort, requests, (interrupted) => {
    const { memory, ramLow, ramHigh, cpuid, board } = data;
    const lines = new SharedIrqWords(data.lines);
    const engine: Engine = new Engine({
      memory,
      ramLow,
      ramHigh,
      cpuid,
      board: openBoard(board, openIrqLines(plan), () => engine.standStill()),
      lines,
      interrupted,
    });
    return engine;
  });
  thread.serve();
}

class TcgThread implements TcgCalls {
  readonly #port: MessagePort;
  readonly #requests: Int32Array;
  readonly #engine: Engine;
  #answered = 0;
  #running = false;

  constructor(port: MessagePort, requests: Int32Array, open: (interrupted: () => boolean) => Engine) {
    this.#port = port;
    this.#requests = requests;
    this.#engine = open(() => Atomics.load(this.#requests, 0) !== this.#answered);
  }

  serve(): void {
    this.#port.on('message', (request: TcgRequest) => {
      this.#answer(request);
      this.#run();
    });
    this.#post({ type: 'started', tid: threadId() });
  }

  #post(reply: TcgReply): void {
    this.#port.postMessage(reply);
  }

  #answer(request: TcgRequest): void {
    const { id, call } = request;
    this.#answered += 1;
    try {
      this.#post({ type: 'result', id, value: this.#call(request) });
    } catch (error) {
      this.#post({ type: 'failed', id, message: `${call}: ${asError(error).message}` });
    }
  }

  #call(request: TcgRequest): unknown {
    switch (request.call) {
      case 'reset':
        return this.reset(...request.args);
      case 'registers':
        return this.registers(...request.args);
      case 'translate':
        return this.translate(...request.args);
      case 'debugRegisters':
        return this.debugRegisters(...request.args);
      case 'setDebugRegister':
        return this.setDebugRegister(...request.args);
      case 'readMemory':
        return this.readMemory(...request.args);
      case 'writeMemory':
        return this.writeMemory(...request.args);
      case 'setBreakpoints':
        return this.setBreakpoints(...request.args);
      case 'step':
        return this.step(...request.args);
      default:
        return this[request.call]();
    }
  }

  #run(): void {
    while (this.#running) {
      const stop = this.#execute();
      if (stop !== undefined) this.#tell(stop);
      for (;;) {
        const received = receiveMessageOnPort(this.#port);
        if (received === undefined) break;
        this.#answer(received.message as TcgRequest);
      }
    }
  }

  #execute(): TcgStop | undefined {
    try {
      return this.#describe(this.#engine.run());
    } catch (error) {
      return { type: 'internal-error', cpu: 0, text: `the software CPU failed: ${asError(error).stack}` };
    }
  }

  #describe(stop: EngineStop | undefined): TcgStop | undefined {
    if (stop?.type !== 'not-emulated') return stop;
    return { type: 'internal-error', cpu: stop.cpu, text: failureText(this.#engine, stop.cpu) };
  }

  #tell(stop: TcgStop): void {
    // After a triple fault other vCPUs go on.
    if (stop.type !== 'reset') this.pause();
    this.#post(stop);
  }

  reset(boot: CpuState): void {
    this.#engine.reset(boot);
  }

  resume(): void {
    this.#running = true;
    this.#engine.setRunning(true);
  }

  pause(): void {
    this.#running = false;
    this.#engine.setRunning(false);
  }

  nmi(): void {
    this.#engine.injectNmi();
  }

  registers(cpu: number): CpuRegisters {
    return this.#engine.registers(cpu);
  }

  translate(cpu: number, address: bigint): bigint | undefined {
    return this.#engine.translate(cpu, address);
  }
  debugRegisters(cpu: number): Map<RegisterName, bigint> {
    return this.#engine.debugger.readRegisters(cpu);
  }

  setDebugRegister(cpu: number, name: RegisterName, value: bigint): void {
    this.#engine.debugger.writeRegister(cpu, name, value);
  }

  readMemory(cpu: number, address: bigint, length: number): Uint8Array | undefined {
    return this.#engine.debugger.readMemory(cpu, address, length);
  }

  writeMemory(cpu: number, address: bigint, bytes: Uint8Array): boolean {
    return this.#engine.debugger.writeMemory(cpu, address, bytes);
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): void {
    this.#engine.debugger.setBreakpoints(breakpoints);
  }

  step(cpu: number): BreakpointHit | undefined {
    const stop = this.#describe(this.#engine.step(cpu));
    if (stop?.type === 'breakpoint') return stop.hit;
    if (stop !== undefined) this.#tell(stop);
    return undefined;
  }
}
