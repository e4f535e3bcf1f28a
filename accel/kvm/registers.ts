import type { CpuRegisters, SegmentRegister, TableRegister } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { Segment } from '../../src/hw/i386/gdt.js';
import { MpState, Size } from './abi.js';

/** Position in struct kvm_regs of RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP, as the header orders them. */
const Regs = { rbx: 8, rsi: 32, rsp: 48, r8: 64, rip: 128, rflags: 136 } as const;
/** Of the registers in the order of CpuRegisters.general, which has RBP before RSP. */
const GENERAL = [0, 8, 16, 24, 32, 40, 56, 48, ...Array.from({ length: 8 }, (_, i) => Regs.r8 + 8 * i)];

const Sregs = {
  cs: 0,
  ds: 24,
  es: 48,
  fs: 72,
  gs: 96,
  ss: 120,
  tr: 144,
  ldt: 168,
  gdt: 192,
  idt: 208,
  cr0: 224,
  cr2: 232,
  cr3: 240,
  cr4: 248,
  cr8: 256,
  efer: 264,
} as const;
/** ES, CS, SS, DS, FS, GS, LDT, TR. */
const SEGMENTS = [Sregs.es, Sregs.cs, Sregs.ss, Sregs.ds, Sregs.fs, Sregs.gs, Sregs.ldt, Sregs.tr];

/** struct kvm_regs of a boot state. */
export function encodeRegs(state: CpuState): Buffer {
  const regs = Buffer.alloc(Size.kvm_regs);
  for (const name of ['rip', 'rsp', 'rbx', 'rsi', 'rflags'] as const) {
    regs.writeBigUInt64LE(BigInt(state[name]), Regs[name]);
  }
  return regs;
}

/** struct kvm_sregs of a boot state; what the state does not name is as in `reset`, that of a vCPU after power-on. */
export function encodeSregs(reset: Uint8Array, state: CpuState): Buffer {
  const sregs = Buffer.from(reset);
  writeSegment(sregs, Sregs.cs, state.cs);
  for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) writeSegment(sregs, Sregs[name], state.ds);
  writeSegment(sregs, Sregs.tr, state.tr);
  for (const name of ['gdt', 'idt'] as const) {
    sregs.writeBigUInt64LE(BigInt(state[name].base), Sregs[name]);
    sregs.writeUInt16LE(state[name].limit, Sregs[name] + 8);
  }
  for (const name of ['cr0', 'cr3', 'cr4', 'efer'] as const) {
    sregs.writeBigUInt64LE(BigInt(state[name]), Sregs[name]);
  }
  return sregs;
}

/** struct kvm_segment: base 0, limit 8, selector 12, type 14, present, dpl, db, s, l, g, avl, unusable. */
function writeSegment(sregs: Buffer, at: number, segment: Segment): void {
  const { base, limit, selector, type, present, dpl, db, s, l, g, avl } = segment;
  sregs.writeBigUInt64LE(BigInt(base), at);
  sregs.writeUInt32LE(limit, at + 8);
  sregs.writeUInt16LE(selector, at + 12);
  Buffer.from([type, present, dpl, db, s, l, g, avl, present === 0 ? 1 : 0]).copy(sregs, at + 14);
}

function readSegment(sregs: Buffer, at: number): SegmentRegister {
  const [type = 0, present = 0, dpl = 0, db = 0, s = 0, l = 0, g = 0, avl = 0, unusable = 0] = sregs.subarray(at + 14);
  const access = type | (s << 4) | (dpl << 5) | (present << 7);
  return {
    selector: sregs.readUInt16LE(at + 12),
    base: sregs.readBigUInt64LE(at),
    limit: sregs.readUInt32LE(at + 8),
    flags: unusable !== 0 ? 0 : (access << 8) | (avl << 20) | (l << 21) | (db << 22) | (g << 23),
  };
}

/** What the four structures say. `debugregs` is struct kvm_debugregs: DR0 to DR3, DR6, DR7. */
export function decodeRegisters(regs: Buffer, sregs: Buffer, debugregs: Buffer, mpState: number): CpuRegisters {
  const table = (at: number): TableRegister => ({
    base: sregs.readBigUInt64LE(at),
    limit: sregs.readUInt16LE(at + 8),
  });
  const control = (name: 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer') => sregs.readBigUInt64LE(Sregs[name]);
  return {
    general: GENERAL.map((at) => regs.readBigUInt64LE(at)),
    rip: regs.readBigUInt64LE(Regs.rip),
    rflags: regs.readBigUInt64LE(Regs.rflags),
    segments: SEGMENTS.map((at) => readSegment(sregs, at)),
    gdt: table(Sregs.gdt),
    idt: table(Sregs.idt),
    cr0: control('cr0'),
    cr2: control('cr2'),
    cr3: control('cr3'),
    cr4: control('cr4'),
    cr8: control('cr8'),
    efer: control('efer'),
    debug: Array.from({ length: 6 }, (_, i) => debugregs.readBigUInt64LE(8 * i)),
    halted: mpState !== MpState.RUNNABLE,
  };
}
