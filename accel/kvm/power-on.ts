import { ioctl, tryIoctl } from '../../src/host/fd.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import {
  KVM_GET_DEBUGREGS,
  KVM_GET_LAPIC,
  KVM_GET_MP_STATE,
  KVM_GET_MSRS,
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_GET_VCPU_EVENTS,
  KVM_GET_XCRS,
  KVM_GET_XSAVE,
  KVM_SET_DEBUGREGS,
  KVM_SET_LAPIC,
  KVM_SET_MP_STATE,
  KVM_SET_MSRS,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  KVM_SET_VCPU_EVENTS,
  KVM_SET_XCRS,
  KVM_SET_XSAVE,
  Size,
} from './abi.js';
import { encodeRegs, encodeSregs } from './registers.js';

const MSR_TSC = 0x10;
const MSR_MTRR_DEF_TYPE = 0x2ff;
/** MTRRs on, memory that none of them names is write-back: firmware's doing. */
const MTRR_WRITE_BACK = 0x806n;

/** Offsets in struct kvm_lapic_state, which is the APIC's register page. */
export const LVT_LINT0 = 0x350;
export const LVT_LINT1 = 0x360;
const LVT_EXTINT = 0x700;
const LVT_NMI = 0x400;

interface Block {
  readonly get: number;
  readonly set: number;
  readonly size: number;
  /** Absent on CPUs without XSAVE. */
  readonly optional?: true;
}

/** In the order that KVM wants them written: the APIC's mode is in the special registers, its pending work in the last two. */
const blocks: readonly Block[] = [
  { get: KVM_GET_SREGS, set: KVM_SET_SREGS, size: Size.kvm_sregs },
  { get: KVM_GET_REGS, set: KVM_SET_REGS, size: Size.kvm_regs },
  { get: KVM_GET_XCRS, set: KVM_SET_XCRS, size: Size.kvm_xcrs, optional: true },
  { get: KVM_GET_XSAVE, set: KVM_SET_XSAVE, size: Size.kvm_xsave },
  { get: KVM_GET_DEBUGREGS, set: KVM_SET_DEBUGREGS, size: Size.kvm_debugregs },
];
const lateBlocks: readonly Block[] = [
  { get: KVM_GET_LAPIC, set: KVM_SET_LAPIC, size: Size.kvm_lapic_state },
  { get: KVM_GET_VCPU_EVENTS, set: KVM_SET_VCPU_EVENTS, size: Size.kvm_vcpu_events },
  { get: KVM_GET_MP_STATE, set: KVM_SET_MP_STATE, size: Size.kvm_mp_state },
];

type Saved = Map<Block, Buffer>;

/**
 * The state of a vCPU as KVM made it, to be put back at every reset: KVM has no request for that. Reset gives the boot
 * vCPU its boot state and what firmware would have set up: LINT0 and LINT1, and write-back as the default memory type.
 */
export class PowerOnState {
  readonly #fd: number;
  readonly #saved: Saved = new Map();
  readonly #msrs: readonly (readonly [index: number, value: bigint])[];

  /** @param msrs the indices that KVM_GET_MSR_INDEX_LIST tells */
  constructor(fd: number, msrs: readonly number[]) {
    this.#fd = fd;
    for (const block of [...blocks, ...lateBlocks]) {
      const state = Buffer.alloc(block.size);
      if (block.optional) {
        if (tryIoctl(fd, block.get, state) < 0) continue;
      } else ioctl(fd, block.get, state);
      this.#saved.set(block, state);
    }
    this.#msrs = readMsrs(fd, msrs).map(([index, value]) => [index, index === MSR_TSC ? 0n : value]);
  }

  /** @param boot undefined for a vCPU that waits for INIT and SIPI. @throws HostError */
  restore(boot: CpuState | undefined): void {
    for (const block of blocks) this.#restore(block, boot);
    writeMsrs(this.#fd, [...this.#msrs, [MSR_MTRR_DEF_TYPE, MTRR_WRITE_BACK]]);
    for (const block of lateBlocks) this.#restore(block, boot);
  }

  #restore(block: Block, boot: CpuState | undefined): void {
    const saved = this.#saved.get(block);
    if (saved !== undefined) ioctl(this.#fd, block.set, boot === undefined ? saved : bootBlock(block, saved, boot));
  }
}

function bootBlock({ set }: Block, saved: Buffer, boot: CpuState): Buffer {
  switch (set) {
    case KVM_SET_SREGS:
      return encodeSregs(saved, boot);
    case KVM_SET_REGS:
      return encodeRegs(boot);
    case KVM_SET_LAPIC: {
      const lapic = Buffer.from(saved);
      lapic.writeUInt32LE(LVT_EXTINT, LVT_LINT0);
      lapic.writeUInt32LE(LVT_NMI, LVT_LINT1);
      return lapic;
    }
    default:
      return saved;
  }
}

type Msr = readonly [index: number, value: bigint];

/** struct kvm_msrs. */
export function encodeMsrs(msrs: readonly Msr[]): Buffer {
  const argument = Buffer.alloc(8 + msrs.length * Size.kvm_msr_entry);
  argument.writeUInt32LE(msrs.length, 0);
  for (const [i, [index, value]] of msrs.entries()) {
    const at = 8 + i * Size.kvm_msr_entry;
    argument.writeUInt32LE(index, at);
    argument.writeBigUInt64LE(value, at + 8);
  }
  return argument;
}

/** The MSRs of the list that can be read: KVM stops at one that can't, which is left out. @throws HostError */
export function readMsrs(fd: number, indices: readonly number[]): Msr[] {
  const read: Msr[] = [];
  for (let rest = indices; rest.length > 0; ) {
    const argument = encodeMsrs(rest.map((index) => [index, 0n]));
    const count = ioctl(fd, KVM_GET_MSRS, argument);
    for (const [i, index] of rest.slice(0, count).entries()) {
      read.push([index, argument.readBigUInt64LE(8 + i * Size.kvm_msr_entry + 8)]);
    }
    rest = rest.slice(count + 1);
  }
  return read;
}

/** Writes those of the MSRs that can be written. @throws HostError */
function writeMsrs(fd: number, msrs: readonly Msr[]): void {
  for (let rest = msrs; rest.length > 0; ) rest = rest.slice(ioctl(fd, KVM_SET_MSRS, encodeMsrs(rest)) + 1);
}
