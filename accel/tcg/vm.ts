import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { GuestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { HIGH_RAM } from '../../src/hw/i386/memory-layout.js';
import { type IrqPlan, SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { Disassemble } from '../../src/system/machine.js';
import type { Vm, VmConfig, VmEvent, VmRam } from '../accel.js';
import * as s from './core/state.js';
import { createMemory, RAM_MAX } from './core.js';
import type { TcgParts } from './parts.js';
import { type TcgCall, TcgDebug } from './tcg-debug.js';
import { TcgHandle } from './tcg-handle.js';
import type { TcgStop } from './tcg-thread.js';

const MIB = 2 ** 20;
/** A thread that has not answered by then does not come back. */
const CALL_LIMIT_MS = 5_000;
/** V8 has compiled what a boot makes hot by then. What its compiler used, some 250 MiB, stays in the heap otherwise. */
const TRIM_AFTER_MS = 10_000;

/** A virtual machine of the software CPU, as the main thread drives it. */
export class TcgVm implements Vm {
  readonly irqs: IrqPlan;
  readonly debug: TcgDebug;
  readonly #handle: TcgHandle;
  readonly #listeners: ((event: VmEvent) => void)[] = [];
  #trim: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(lines: SharedIrqWords, cpus: number, open: (onStop: (stop: TcgStop) => void) => TcgHandle) {
    this.irqs = { kind: 'shared', words: lines.buffer };
    this.debug = new TcgDebug(cpus, this.#call);
    this.#handle = open((stop) => {
      if (this.#closed) return;
      if (stop.type === 'breakpoint') this.debug.hit(stop.hit);
      else for (const listener of this.#listeners) listener(stop);
    });
  }

  /**
   * @param cpuid leaves of a vCPU
   * @param worker file of the vCPU thread
   * @throws QemuError: RAM that is too large or no shared file, or the step that failed
   */
  static async create(parts: TcgParts, config: VmConfig, cpuid: GuestCpuid, worker: URL): Promise<TcgVm> {
    const { memory, ramLow, ramHigh } = mapRam(parts, config.ram);
    const lines = new SharedIrqWords();
    const data = {
      memory,
      ramLow,
      ramHigh,
      cpuid: Array.from({ length: config.cpus }, (_, index) => cpuid.leaves(index)),
      board: config.board(),
      lines: lines.buffer,
      requests: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    };
    const vm = new TcgVm(lines, config.cpus, (onStop) => new TcgHandle(worker, data, onStop));
    try {
      await vm.#handle.started;
    } catch (error) {
      await vm.close();
      throw new parts.QemuError(`tcg: ${(error as Error).message}`, { cause: error });
    }
    vm.#trim = setTimeout(() => void parts.host.trimHeap(), TRIM_AFTER_MS).unref();
    return vm;
  }

  readonly #call: TcgCall = (call, ...args) => within(this.#handle.call(call, ...args), call);

  onEvent(callback: (event: VmEvent) => void): void {
    this.#listeners.push(callback);
  }

  async reset(state: CpuState): Promise<void> {
    await this.#call('reset', state);
  }

  async resume(): Promise<void> {
    await this.#call('resume');
  }

  async pause(): Promise<void> {
    await this.#call('pause');
  }

  async injectNmi(): Promise<void> {
    await this.#call('nmi');
  }

  async readRegisters(cpu: number): Promise<CpuRegisters> {
    return await this.#call('registers', cpu);
  }

  async translate(cpu: number, address: bigint): Promise<bigint | undefined> {
    return await this.#call('translate', cpu, address);
  }

  readonly disassemble: Disassemble = async (bytes, address, mode) => {
    const { disassemble } = await import('./isa/disassemble.js');
    return disassemble(bytes, address, mode);
  };

  threadId(): number {
    return this.#handle.threadId;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#trim);
    await this.#handle.end();
  }
}

async function within<T>(answer: Promise<T>, step: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${step}: the vCPU thread does not answer`)), CALL_LIMIT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Linear memory with the files of guest RAM mapped over its upper part. */
function mapRam({ host, QemuError }: TcgParts, ram: readonly VmRam[]) {
  const total = ram.reduce((sum, { size }) => sum + size, 0);
  if (total > RAM_MAX) {
    throw new QemuError(`${total / MIB} MiB of RAM are more than the software CPU can address`, {
      hint: `the most is ${Math.floor(RAM_MAX / MIB)} MiB: -m ${Math.floor(RAM_MAX / MIB)}M`,
    });
  }
  const memory = createMemory(total);
  const start = host.addressOf(new Uint8Array(memory.buffer)) + BigInt(s.RAM_BASE);
  const ramLow = ram.find(({ base }) => base === 0)?.size ?? 0;
  const ramHigh = ram.find(({ base }) => base === HIGH_RAM)?.size ?? 0;
  for (const { base, size, file } of ram) {
    if (file === undefined) {
      throw new QemuError('the software CPU needs guest RAM in a shared file', {
        hint: 'use -object memory-backend-memfd,id=ID,size=SIZE,share=on with -machine memory-backend=ID, or leave it to -m',
      });
    }
    host.mapOver(start + BigInt(base === 0 ? 0 : ramLow), { size, fd: file.fd, offset: file.offset });
  }
  return { memory, ramLow, ramHigh };
}
