import { randomFillSync } from 'node:crypto';
import type { BreakpointHit } from '../../src/gdbstub/target.js';
import type { Board } from '../../src/hw/i386/board.js';
import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { CpuidLeaf } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { LOCAL_APIC } from '../../src/hw/i386/memory-layout.js';
import { InterruptChips } from '../../src/hw/intc/chips.js';
import type { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import { IoBus } from '../../src/system/io-bus.js';
import * as s from './core/state.js';
import { type CoreExports, type CoreHost, instantiateCore } from './core.js';
import { CpuidTable } from './cpuid.js';
import { VcpuDebugger } from './debugger.js';
import { GuestClock } from './guest-clock.js';
import { Msrs } from './msrs.js';
import { VcpuState } from './vcpu-state.js';

/** Taken branches between two looks at time and interrupts: about 20 us of execution. */
const SLICE_BRANCHES = 2_000;
/**
 * A vCPU's turn in nanoseconds of guest time, also when it is alone: V8 does not replace code that runs. A run() that does
 * not return stays baseline code for good (measured: a boot of 75 M instructions takes 3 s in the place of 1).
 */
const TURN_NS = 2e6;
const APIC_SIZE = 0x1000;
const FLAG_IF = 0x200;
/** The longest wait of a halted machine without a timer. */
const IDLE_MS = 1_000;

export interface EngineParts {
  readonly memory: WebAssembly.Memory;
  /** Bytes of RAM below and above 4 GiB. */
  readonly ramLow: number;
  readonly ramHigh: number;
  /** CPUID of each vCPU. */
  readonly cpuid: readonly (readonly CpuidLeaf[])[];
  readonly board: Board;
  readonly lines: SharedIrqWords;
  /** Whether somebody wants run() to return; looked at after each kick of the lines. */
  readonly interrupted: () => boolean;
}

/** Why the machine does not go on by itself. */
export type EngineStop =
  | { readonly type: 'reset' }
  | { readonly type: 'not-emulated'; readonly cpu: number }
  | { readonly type: 'breakpoint'; readonly hit: BreakpointHit };

interface Vcpu {
  /** Its state while another one runs. */
  readonly saved: VcpuState;
  readonly cpuid: CpuidTable;
  readonly msrs: Msrs;
  waitsForSipi: boolean;
  /** After a triple fault, until the reset. */
  stopped: boolean;
}

/** All vCPUs of a machine, by turns, with their interrupt chips. Belongs to one thread. */
export class Engine implements CoreHost {
  readonly #parts: EngineParts;
  readonly #core: CoreExports;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #live: VcpuState;
  readonly #clock = new GuestClock();
  readonly #chips: InterruptChips;
  /** The chips' windows and the board's. */
  readonly #ports: readonly [IoBus, IoBus];
  readonly #mmio: readonly [IoBus, IoBus];
  readonly #vcpus: readonly Vcpu[];
  readonly #data = [1, 2, 3, 4].map((size) => new Uint8Array(size));
  readonly #kickWord: Int32Array;
  /** For use while nothing executes. */
  readonly debugger: VcpuDebugger;
  #current = 0;
  #steps = false;
  #turnEnds = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const { memory, cpuid, board, lines } = parts;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#live = new VcpuState(this.#bytes.subarray(s.CPU, s.CPU + s.CPU_SIZE));
    this.#kickWord = lines.kickWord;
    this.#chips = new InterruptChips({
      cpus: cpuid.length,
      now: () => this.#clock.now(),
      signals: {
        nmi: (cpu) => this.#state(cpu).setU32(s.NMI, 1),
        init: (cpu) => this.#init(cpu),
        sipi: (cpu, vector) => this.#startUp(cpu, vector),
      },
    });
    this.#ports = [new IoBus(this.#chips.ports), board.ports];
    this.#mmio = [new IoBus(this.#chips.mmio), board.mmio];
    const created = BigInt(Date.now()) * 1_000_000n;
    const surroundings = {
      now: () => this.#clock.now(),
      bootTime: () => created,
      writeMemory: (address: bigint, bytes: Uint8Array) => this.#writeMemory(address, bytes),
    };
    this.#vcpus = cpuid.map((leaves, index) => ({
      saved: new VcpuState(new Uint8Array(s.CPU_SIZE)),
      cpuid: new CpuidTable(leaves),
      msrs: new Msrs(this.#chips.apic(index), surroundings),
      waitsForSipi: index !== 0,
      stopped: false,
    }));
    this.#core = instantiateCore(memory, this.#imports());
    this.#core.initialize();
    this.debugger = new VcpuDebugger({
      core: this.#core,
      bytes: this.#bytes,
      select: (cpu) => {
        this.#switchTo(cpu);
        return this.#live;
      },
      locate: (cpu, address) => this.#locate(cpu, address),
      taskPriority: () => this.getTaskPriority(),
      setTaskPriority: (priority) => this.setTaskPriority(priority),
    });
    this.#view.setBigUint64(s.RAM_LOW, BigInt(parts.ramLow), true);
    this.#view.setBigUint64(s.RAM_HIGH, BigInt(parts.ramHigh), true);
    this.#view.setUint32(s.SLICE, SLICE_BRANCHES, true);
    this.#view.setUint32(s.YIELDS, cpuid.length > 1 ? 1 : 0, true);
  }

  /** Methods bound to this object, as the core calls them. */
  #imports(): CoreHost {
    return {
      portIn: (port, size) => this.portIn(port, size),
      portOut: (port, size, value) => this.portOut(port, size, value),
      mmioRead: (address, size) => this.mmioRead(address, size),
      mmioWrite: (address, size, value) => this.mmioWrite(address, size, value),
      poll: () => this.poll(),
      takeInterrupt: () => this.takeInterrupt(),
      cpuid: (leaf, subleaf) => this.cpuid(leaf, subleaf),
      readMsr: (index) => this.readMsr(index),
      writeMsr: (index) => this.writeMsr(index),
      tsc: () => this.tsc(),
      random: () => this.random(),
      getTaskPriority: () => this.getTaskPriority(),
      setTaskPriority: (priority) => this.setTaskPriority(priority),
    };
  }

  get #vcpu(): Vcpu {
    return this.#vcpuAt(this.#current);
  }

  #vcpuAt(index: number): Vcpu {
    const vcpu = this.#vcpus[index];
    if (vcpu === undefined) throw new RangeError(`no vCPU ${index}`);
    return vcpu;
  }

  #state(index: number): VcpuState {
    return index === this.#current ? this.#live : this.#vcpuAt(index).saved;
  }

  // --- What the accelerator does ---

  /** State after power-on, the boot CPU in `boot`. */
  reset(boot: CpuState): void {
    this.#chips.reset();
    this.#core.dropAll();
    for (const [index, vcpu] of this.#vcpus.entries()) {
      vcpu.msrs.reset();
      vcpu.stopped = false;
      vcpu.waitsForSipi = index !== 0;
      if (index === 0) this.#state(0).boot(boot);
      else this.#state(index).powerOn(index);
    }
    this.#core.updateMode();
    this.#core.flushAll();
  }

  /** Guest time goes on, or stands still. */
  setRunning(running: boolean): void {
    if (running) this.#clock.start();
    else this.#clock.stop();
  }

  injectNmi(): void {
    this.#chips.injectNmi();
  }

  registers(index: number): CpuRegisters {
    this.#switchTo(index);
    return this.#live.registers(this.#core.getFlags(), this.getTaskPriority());
  }

  /** Guest-physical address of a virtual one by the page tables of a vCPU; nothing changes. */
  translate(index: number, address: bigint): bigint | undefined {
    const state = this.#state(index);
    if ((state.u64(s.CR0) & (1n << 31n)) === 0n) return address & 0xffffffffn;
    if (BigInt.asUintN(64, BigInt.asIntN(48, address)) !== address) return undefined;
    let table = state.u64(s.CR3) & ADDRESS_BITS;
    for (let shift = 39n; ; shift -= 9n) {
      const at = this.#ramAddress(table + ((address >> shift) & 511n) * 8n);
      const entry = at === undefined ? 0n : this.#view.getBigUint64(at, true);
      if ((entry & 1n) === 0n) return undefined;
      const page = 1n << shift;
      if (shift === 12n || (shift < 39n && (entry & 0x80n) !== 0n)) {
        return (entry & ADDRESS_BITS & ~(page - 1n)) | (address & (page - 1n));
      }
      table = entry & ADDRESS_BITS;
    }
  }

  /** A byte of guest memory by virtual address. */
  byte(index: number, address: bigint): number | undefined {
    const at = this.#locate(index, address);
    return at === undefined ? undefined : this.#bytes[at];
  }

  #locate(index: number, address: bigint): number | undefined {
    const physical = this.translate(index, address);
    return physical === undefined ? undefined : this.#ramAddress(physical);
  }

  /**
   * One instruction of one vCPU, with interrupts held back; one that is halted waits up to a second for an interrupt and
   * goes into its handler. Breakpoints have no effect.
   *
   * @returns undefined when it was done without anything else to tell
   */
  step(index: number): EngineStop | undefined {
    this.#switchTo(index);
    this.setRunning(true);
    this.#look(this.#clock.now());
    if (!this.#isRunnable(index)) this.#idle();
    this.#look(this.#clock.now());
    let stop: EngineStop | undefined;
    if (this.#isRunnable(index)) {
      this.#live.setU32(s.TRAPS, s.TRAP_STEP);
      this.#steps = true;
      this.#view.setUint32(s.BUDGET, this.#live.u32(s.HALTED) === 0 ? 1 : 0, true);
      this.#core.run();
      this.#steps = false;
      this.#live.setU32(s.TRAPS, 0);
      stop = this.#stopped();
    }
    this.setRunning(false);
    return stop;
  }

  /** Executes until somebody interrupts it (undefined), or the machine can't go on. */
  run(): EngineStop | undefined {
    for (;;) {
      this.#look(this.#clock.now());
      if (this.#parts.interrupted()) return undefined;
      const next = this.#nextVcpu();
      if (next === undefined) {
        this.#idle();
        continue;
      }
      this.#switchTo(next);
      this.#turnEnds = this.#clock.now() + TURN_NS;
      this.#view.setUint32(s.BUDGET, 0, true);
      this.#core.run();
      const stop = this.#stopped();
      if (stop !== undefined) return stop;
    }
  }

  /** Why the core has returned, where that is not its everyday business. */
  #stopped(): EngineStop | undefined {
    switch (this.#view.getUint32(s.EXIT, true)) {
      case s.EXIT_SHUTDOWN:
        this.#vcpu.stopped = true;
        return { type: 'reset' };
      case s.EXIT_UNIMPLEMENTED:
        return { type: 'not-emulated', cpu: this.#current };
      case s.EXIT_BREAKPOINT:
        return { type: 'breakpoint', hit: this.debugger.takeHit(this.#current) };
    }
    return undefined;
  }

  /** The vCPU that makes an access executes nothing after it until a reset; others go on. */
  standStill(): void {
    this.#vcpu.stopped = true;
    this.#view.setUint32(s.BUDGET, 0, true);
  }

  /** The vCPU after the current one that has something to do. */
  #nextVcpu(): number | undefined {
    const count = this.#vcpus.length;
    for (let i = 1; i <= count; i++) {
      const index = (this.#current + i) % count;
      if (this.#isRunnable(index)) return index;
    }
    return undefined;
  }

  #isRunnable(index: number): boolean {
    const { waitsForSipi, stopped } = this.#vcpuAt(index);
    if (waitsForSipi || stopped) return false;
    const state = this.#state(index);
    if (state.u32(s.HALTED) === 0) return true;
    if (state.u32(s.NMI) !== 0) return true;
    return (state.u32(s.EFLAGS) & FLAG_IF) !== 0 && this.#chips.pendingVector(index) !== undefined;
  }

  #idle(): void {
    const ms = (this.#chips.nextDeadline() - this.#clock.now()) / 1e6;
    if (ms > 0) Atomics.wait(this.#kickWord, 0, 0, Math.min(ms, IDLE_MS));
  }

  #switchTo(index: number): void {
    if (index === this.#current) return;
    this.#vcpu.saved.bytes.set(this.#live.bytes);
    this.#current = index;
    this.#live.bytes.set(this.#vcpu.saved.bytes);
    this.#core.updateMode();
    this.#core.flushAll();
  }

  #init(index: number): void {
    this.#state(index).powerOn(index);
    this.#vcpuAt(index).waitsForSipi = index !== 0;
  }

  #startUp(index: number, vector: number): void {
    this.#state(index).startUp(vector);
    this.#vcpuAt(index).waitsForSipi = false;
  }

  // --- Interrupts and time ---

  /** Lets time and lines have their effect. */
  #look(now: number): void {
    if (this.#chips.nextDeadline() <= now) this.#chips.advance(now);
    if (Atomics.load(this.#kickWord, 0) !== 0) {
      const { levels, edges } = this.#parts.lines.take();
      this.#chips.applyLines(levels, edges);
    }
    this.#updateInterrupt();
  }

  #updateInterrupt(): boolean {
    const waits = this.#chips.pendingVector(this.#current) !== undefined;
    this.#view.setUint32(s.INTR, waits ? 1 : 0, true);
    return waits;
  }

  poll(): number {
    const now = this.#clock.now();
    const kicked = Atomics.load(this.#kickWord, 0) !== 0;
    this.#look(now);
    if (this.#steps) return 0;
    if (this.#vcpu.stopped || (kicked && this.#parts.interrupted())) return 1;
    return now >= this.#turnEnds ? 1 : 0;
  }

  takeInterrupt(): number {
    const pending = this.#chips.pendingVector(this.#current);
    const vector = pending === undefined ? -1 : this.#chips.acknowledge(this.#current);
    this.#updateInterrupt();
    return vector;
  }

  /** After an access to a chip: an interrupt that waits now is to be taken at the next branch. */
  #afterChip(): void {
    if (this.#updateInterrupt()) this.#view.setUint32(s.BUDGET, 0, true);
  }

  getTaskPriority(): number {
    return this.#chips.apic(this.#current).tpr >> 4;
  }

  setTaskPriority(priority: number): void {
    this.#chips.apic(this.#current).tpr = priority << 4;
    this.#afterChip();
  }

  // --- Devices ---

  #bytesOf(size: number): Uint8Array {
    const data = this.#data[size - 1];
    if (data === undefined) throw new RangeError(`access of ${size} bytes`);
    return data;
  }

  portIn(port: number, size: number): number {
    const data = this.#bytesOf(size);
    busAt(this.#ports, port).read(port, data);
    return numberOf(data);
  }

  portOut(port: number, size: number, value: number): void {
    const data = this.#bytesOf(size);
    setValue(data, value);
    busAt(this.#ports, port).write(port, data);
    this.#afterChip();
  }

  mmioRead(address: number, size: number): number {
    const data = this.#bytesOf(size);
    const offset = address - LOCAL_APIC;
    if (offset >= 0 && offset < APIC_SIZE) this.#chips.apic(this.#current).read(offset, data);
    else busAt(this.#mmio, address).read(address, data);
    return numberOf(data);
  }

  mmioWrite(address: number, size: number, value: number): void {
    const data = this.#bytesOf(size);
    setValue(data, value);
    const offset = address - LOCAL_APIC;
    if (offset >= 0 && offset < APIC_SIZE) this.#chips.apic(this.#current).write(offset, data);
    else busAt(this.#mmio, address).write(address, data);
    this.#afterChip();
  }

  #ramAddress(physical: bigint): number | undefined {
    const { ramLow, ramHigh } = this.#parts;
    if (physical < BigInt(ramLow)) return s.RAM_BASE + Number(physical);
    const high = physical - 2n ** 32n;
    return high >= 0n && high < BigInt(ramHigh) ? s.RAM_BASE + ramLow + Number(high) : undefined;
  }

  #writeMemory(address: bigint, bytes: Uint8Array): void {
    const at = this.#ramAddress(address);
    if (at === undefined || this.#ramAddress(address + BigInt(bytes.length - 1)) !== at + bytes.length - 1) return;
    for (let i = 0; i < bytes.length; i++) this.#core.codeWritten(at + i, 1);
    this.#bytes.set(bytes, at);
  }

  // --- CPUID, MSRs, time stamp counter, random numbers ---

  cpuid(leaf: number, subleaf: number): void {
    const { eax, ebx, ecx, edx } = this.#vcpu.cpuid.find(leaf >>> 0, subleaf >>> 0, this.#live.u64(s.CR4));
    for (const [i, value] of [eax, ebx, ecx, edx].entries()) this.#live.setU32(s.RESULT + 4 * i, value);
  }

  readMsr(index: number): number {
    const value = this.#vcpu.msrs.read(index >>> 0);
    if (value === undefined) return 0;
    this.#live.setU64(s.RESULT, value);
    return 1;
  }

  writeMsr(index: number): number {
    const known = this.#vcpu.msrs.write(index >>> 0, this.#live.u64(s.RESULT));
    this.#afterChip();
    return known ? 1 : 0;
  }

  tsc(): number {
    return this.#vcpu.msrs.tsc();
  }

  random(): void {
    randomFillSync(this.#random);
    this.#live.setU64(s.RESULT, this.#random[0] ?? 0n);
  }
  readonly #random = new BigUint64Array(1);
}

function busAt([chips, board]: readonly [IoBus, IoBus], address: number): IoBus {
  return chips.covers(address) ? chips : board;
}

const ADDRESS_BITS = 0x000ffffffffff000n;

function numberOf(data: Uint8Array): number {
  let value = 0;
  for (let i = data.length - 1; i >= 0; i--) value = (value << 8) | (data[i] ?? 0);
  return value;
}

function setValue(data: Uint8Array, value: number): void {
  for (let i = 0; i < data.length; i++) data[i] = value >>> (8 * i);
}
