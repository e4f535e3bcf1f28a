import type { GuestMemory } from '../../system/guest-memory.js';
import { encodeGdt, gdt, loadSegment, type Segment, selectors } from './gdt.js';
import { layout } from './memory-layout.js';
import { writePageTables } from './page-tables.js';

/** A descriptor table register. */
export interface DescriptorTable {
  readonly base: number;
  /** Last valid byte. */
  readonly limit: number;
}

/**
 * State of the boot CPU at the kernel's first instruction. Registers that are not named are 0; FPU, MSRs and local APIC
 * are as after reset but for what firmware does: MTRRs are on with write-back as the default (0x2ff = 0x806), LINT0 is
 * ExtINT (LVT 0x700) and LINT1 NMI (LVT 0x400).
 */
export interface CpuState {
  readonly rip: number;
  readonly rsp: number;
  readonly rbx: number;
  readonly rsi: number;
  readonly rflags: number;
  readonly cs: Segment;
  /** Also of ES, SS, FS and GS. */
  readonly ds: Segment;
  readonly tr: Segment;
  readonly gdt: DescriptorTable;
  readonly idt: DescriptorTable;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
}

const RFLAGS_FIXED = 0x2;
const CR0_PE = 0x1;
/** Fixed to 1 in every CPU since the 486 (AMD APM volume 2, section 3.1.1). */
const CR0_ET = 0x10;
const CR0_PG = 0x80000000;
const CR4_PAE = 0x20;
const EFER_LME_LMA = 0x500;

/** Writes GDT and page tables and gives the state of Linux's 64-bit boot protocol (spec virtio.md, section 7). */
export function longModeEntry(memory: GuestMemory, entry: number): CpuState {
  writePageTables(memory);
  return {
    ...commonState(memory, 'long'),
    rip: entry,
    rsp: layout.stack,
    rbx: 0,
    rsi: layout.zeroPage,
    cr0: CR0_PG + (CR0_ET | CR0_PE),
    cr3: layout.pml4,
    cr4: CR4_PAE,
    efer: EFER_LME_LMA,
  };
}

/** Writes the GDT and gives the 32-bit state of a PVH entry (Xen docs/misc/pvh.pandoc). */
export function pvhEntry(memory: GuestMemory, entry: number): CpuState {
  return {
    ...commonState(memory, 'protected'),
    rip: entry,
    rsp: 0,
    rbx: layout.pvhInfo,
    rsi: 0,
    cr0: CR0_ET | CR0_PE,
    cr3: 0,
    cr4: 0,
    efer: 0,
  };
}

function commonState(memory: GuestMemory, mode: 'long' | 'protected') {
  const descriptors = gdt(mode);
  const table = encodeGdt(descriptors);
  memory.write(layout.gdt, table);
  return {
    rflags: RFLAGS_FIXED,
    cs: loadSegment(descriptors, selectors.code),
    ds: loadSegment(descriptors, selectors.data),
    tr: loadSegment(descriptors, selectors.tss),
    gdt: { base: layout.gdt, limit: table.length - 1 },
    idt: { base: 0, limit: 0 },
  };
}
