import { type CpuidRegister, featureWords } from '../../src/hw/i386/cpuid/features.js';
import type { CpuidLeaf, SupportedCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { APIC_TIMER_HZ } from '../../src/hw/timer/apic-timer.js';
import { features } from './isa/features.js';

/** Rate of the time stamp counter that the guest is told: one tick is one nanosecond, as of the local APIC's timer. */
export const TSC_HZ = APIC_TIMER_HZ;

/** What is there besides what instructions make up (isa/features.ts). */
const machineFeatures = [
  ...[
    'de',
    'pse',
    'tsc',
    'msr',
    'pae',
    'cx8',
    'apic',
    'pge',
    'pat',
    'pse36',
    'clflush',
    'cx16',
    'tsc-deadline',
    'hypervisor',
    'arat',
  ],
  ...['smep', 'erms', 'syscall', 'nx', 'pdpe1gb', 'lm', 'lahf-lm', '3dnowprefetch', 'invtsc'],
  ...['kvmclock', 'kvm-nopiodelay', 'kvmclock-stable-bit'],
];

/** QEMU's own CPU: family 15, model 107, stepping 1. */
const SIGNATURE = 0x00060fb1;
const VENDOR = 'AuthenticAMD';
const BRAND = 'QEMU TCG CPU version 2.5+';
/** Image of FXSAVE, and XSAVE's header. */
const XSAVE_SIZE = 576;
const XSAVEOPT = 1;
/** Bits of XCR0: x87 and SSE. */
const XCR0 = 3;
const PHYSICAL_BITS = 40;
const VIRTUAL_BITS = 48;
const HYPERVISOR = 0x40000000;
const EXTENDED = 0x80000000;
const CLFLUSH_SIZE = 8;

type Registers = Partial<Record<CpuidRegister, number>>;

function leaf(number: number, registers: Registers = {}, subleaf = 0, indexed = false): CpuidLeaf {
  return { leaf: number, subleaf, indexed, eax: 0, ebx: 0, ecx: 0, edx: 0, ...registers };
}

function words(text: string, registers: readonly CpuidRegister[]): Registers {
  const bytes = Buffer.from(text, 'latin1');
  return Object.fromEntries(registers.map((register, i) => [register, bytes.readUInt32LE(4 * i)]));
}

/** All leaves without features and without what a CPU model says. */
function plainLeaves(): CpuidLeaf[] {
  const vendor = words(VENDOR, ['ebx', 'edx', 'ecx']);
  return [
    leaf(0, { eax: 0x16, ...vendor }),
    leaf(1, { eax: SIGNATURE, ebx: CLFLUSH_SIZE << 8 }),
    leaf(6),
    leaf(7, {}, 0, true),
    leaf(0xb, {}, 0, true),
    leaf(0xd, { eax: XCR0, ebx: XSAVE_SIZE, ecx: XSAVE_SIZE }, 0, true),
    leaf(0xd, { eax: XSAVEOPT }, 1, true),
    leaf(0x15, { eax: 1, ebx: 1, ecx: TSC_HZ }),
    leaf(0x16, { eax: TSC_HZ / 1e6, ebx: TSC_HZ / 1e6 }),
    leaf(HYPERVISOR, { eax: HYPERVISOR + 1, ...words('KVMKVMKVM\0\0\0', ['ebx', 'ecx', 'edx']) }),
    leaf(HYPERVISOR + 1),
    leaf(EXTENDED, { eax: EXTENDED + 8, ...vendor }),
    ...[1, 2, 3, 4, 7].map((number) => leaf(EXTENDED + number)),
    leaf(EXTENDED + 8, { eax: PHYSICAL_BITS | (VIRTUAL_BITS << 8) }),
  ];
}

/** What the software CPU has. */
export function supportedCpuid(): SupportedCpuid {
  const known = new Set([...features, ...machineFeatures]);
  const leaves = plainLeaves().map((plain) => {
    const full = { ...plain };
    for (const { leaf: number, subleaf, register, names } of featureWords) {
      if (number !== plain.leaf || subleaf !== plain.subleaf) continue;
      for (const [bit, name] of names.entries())
        if (known.has(name)) full[register] = (full[register] | (1 << bit)) >>> 0;
    }
    return full;
  });
  return { leaves, brand: BRAND };
}

const OSXSAVE_LEAF = 1;
const OSXSAVE = 1 << 27;
const CR4_OSXSAVE = 1n << 18n;

/** Answers CPUID from the leaves of one vCPU. */
export class CpuidTable {
  readonly #leaves = new Map<number, Map<number, CpuidLeaf>>();
  readonly #highest = new Map<number, number>();
  readonly #fallback: CpuidLeaf;

  constructor(leaves: readonly CpuidLeaf[]) {
    for (const entry of leaves) {
      const subleaves = this.#leaves.get(entry.leaf) ?? new Map<number, CpuidLeaf>();
      this.#leaves.set(entry.leaf, subleaves.set(entry.subleaf, entry));
      const range = (entry.leaf & 0xc0000000) >>> 0;
      if (range === entry.leaf) this.#highest.set(range, entry.eax);
    }
    this.#fallback = leaf(0);
  }

  /** Leaves above the highest one are like the highest basic one on Intel's CPUs, zero on AMD's; they are zero here. */
  find(number: number, subleaf: number, cr4: bigint): CpuidLeaf {
    const subleaves = this.#leaves.get(number >>> 0);
    const first = subleaves?.get(0);
    const found = (first?.indexed === true ? subleaves?.get(subleaf >>> 0) : first) ?? this.#fallback;
    if (number !== OSXSAVE_LEAF || (cr4 & CR4_OSXSAVE) === 0n) return found;
    return { ...found, ecx: (found.ecx | OSXSAVE) >>> 0 };
  }
}
