import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { Segment } from '../../src/hw/i386/gdt.js';
import * as s from './core/state.js';

const SEGMENT_COUNT = 8;
const [CS, LDT, TR] = [1, 6, 7];
/** Numbers of RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP. */
const SHOWN_ORDER = [0, 3, 1, 2, 6, 7, 5, 4];
const ARITHMETIC_FLAGS = 0x8d5;
/** Segment attributes after reset: present, accessed, readable code or writable data. */
const RESET_CODE = 0x9b;
const RESET_DATA = 0x93;
const RESET_LDT = 0x82;
const RESET_TR = 0x8b;
const RESET_CR0 = 0x60000010n;
const RESET_PAT = 0x0007040600070406n;
const RESET_RDX = 0x600n;

/** The state of one vCPU as core/state.ts lays it out: in linear memory, or in a copy while another one runs. */
export class VcpuState {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** @param bytes CPU_SIZE bytes, from CPU on in linear memory */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u32(at: number): number {
    return this.#view.getUint32(at - s.CPU, true);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at - s.CPU, value, true);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(at - s.CPU, true);
  }

  setU64(at: number, value: bigint): void {
    this.#view.setBigUint64(at - s.CPU, value, true);
  }

  general(index: number): bigint {
    return this.u64(s.GPR + 8 * index);
  }

  setGeneral(index: number, value: bigint): void {
    this.setU64(s.GPR + 8 * index, value);
  }

  setSegment(index: number, selector: number, base: bigint, limit: number, attributes: number): void {
    const at = s.SEGMENTS + index * s.SEGMENT_SIZE;
    this.setU32(at + s.SEG_SELECTOR, selector);
    this.setU32(at + s.SEG_ATTRIBUTES, attributes);
    this.setU32(at + s.SEG_LIMIT, limit);
    this.setU64(s.GPR + s.SLOT_SEGBASE + 8 * index, base);
  }

  setTable(at: number, base: bigint, limit: number): void {
    this.setU64(at, base);
    this.setU32(at + 8, limit);
  }

  /** All flags clear. */
  #clearFlags(): void {
    this.setU64(s.FLAG_RES, 0x101n);
    this.setU64(s.FLAG_AUX, 0n);
    this.setU32(s.EFLAGS, 2);
  }

  /** State after INIT (SDM volume 3, table 10-1): what RESET sets besides is set too. */
  powerOn(index: number): void {
    this.bytes.fill(0);
    this.#clearFlags();
    this.setGeneral(2, RESET_RDX);
    this.setU64(s.RIP, 0xfff0n);
    this.setU64(s.CR0, RESET_CR0);
    this.setU64(s.PAT, RESET_PAT);
    this.setU64(s.XCR0, 1n);
    this.setU64(s.DR + 6 * 8, 0xffff0ff0n);
    this.setU64(s.DR + 7 * 8, 0x400n);
    for (let i = 0; i < LDT; i++) this.setSegment(i, 0, 0n, 0xffff, RESET_DATA);
    this.setSegment(CS, 0xf000, 0xffff0000n, 0xffff, RESET_CODE);
    this.setSegment(LDT, 0, 0n, 0xffff, RESET_LDT);
    this.setSegment(TR, 0, 0n, 0xffff, RESET_TR);
    this.setTable(s.GDT_BASE, 0n, 0xffff);
    this.setTable(s.IDT_BASE, 0n, 0xffff);
    this.setU32(s.CPU_INDEX, index);
    this.#view.setUint16(s.FCW - s.CPU, 0x40, true);
    this.setU32(s.MXCSR, 0x1f80);
  }

  /** The first instruction after SIPI: `vector` is a page below 1 MiB. */
  startUp(vector: number): void {
    this.setSegment(CS, vector << 8, BigInt(vector << 12), 0xffff, RESET_CODE);
    this.setU64(s.RIP, 0n);
  }

  /** The boot CPU as the loader wants it. */
  boot(state: CpuState): void {
    this.powerOn(0);
    this.setU64(s.RIP, BigInt(state.rip));
    this.setGeneral(3, BigInt(state.rbx));
    this.setGeneral(4, BigInt(state.rsp));
    this.setGeneral(6, BigInt(state.rsi));
    this.setGeneral(2, 0n);
    this.setU32(s.EFLAGS, state.rflags);
    for (let i = 0; i < LDT; i++) this.#load(i, i === CS ? state.cs : state.ds);
    this.#load(TR, state.tr);
    this.setTable(s.GDT_BASE, BigInt(state.gdt.base), state.gdt.limit);
    this.setTable(s.IDT_BASE, BigInt(state.idt.base), state.idt.limit);
    this.setU64(s.CR0, BigInt(state.cr0));
    this.setU64(s.CR3, BigInt(state.cr3));
    this.setU64(s.CR4, BigInt(state.cr4));
    this.setU64(s.EFER, BigInt(state.efer));
  }

  #load(index: number, { selector, base, limit, type, s: code, dpl, present, avl, l, db, g }: Segment): void {
    const attributes =
      type | (code << 4) | (dpl << 5) | (present << 7) | (avl << 12) | (l << 13) | (db << 14) | (g << 15);
    this.setSegment(index, selector, BigInt(base), limit, attributes);
  }

  /** @param arithmetic CF to OF, as the core works them out */
  registers(arithmetic: bigint, cr8: number): CpuRegisters {
    const segments = Array.from({ length: SEGMENT_COUNT }, (_, i) => {
      const at = s.SEGMENTS + i * s.SEGMENT_SIZE;
      return {
        selector: this.u32(at + s.SEG_SELECTOR),
        base: this.u64(s.GPR + s.SLOT_SEGBASE + 8 * i),
        limit: this.u32(at + s.SEG_LIMIT),
        flags: (this.u32(at + s.SEG_ATTRIBUTES) << 8) >>> 0,
      };
    });
    const table = (at: number) => ({ base: this.u64(at), limit: this.u32(at + 8) });
    return {
      general: [...SHOWN_ORDER, 8, 9, 10, 11, 12, 13, 14, 15].map((i) => this.general(i)),
      rip: this.u64(s.RIP),
      rflags: BigInt((this.u32(s.EFLAGS) & ~ARITHMETIC_FLAGS) >>> 0) | arithmetic,
      segments,
      gdt: table(s.GDT_BASE),
      idt: table(s.IDT_BASE),
      cr0: this.u64(s.CR0),
      cr2: this.u64(s.CR2),
      cr3: this.u64(s.CR3),
      cr4: this.u64(s.CR4),
      cr8: BigInt(cr8),
      debug: [0, 1, 2, 3, 6, 7].map((i) => this.u64(s.DR + 8 * i)),
      efer: this.u64(s.EFER),
      halted: this.u32(s.HALTED) !== 0,
    };
  }
}
