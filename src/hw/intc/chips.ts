import type { IoMapping, IoWindow } from '../../system/io-bus.js';
import { IOAPIC } from '../i386/memory-layout.js';
import { I8254 } from '../timer/i8254.js';
import { LocalApic } from './apic.js';
import { deliver, sendCommand } from './apic-bus.js';
import { Delivery, type InterruptMessage } from './delivery.js';
import { PicPair } from './i8259.js';
import { IoApic } from './ioapic.js';
import { GSI_COUNT } from './irq-lines.js';

const PIC_IRQS = 16;
const TIMER_IRQ = 0;

/** What chips do to CPUs besides interrupting them. */
export interface CpuSignals {
  nmi(cpu: number): void;
  /** INIT: the CPU stops and waits for SIPI; the boot CPU begins at the reset vector. Its local APIC is reset already. */
  init(cpu: number): void;
  /** A CPU that waits for SIPI starts in real mode at CS:IP = `vector` x 0x100:0. */
  sipi(cpu: number, vector: number): void;
}

export interface ChipsConfig {
  /** Local APICs; ids are 0 to `cpus` - 1. */
  readonly cpus: number;
  /** Guest time in nanoseconds; never goes back. */
  readonly now: () => number;
  readonly signals: CpuSignals;
}

/**
 * The interrupt chips and timers of a PC for an accelerator that has none: 8259A pair, I/O APIC, local APICs, 8254. All
 * of it belongs to one thread. Global system interrupt n is pin n of the I/O APIC and, below 16, IRQ n of the PIC pair.
 */
export class InterruptChips {
  /** PIC pair, edge/level control, PIT and port 0x61. */
  readonly ports: readonly IoMapping[];
  /** The I/O APIC. The page of a local APIC is `apic(cpu)` itself, to be mapped at LOCAL_APIC for its CPU alone. */
  readonly mmio: readonly IoMapping[];
  readonly #apics: readonly LocalApic[];
  readonly #pic: PicPair;
  readonly #ioapic: IoApic;
  readonly #now: () => number;
  #pit: I8254;
  /** Lines that are up. */
  #lines = 0;

  constructor({ cpus, now, signals }: ChipsConfig) {
    this.#now = now;
    const port = {
      now,
      command: (from: LocalApic, low: number, high: number) => sendCommand(this.#apics, from, low, high),
      endOfInterrupt: (vector: number) => this.#ioapic.endOfInterrupt(vector),
      nmi: (cpu: number) => signals.nmi(cpu),
      init: (cpu: number) => signals.init(cpu),
      sipi: (cpu: number, vector: number) => signals.sipi(cpu, vector),
    };
    this.#apics = Array.from({ length: cpus }, (_, cpu) => new LocalApic(cpu, port));
    this.#ioapic = new IoApic((message) => this.#deliver(message));
    this.#pic = new PicPair(() => {
      for (const apic of this.#apics) apic.raiseLint0();
    });
    this.#pit = this.#newPit();
    this.ports = this.#mapPorts();
    this.mmio = [{ base: IOAPIC, size: 0x1000, window: this.#ioapic }];
  }

  /** State after power-on. Lines of devices stay as they are. */
  reset(): void {
    this.#pit = this.#newPit();
    this.#setLine(TIMER_IRQ, false);
    this.#pic.reset();
    this.#ioapic.reset();
    for (const apic of this.#apics) apic.reset();
  }

  /** @throws RangeError when there is no such CPU */
  apic(cpu: number): LocalApic {
    const apic = this.#apics[cpu];
    if (apic === undefined) throw new RangeError(`no local APIC ${cpu}`);
    return apic;
  }

  /** Takes what `SharedIrqWords.take` gives: lines that are up, and lines that rose since the last call. */
  applyLines(levels: number, edges: number): void {
    let changed = (levels ^ this.#lines) | edges;
    while (changed !== 0) {
      const gsi = 31 - Math.clz32(changed);
      const bit = 1 << gsi;
      changed &= ~bit;
      if (gsi >= GSI_COUNT) continue;
      if (edges & bit) {
        this.#setLine(gsi, false);
        this.#setLine(gsi, true);
      }
      this.#setLine(gsi, (levels & bit) !== 0);
    }
    this.#lines = levels;
  }

  /** The vector that the CPU would be interrupted with if it took interrupts, or undefined. */
  pendingVector(cpu: number): number | undefined {
    const apic = this.#apics[cpu];
    if (apic === undefined) return undefined;
    if (apic.pending >= 0) return apic.pending;
    return this.#pic.output && apic.takesExtInt ? this.#pic.vector() : undefined;
  }

  /** The CPU takes the interrupt that `pendingVector` told of. @returns its vector */
  acknowledge(cpu: number): number {
    const apic = this.apic(cpu);
    return apic.pending < 0 && apic.takesExtInt ? this.#pic.acknowledge() : apic.acknowledge();
  }

  /** The machine's NMI button, which is wired to LINT1 of all CPUs. */
  injectNmi(): void {
    for (const apic of this.#apics) apic.raiseLint1();
  }

  /** When `advance` is due, in nanoseconds, or Infinity. */
  nextDeadline(): number {
    let deadline = this.#pit.deadline;
    for (const { timer } of this.#apics) if (timer.deadline < deadline) deadline = timer.deadline;
    return deadline;
  }

  /** Lets timers expire that are due. */
  advance(now: number): void {
    if (this.#pit.deadline <= now) this.#pit.advance(now);
    for (const apic of this.#apics) if (apic.timer.deadline <= now) apic.expireTimer(now);
  }

  #newPit(): I8254 {
    return new I8254((level) => this.#setLine(TIMER_IRQ, level));
  }

  #setLine(gsi: number, level: boolean): void {
    if (gsi < PIC_IRQS) this.#pic.setLine(gsi, level);
    this.#ioapic.setLine(gsi, level);
  }

  #deliver(message: InterruptMessage): void {
    // ExtINT of the I/O APIC: the PIC, which is wired to pin 0 then, gives the vector.
    const extInt = message.mode === Delivery.extInt;
    deliver(this.#apics, extInt ? { ...message, vector: this.#pic.acknowledge() } : message);
  }

  #mapPorts(): IoMapping[] {
    const pic = this.#pic;
    const picWindow = (chip: number) =>
      bytePorts(
        2,
        (port) => pic.read(chip, port),
        (port, value) => pic.write(chip, port, value),
      );
    const elcr = bytePorts(
      2,
      (chip) => pic.readElcr(chip),
      (chip, value) => pic.writeElcr(chip, value),
    );
    const pit = bytePorts(
      4,
      (port) => this.#pit.read(port, this.#now()),
      (port, value) => this.#pit.write(port, value, this.#now()),
    );
    const portB = bytePorts(
      1,
      () => this.#pit.readPortB(this.#now()),
      (_, value) => this.#pit.writePortB(value, this.#now()),
    );
    return [
      { base: 0x20, size: 2, window: picWindow(0) },
      { base: 0x40, size: 4, window: pit },
      { base: 0x61, size: 1, window: portB },
      { base: 0xa0, size: 2, window: picWindow(1) },
      { base: 0x4d0, size: 2, window: elcr },
    ];
  }
}

/** A window of 8-bit ports: wider accesses go to ports one after the other; past the last one reads give ones. */
function bytePorts(
  count: number,
  read: (port: number) => number,
  write: (port: number, value: number) => void,
): IoWindow {
  return {
    read(offset, data) {
      for (let i = 0; i < data.length; i++) data[i] = offset + i < count ? read(offset + i) : 0xff;
    },
    write(offset, data) {
      for (const [i, value] of data.entries()) if (offset + i < count) write(offset + i, value);
    },
  };
}
