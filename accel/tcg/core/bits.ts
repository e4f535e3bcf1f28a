// Bits of the architecture's registers (SDM volume 3, sections 2.2 to 2.5 and 4.5; volume 1, section 3.4.3).

export const FLAG_CF: u64 = 0x1;
export const FLAG_PF: u64 = 0x4;
export const FLAG_AF: u64 = 0x10;
export const FLAG_ZF: u64 = 0x40;
export const FLAG_SF: u64 = 0x80;
export const FLAG_OF: u64 = 0x800;
export const FLAGS_ARITHMETIC: u64 = 0x8d5;
export const FLAG_TF: u32 = 0x100;
export const FLAG_IF: u32 = 0x200;
export const FLAG_DF: u32 = 0x400;
export const FLAG_IOPL: u32 = 0x3000;
export const FLAG_NT: u32 = 0x4000;
export const FLAG_RF: u32 = 0x10000;
export const FLAG_VM: u32 = 0x20000;
export const FLAG_AC: u32 = 0x40000;
export const FLAG_ID: u32 = 0x200000;
/** What POPF and IRET may change, apart from arithmetic flags, IF and IOPL. */
export const FLAGS_FREE: u32 = 0x244500;

export const CR0_PE: u64 = 0x1;
export const CR0_MP: u64 = 0x2;
export const CR0_EM: u64 = 0x4;
export const CR0_TS: u64 = 0x8;
export const CR0_ET: u64 = 0x10;
export const CR0_NE: u64 = 0x20;
export const CR0_WP: u64 = 0x10000;
export const CR0_AM: u64 = 0x40000;
export const CR0_PG: u64 = 0x80000000;
export const CR0_VALID: u64 = 0xe005003f;

export const CR4_TSD: u64 = 0x4;
export const CR4_DE: u64 = 0x8;
export const CR4_PAE: u64 = 0x20;
export const CR4_PGE: u64 = 0x80;
export const CR4_OSFXSR: u64 = 0x200;
export const CR4_OSXMMEXCPT: u64 = 0x400;
export const CR4_FSGSBASE: u64 = 0x10000;
export const CR4_OSXSAVE: u64 = 0x40000;
export const CR4_SMEP: u64 = 0x100000;
/** VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP */
export const CR4_VALID: u64 = 0x1507ff;

export const EFER_SCE: u64 = 0x1;
export const EFER_LME: u64 = 0x100;
export const EFER_LMA: u64 = 0x400;
export const EFER_NXE: u64 = 0x800;

export const PTE_P: u64 = 0x1;
export const PTE_W: u64 = 0x2;
export const PTE_U: u64 = 0x4;
export const PTE_A: u64 = 0x20;
export const PTE_D: u64 = 0x40;
export const PTE_PS: u64 = 0x80;
export const PTE_G: u64 = 0x100;
export const PTE_NX: u64 = 0x8000000000000000;
export const PTE_ADDRESS: u64 = 0x000ffffffffff000;
/** Address bits above the 40 that CPUID tells. */
export const PTE_RESERVED: u64 = 0x000fff0000000000;

export const DE: u32 = 0;
export const DB: u32 = 1;
export const BP: u32 = 3;
export const OF: u32 = 4;
export const BR: u32 = 5;
export const UD: u32 = 6;
export const NM: u32 = 7;
export const DF: u32 = 8;
export const TS: u32 = 10;
export const NP: u32 = 11;
export const SS: u32 = 12;
export const GP: u32 = 13;
export const PF: u32 = 14;
export const MF: u32 = 16;
export const AC: u32 = 17;
export const XM: u32 = 19;
