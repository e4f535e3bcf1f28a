import type { Board } from '../../src/hw/i386/board.js';
import { LOCAL_APIC } from '../../src/hw/i386/memory-layout.js';
import { InterruptChips } from '../../src/hw/intc/chips.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { LineChange } from '../../src/qtest/target.js';
import type { GuestMemory } from '../../src/system/guest-memory.js';
import { IoBus } from '../../src/system/io-bus.js';

/** Timer events that one step of the clock lets happen one by one; what comes after them happens at once. */
const EVENT_LIMIT = 100_000;
/** Device registers are accessed in pieces of at most so many bytes, each at a multiple of its size. */
const REGISTER_SIZE = 4;
const APIC_SIZE = 0x1000;

/** Pins of a device are `count` global system interrupts from `first` on. */
export interface PinRange {
  readonly first: number;
  readonly count: number;
}

/** A machine's devices, interrupt chips and memory without a CPU, under a clock that is moved by hand. */
export class QtestBoard {
  readonly #memory: GuestMemory;
  readonly #ports: IoBus;
  readonly #mmio: IoBus;
  readonly #chips: InterruptChips;
  readonly #lines: SharedIrqWords;
  #now = 0;
  #watched: PinRange | undefined;

  /**
   * @param words lines that devices of any thread move
   * @param tell takes the changes of watched lines
   */
  constructor(
    cpus: number,
    memory: GuestMemory,
    board: Board,
    words: SharedArrayBuffer,
    tell: (change: LineChange) => void,
  ) {
    this.#memory = memory;
    this.#lines = new SharedIrqWords(words);
    this.#chips = new InterruptChips({
      cpus,
      now: () => this.#now,
      signals: { nmi() {}, init() {}, sipi() {} },
      watch: (gsi, level) => {
        const pin = gsi - (this.#watched?.first ?? 0);
        if (pin >= 0 && pin < (this.#watched?.count ?? 0)) tell({ pin, level });
      },
    });
    const apic = { base: LOCAL_APIC, size: APIC_SIZE, window: this.#chips.apic(0) };
    this.#ports = new IoBus(this.#chips.ports, board.ports);
    this.#mmio = new IoBus([...this.#chips.mmio, apic], board.mmio);
  }

  /** Takes what devices did to their lines. */
  follow(): void {
    const { levels, edges } = this.#lines.take();
    this.#chips.applyLines(levels, edges);
  }

  readPort(port: number, size: number): number {
    const data = new Uint8Array(4);
    this.#ports.read(port, data.subarray(0, size));
    return new DataView(data.buffer).getUint32(0, true);
  }

  writePort(port: number, size: number, value: number): void {
    this.#ports.write(port, new Uint8Array(new Uint32Array([value]).buffer, 0, size));
  }

  readMemory(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#each(address, bytes, {
      ram: (view, part) => part.set(view),
      registers: (at, part) => this.#mmio.read(at, part),
    });
    return bytes;
  }

  writeMemory(address: number, bytes: Uint8Array): void {
    this.#each(address, bytes, {
      ram: (view, part) => view.set(part),
      registers: (at, part) => this.#mmio.write(at, part),
    });
  }

  /** Cuts a range of guest-physical memory into views of RAM, and accesses of device registers. */
  #each(
    address: number,
    bytes: Uint8Array,
    access: { ram(view: Uint8Array, part: Uint8Array): void; registers(at: number, part: Uint8Array): void },
  ): void {
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const range = this.#memory.ranges.find(({ base, size }) => at >= base && at < base + size);
      if (range === undefined) {
        const part = bytes.subarray(done, done + registerSize(at, bytes.length - done));
        access.registers(at, part);
        done += part.length;
        continue;
      }
      for (const view of this.#memory.views(at, Math.min(bytes.length - done, range.base + range.size - at))) {
        access.ram(view, bytes.subarray(done, done + view.length));
        done += view.length;
      }
    }
  }

  /** @param nanoseconds undefined for the time to the next deadline. @returns the time now */
  stepClock(nanoseconds: number | undefined): number {
    const next = this.#chips.nextDeadline();
    if (nanoseconds !== undefined) return this.setClock(this.#now + nanoseconds);
    return next === Infinity ? this.#now : this.setClock(next);
  }

  /** @returns the time now */
  setClock(nanoseconds: number): number {
    for (let events = 0; events < EVENT_LIMIT; events++) {
      const deadline = this.#chips.nextDeadline();
      if (deadline > nanoseconds) break;
      this.#advance(deadline);
    }
    this.#advance(nanoseconds);
    return this.#now;
  }

  #advance(time: number): void {
    this.#now = Math.max(this.#now, time);
    this.#chips.advance(this.#now);
  }

  watch(pins: PinRange): void {
    this.#watched = pins;
  }

  setLine(gsi: number, level: boolean): void {
    if (level) this.#lines.raise(gsi);
    else this.#lines.lower(gsi);
  }

  injectNmi(): void {
    this.#chips.injectNmi();
  }

  reset(): void {
    this.#chips.reset();
  }
}

/** The largest access at an address that is aligned, and within what is left. */
function registerSize(address: number, left: number): number {
  let size = REGISTER_SIZE;
  while (size > left || address % size !== 0) size >>= 1;
  return size;
}
