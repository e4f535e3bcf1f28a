import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import { IDENTITY_MAPPED } from '../../src/hw/i386/memory-layout.js';
import { type IrqPlan, SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { LineChange, QtestTarget } from '../../src/qtest/target.js';
import type { Vm, VmConfig } from '../accel.js';
import { BoardHandle } from './board-handle.js';
import type { PinRange } from './qtest-board.js';
import { registersOf } from './registers.js';

/** Input pins of the device at a path of the object tree, or undefined. */
export type FindPins = (path: string) => PinRange | undefined;

/** A machine whose vCPUs stand at their first instruction; a test drives its devices and memory. */
export class QtestVm implements Vm, QtestTarget {
  readonly irqs: IrqPlan;
  readonly #board: BoardHandle;
  readonly #findPins: FindPins;
  #state: CpuState | undefined;

  private constructor(config: Pick<VmConfig, 'ram' | 'cpus' | 'board'>, findPins: FindPins) {
    const { buffer: words } = new SharedIrqWords();
    const ram = config.ram.map(({ base, size, address }) => ({ base, size, address }));
    this.irqs = { kind: 'shared', words };
    this.#findPins = findPins;
    this.#board = new BoardHandle({ cpus: config.cpus, ram, board: config.board(), words });
  }

  /** @throws Error when its thread can't start */
  static async create(config: Pick<VmConfig, 'ram' | 'cpus' | 'board'>, findPins: FindPins): Promise<QtestVm> {
    const vm = new QtestVm(config, findPins);
    await vm.#board.started;
    return vm;
  }

  async reset(state: CpuState): Promise<void> {
    this.#state = state;
    await this.#board.call('reset');
  }

  async resume(): Promise<void> {}

  async pause(): Promise<void> {}

  async injectNmi(): Promise<void> {
    await this.#board.call('injectNmi');
  }

  async readRegisters(cpu: number): Promise<CpuRegisters> {
    return registersOf(cpu === 0 ? this.#state : undefined);
  }

  /** As the page tables of the first instruction have it. */
  async translate(_cpu: number, address: bigint): Promise<bigint | undefined> {
    return address < BigInt(IDENTITY_MAPPED) ? address : undefined;
  }

  threadId(): number {
    return this.#board.threadId;
  }

  onEvent(): void {}

  async close(): Promise<void> {
    await this.#board.close();
  }

  readPort(port: number, size: number): Promise<number> {
    return this.#board.call('readPort', port, size);
  }

  writePort(port: number, size: number, value: number): Promise<void> {
    return this.#board.call('writePort', port, size, value);
  }

  readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.#board.call('readMemory', address, length);
  }

  writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    return this.#board.call('writeMemory', address, bytes);
  }

  stepClock(nanoseconds: number | undefined): Promise<number> {
    return this.#board.call('stepClock', nanoseconds);
  }

  setClock(nanoseconds: number): Promise<number> {
    return this.#board.call('setClock', nanoseconds);
  }

  async watch(path: string): Promise<boolean> {
    const pins = this.#findPins(path);
    if (pins === undefined) return false;
    await this.#board.call('watch', pins);
    return true;
  }

  async setLine(path: string, pin: number, level: boolean): Promise<boolean> {
    const pins = this.#findPins(path);
    if (pins === undefined || pin < 0 || pin >= pins.count) return false;
    await this.#board.call('setLine', pins.first + pin, level);
    return true;
  }

  onLineChange(listener: (change: LineChange) => void): void {
    this.#board.onLineChange = listener;
  }
}
