import type { IoWindow } from '../../system/io-bus.js';
import { LOCAL_APIC } from '../i386/memory-layout.js';
import { ApicTimer } from '../timer/apic-timer.js';
import { Esr, register } from './apic-registers.js';
import { Delivery } from './delivery.js';
import { LOCAL_VECTORS, Local, LocalVectors } from './local-vectors.js';
import { VectorSet } from './vector-set.js';

/** What a local APIC does to its surroundings. */
export interface ApicPort {
  /** Time in nanoseconds. */
  now(): number;
  /** An interrupt command was written: the two words of the register. */
  command(from: LocalApic, low: number, high: number): void;
  /** A level-triggered vector is done with. */
  endOfInterrupt(vector: number): void;
  /** Signals to the APIC's own CPU. */
  nmi(cpu: number): void;
  init(cpu: number): void;
  /** @param vector the page that a CPU waiting for it starts at */
  sipi(cpu: number, vector: number): void;
}

/** An integrated APIC with six local vectors. */
const VERSION = 0x14 | ((LOCAL_VECTORS - 1) << 16);
const SOFTWARE_ENABLED = 0x100;
/** EOI broadcast suppression, bit 12, is not offered. */
const SPURIOUS_WRITABLE = 0x1ff;
const ICR_WRITABLE = 0xccfff;
const FLAT = 0xf;
// IA32_APIC_BASE
const BASE_ENABLED = 0x800;
const BASE_BOOT_CPU = 0x100;
/** Vectors below are the CPU's own. */
const FIRST_VECTOR = 16;
const BROADCAST = 0xff;

/** The local APIC of one CPU in xAPIC mode: a page of 32-bit registers at multiples of 16 (SDM volume 3, chapter 11). */
export class LocalApic implements IoWindow {
  readonly cpu: number;
  readonly timer = new ApicTimer();
  readonly #port: ApicPort;
  readonly #isr = new VectorSet();
  readonly #tmr = new VectorSet();
  readonly #irr = new VectorSet();
  readonly #local = new LocalVectors();
  #enabled = true;
  #waitsForSipi = false;
  #tpr = 0;
  #logicalId = 0;
  #destinationFormat = FLAT;
  #spurious = 0xff;
  #esr = 0;
  #errors = 0;
  #icrLow = 0;
  #icrHigh = 0;
  #pending = -1;

  /** @param cpu index of the CPU and APIC id, 0 to 254; 0 is the boot CPU */
  constructor(cpu: number, port: ApicPort) {
    this.cpu = cpu;
    this.#port = port;
    this.reset();
  }

  /** State after power-on and firmware: the boot CPU takes the PIC's interrupts, the others wait for SIPI. */
  reset(): void {
    this.#enabled = true;
    this.#reset();
    if (this.cpu !== 0) return;
    this.#spurious = SOFTWARE_ENABLED | 0xff;
    this.#local.setVirtualWire();
  }

  /** The vector to interrupt the CPU with, or -1. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether INTR of the PIC reaches the CPU: through LINT0, or past an APIC that is off. */
  get takesExtInt(): boolean {
    return !this.#enabled || this.#local.mode(Local.lint0) === Delivery.extInt;
  }

  /** The CPU takes an interrupt. @returns its vector: the spurious one when none is pending any more */
  acknowledge(): number {
    const vector = this.#pending;
    if (vector < 0) return this.#spurious & 0xff;
    this.#irr.delete(vector);
    this.#isr.add(vector);
    this.#update();
    return vector;
  }

  /** Task priority, 0 to 255; CR8 is its upper half. */
  get tpr(): number {
    return this.#tpr;
  }

  set tpr(value: number) {
    this.#tpr = value & 0xff;
    this.#update();
  }

  /** The low word of IA32_APIC_BASE. Only the enable bit can be changed. */
  get base(): number {
    return LOCAL_APIC + (this.#enabled ? BASE_ENABLED : 0) + (this.cpu === 0 ? BASE_BOOT_CPU : 0);
  }

  set base(value: number) {
    const enabled = (value & BASE_ENABLED) !== 0;
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    const waits = this.#waitsForSipi;
    this.#reset();
    this.#waitsForSipi = waits;
  }

  /** Whether a message for this destination is for this APIC (11.6.2). */
  matches(logical: boolean, destination: number): boolean {
    if (!this.#enabled) return false;
    if (destination === BROADCAST) return true;
    if (!logical) return destination === this.cpu;
    if (this.#destinationFormat === FLAT) return (destination & this.#logicalId) !== 0;
    return destination >> 4 === this.#logicalId >> 4 && (destination & this.#logicalId & 0xf) !== 0;
  }

  /** Processor priority: what lowest-priority arbitration compares. */
  get ppr(): number {
    const serving = Math.max(this.#isr.highest(), 0) & 0xf0;
    return (this.#tpr & 0xf0) >= serving ? this.#tpr : serving;
  }

  /** Whether it takes part in lowest-priority arbitration. */
  get takesInterrupts(): boolean {
    return (this.#spurious & SOFTWARE_ENABLED) !== 0;
  }

  /** Takes a message. @param mode one of `Delivery` */
  receive(mode: number, vector: number, level: boolean): void {
    switch (mode) {
      case Delivery.nmi:
        this.#port.nmi(this.cpu);
        break;
      case Delivery.init:
        this.#reset();
        this.#port.init(this.cpu);
        break;
      case Delivery.startUp:
        if (!this.#waitsForSipi) break;
        this.#waitsForSipi = false;
        this.#port.sipi(this.cpu, vector);
        break;
      case Delivery.fixed:
      case Delivery.lowestPriority:
      case Delivery.extInt:
        this.#accept(vector, level);
        break;
    }
  }

  /** INTR of the PIC rises; as ExtINT it is not stored, see `takesExtInt`. */
  raiseLint0(): void {
    this.#raiseLocal(Local.lint0);
  }

  /** The machine's NMI line rises. */
  raiseLint1(): void {
    this.#raiseLocal(Local.lint1);
  }

  /** The timer's deadline has come. */
  expireTimer(now: number): void {
    this.timer.expire(now);
    this.#raiseLocal(Local.timer);
  }

  read(offset: number, data: Uint8Array): void {
    data.fill(0);
    if ((offset & 0xf) + data.length > 4) return;
    const value = this.readRegister(offset & ~0xf);
    for (let i = 0; i < data.length; i++) data[i] = value >>> (8 * ((offset & 3) + i));
  }

  write(offset: number, data: Uint8Array): void {
    if (data.length !== 4 || offset & 0xf) return;
    this.writeRegister(offset, new DataView(data.buffer, data.byteOffset).getUint32(0, true));
  }

  /** @param offset a multiple of 16 below 4096 */
  readRegister(offset: number): number {
    switch (offset) {
      case register.id:
        return (this.cpu << 24) >>> 0;
      case register.version:
        return VERSION;
      case register.tpr:
        return this.#tpr;
      case register.ppr:
        return this.ppr;
      case register.arbitration:
      case register.eoi:
        return 0;
      case register.logicalId:
        return (this.#logicalId << 24) >>> 0;
      case register.destinationFormat:
        return ((this.#destinationFormat << 28) | 0x0fffffff) >>> 0;
      case register.spurious:
        return this.#spurious;
      case register.esr:
        return this.#esr;
      case register.icrLow:
        return this.#icrLow;
      case register.icrHigh:
        return (this.#icrHigh << 24) >>> 0;
      case register.initialCount:
        return this.timer.initialCount;
      case register.currentCount:
        return this.timer.currentCount(this.#port.now());
      case register.divide:
        return this.timer.divideConfiguration;
      default:
        return this.#readArray(offset);
    }
  }

  #readArray(offset: number): number {
    const index = (offset >> 4) & 7;
    if (offset >= register.isr && offset < register.tmr) return this.#isr.word(index) >>> 0;
    if (offset >= register.tmr && offset < register.irr) return this.#tmr.word(index) >>> 0;
    if (offset >= register.irr && offset < register.esr) return this.#irr.word(index) >>> 0;
    const local = this.#local.read((offset - register.lvt) >> 4);
    if (local !== undefined) return local;
    this.#error(Esr.illegalRegister);
    return 0;
  }

  /** @param offset a multiple of 16 below 4096 */
  writeRegister(offset: number, value: number): void {
    switch (offset) {
      case register.tpr:
        this.tpr = value;
        break;
      case register.eoi:
        this.#endOfInterrupt();
        break;
      case register.logicalId:
        this.#logicalId = value >>> 24;
        break;
      case register.destinationFormat:
        this.#destinationFormat = value >>> 28;
        break;
      case register.spurious:
        this.#setSpurious(value & SPURIOUS_WRITABLE);
        break;
      case register.esr:
        this.#esr = this.#errors;
        this.#errors = 0;
        break;
      case register.icrLow:
        this.#icrLow = value & ICR_WRITABLE;
        this.#sendCommand();
        break;
      case register.icrHigh:
        this.#icrHigh = value >>> 24;
        break;
      case register.initialCount:
        this.timer.setInitialCount(value >>> 0, this.#port.now());
        break;
      case register.divide:
        this.timer.setDivideConfiguration(value, this.#port.now());
        break;
      default:
        this.#writeLocal((offset - register.lvt) >> 4, value);
    }
  }

  #reset(): void {
    this.#waitsForSipi = this.cpu !== 0;
    this.#isr.clear();
    this.#tmr.clear();
    this.#irr.clear();
    this.#local.reset();
    this.#tpr = 0;
    this.#logicalId = 0;
    this.#destinationFormat = FLAT;
    this.#spurious = 0xff;
    this.#esr = 0;
    this.#errors = 0;
    this.#icrLow = 0;
    this.#icrHigh = 0;
    this.timer.reset();
    this.#update();
  }

  #setSpurious(value: number): void {
    this.#spurious = value;
    if (!this.takesInterrupts) this.#local.mask();
    this.#update();
  }

  #writeLocal(index: number, value: number): void {
    this.#local.write(index, value, !this.takesInterrupts);
    if (index === Local.timer) this.timer.setMode((value >> 17) & 3);
  }

  #raiseLocal(index: number): void {
    const mode = this.#local.mode(index);
    if (mode !== undefined && mode !== Delivery.extInt) this.receive(mode, this.#local.vector(index), false);
  }

  #accept(vector: number, level: boolean): void {
    if (!this.takesInterrupts) return;
    if (vector < FIRST_VECTOR) {
      this.#error(Esr.receiveIllegalVector);
      return;
    }
    this.#irr.add(vector);
    if (level) this.#tmr.add(vector);
    else this.#tmr.delete(vector);
    this.#update();
  }

  #endOfInterrupt(): void {
    const vector = this.#isr.highest();
    if (vector < 0) return;
    this.#isr.delete(vector);
    this.#update();
    if (this.#tmr.has(vector)) this.#port.endOfInterrupt(vector);
  }

  #sendCommand(): void {
    const mode = (this.#icrLow >> 8) & 7;
    const vectored = mode === Delivery.fixed || mode === Delivery.lowestPriority;
    if (vectored && (this.#icrLow & 0xff) < FIRST_VECTOR) this.#error(Esr.sendIllegalVector);
    else this.#port.command(this, this.#icrLow, this.#icrHigh);
  }

  #error(bit: number): void {
    this.#errors |= bit;
    // Not one error for each delivery of an error.
    if (this.#local.vector(Local.error) >= FIRST_VECTOR) this.#raiseLocal(Local.error);
  }

  #update(): void {
    const vector = this.#irr.highest();
    this.#pending = vector >= 0 && (vector & 0xf0) > (this.ppr & 0xf0) && this.takesInterrupts ? vector : -1;
  }
}
