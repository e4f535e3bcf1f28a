import type { CpuRegisters, SegmentRegister } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { Segment } from '../../src/hw/i386/gdt.js';

const UNUSABLE: SegmentRegister = { selector: 0, base: 0n, limit: 0, flags: 0 };
/** DR6 and DR7 after reset (SDM volume 3, table 10-1). */
const DEBUG = [0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n];

/** The registers of a CPU that stands at the kernel's first instruction for good; of the others, all is 0. */
export function registersOf(state: CpuState | undefined): CpuRegisters {
  const big = (value: number | undefined) => BigInt(value ?? 0);
  const { rbx, rsp, rsi, cs, ds, tr } = state ?? {};
  const data = segment(ds);
  return {
    // RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8 to R15
    general: [0, rbx, 0, 0, rsi, 0, 0, rsp, 0, 0, 0, 0, 0, 0, 0, 0].map(big),
    rip: big(state?.rip),
    rflags: big(state?.rflags),
    segments: [data, segment(cs), data, data, data, data, UNUSABLE, segment(tr)],
    gdt: { base: big(state?.gdt.base), limit: state?.gdt.limit ?? 0 },
    idt: { base: big(state?.idt.base), limit: state?.idt.limit ?? 0 },
    cr0: big(state?.cr0),
    cr2: 0n,
    cr3: big(state?.cr3),
    cr4: big(state?.cr4),
    cr8: 0n,
    debug: DEBUG,
    efer: big(state?.efer),
    halted: true,
  };
}

function segment(loaded: Segment | undefined): SegmentRegister {
  if (loaded === undefined) return UNUSABLE;
  const { selector, base, limit, type, s, dpl, present, avl, l, db, g } = loaded;
  const flags =
    (type << 8) | (s << 12) | (dpl << 13) | (present << 15) | (avl << 20) | (l << 21) | (db << 22) | (g << 23);
  return { selector, base: BigInt(base), limit, flags };
}
