import { readFileSync } from 'node:fs';
import * as state from './core/state.js';

declare global {
  /** The part of the WebAssembly JavaScript API that is used here; TypeScript has it in its library for browsers only. */
  namespace WebAssembly {
    class Memory {
      constructor(descriptor: { initial: number; maximum: number; shared: true });
      readonly buffer: SharedArrayBuffer;
    }
    class Module {
      constructor(bytes: Uint8Array);
    }
    class Instance {
      constructor(module: Module, imports: Record<string, object>);
      readonly exports: Record<string, unknown>;
    }
  }
}

/** What the core asks of the thread that runs it; core/host.ts tells what each one means. */
export interface CoreHost {
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  mmioRead(address: number, size: number): number;
  mmioWrite(address: number, size: number, value: number): void;
  poll(): number;
  takeInterrupt(): number;
  cpuid(leaf: number, subleaf: number): void;
  readMsr(index: number): number;
  writeMsr(index: number): number;
  tsc(): number;
  random(): void;
  getTaskPriority(): number;
  setTaskPriority(priority: number): void;
}

/** The functions of core.wasm (core/index.ts). */
export interface CoreExports {
  initialize(): void;
  run(): void;
  flushAll(): void;
  updateMode(): void;
  dropAll(): void;
  codeWritten(at: number, length: number): void;
  getFlags(): bigint;
  setFlags(flags: bigint): void;
}

const PAGE = 0x10000;
/** Behind RAM: a decoder that looks at the last bytes of it reads a little further. */
const TAIL = PAGE;

/** The most guest RAM that fits next to the core's own data, in bytes: linear memory ends at 4 GiB. */
export const RAM_MAX = 2 ** 32 - state.RAM_BASE - TAIL;

/** Linear memory for a machine with `ramSize` bytes of RAM, zeroed. */
export function createMemory(ramSize: number): WebAssembly.Memory {
  const pages = Math.ceil((state.RAM_BASE + ramSize + TAIL) / PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

let compiled: WebAssembly.Module | undefined;

/** The compiled core; the same one at each call. */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./core.wasm', import.meta.url)));
  return compiled;
}

export function instantiateCore(memory: WebAssembly.Memory, host: CoreHost): CoreExports {
  const env = {
    memory,
    abort: () => {
      throw new Error('the software CPU failed an assertion');
    },
  };
  const { exports } = new WebAssembly.Instance(coreModule(), { env, host: { ...host } });
  return exports as unknown as CoreExports;
}
