/**
 * The linear memory of the software CPU. This file is both TypeScript and AssemblyScript: plain constants only, all of
 * them byte addresses (in linear memory, or relative to a structure where the comment says so) or counts.
 *
 * 0x1000 the vCPU that runs; 0x2000 scratch; 0x10000 static data of the module; then TLBs, the index of code pages,
 * decoded code, and from RAM_BASE on guest RAM (the memory backend's file mapped over it).
 */

// --- The vCPU that runs: [CPU, CPU + CPU_SIZE) is what a switch between vCPUs saves ---
export const CPU = 0x1000;
export const CPU_SIZE = 0x800;

/** u64 slots that a decoded instruction addresses by byte offset: registers first, then what an address may be made of. */
export const GPR = 0x1000;
/** Offsets of slots from GPR. Always 0; the virtual address of the page that executes; segment bases in the order ES CS SS DS FS GS LDT TR. */
export const SLOT_ZERO = 0x80;
export const SLOT_PAGE = 0x88;
export const SLOT_SEGBASE = 0x90;

/** 16 registers of 16 bytes. */
export const XMM = 0x1100;
/** x87: 8 physical registers of 16 bytes, the 80-bit value in the first 10 (MMX: the first 8). ST(i) is register (TOP + i) & 7. */
export const FPR = 0x1200;
/** u16 control word; u16 status word (TOP in bits 11 to 13); u8 tags as FXSAVE has them: bit i is 1 when physical register i is not empty. */
export const FCW = 0x1280;
export const FSW = 0x1282;
export const FTW = 0x1284;
/** u16 last opcode; u64 last instruction and operand addresses; u32 MXCSR. */
export const FOP = 0x1286;
export const FIP = 0x1288;
export const FDP = 0x1290;
export const MXCSR = 0x1298;

/**
 * Arithmetic flags, two i64. FLAG_RES is the result, sign-extended: ZF is FLAG_RES == 0. FLAG_AUX: bit 63 CF; bit 62 CF^OF;
 * bit 3 AF; bit 0 inverts the sign of FLAG_RES for SF; bit 1 inverts the parity of its low byte for PF; other bits mean nothing.
 */
export const FLAG_RES = 0x1300;
export const FLAG_AUX = 0x1308;
/** u32 RFLAGS without the arithmetic flags (CF PF AF ZF SF OF are 0 here); bit 1 is set. */
export const EFLAGS = 0x1310;
/** u64: where execution continues after an exit; during an instruction RIP is the page in SLOT_PAGE plus the record's offset. */
export const RIP = 0x1318;

/** Segments in the order of the bases: u32 selector, u32 attributes (bits 8 to 23 of a descriptor's second word), u32 limit in bytes, u32 unused. */
export const SEGMENTS = 0x1320;
export const SEGMENT_SIZE = 16;
export const SEG_SELECTOR = 0;
export const SEG_ATTRIBUTES = 4;
export const SEG_LIMIT = 8;
/** u64 base, u32 limit. */
export const GDT_BASE = 0x13a0;
export const GDT_LIMIT = 0x13a8;
export const IDT_BASE = 0x13b0;
export const IDT_LIMIT = 0x13b8;

/** u64 control registers and MSRs. */
export const CR0 = 0x13c0;
export const CR2 = 0x13c8;
export const CR3 = 0x13d0;
export const CR4 = 0x13d8;
export const CR8 = 0x13e0;
export const EFER = 0x13e8;
export const STAR = 0x13f0;
export const LSTAR = 0x13f8;
export const CSTAR = 0x1400;
export const FMASK = 0x1408;
export const KERNEL_GS_BASE = 0x1410;
export const SYSENTER_CS = 0x1418;
export const SYSENTER_ESP = 0x1420;
export const SYSENTER_EIP = 0x1428;
export const PAT = 0x1430;
export const TSC_AUX = 0x1438;
export const XCR0 = 0x1440;
/** u64 DR0 to DR7. */
export const DR = 0x1448;
/** u32 current privilege level. */
export const CPL = 0x1488;
/** u32 code mode: 0 64-bit, 1 32-bit, 2 16-bit. */
export const MODE = 0x148c;
/** u32 low bits of the tags of the execute TLB: mode and privilege. */
export const EXEC_KEY = 0x1490;
/** u32 TLB_KERNEL or TLB_USER: the read TLB of the current privilege. */
export const TLB = 0x1494;
/** u32: 1 when #NM is due for x87 and MMX, 2 for SSE too, 4 when SSE is #UD (CR0.TS and EM, CR4.OSFXSR); 8 when x87 is #NM by EM. */
export const FPU_TRAP = 0x1498;
/** u32: a HLT waits. */
export const HALTED = 0x149c;
/** u32: NMI is blocked until IRET. */
export const NMI_BLOCKED = 0x14a0;
/** u32: an interrupt of the local APIC waits to be taken; set by the host, taken when RFLAGS.IF allows. */
export const INTR = 0x14a4;
/** u32: an NMI waits. */
export const NMI = 0x14a8;
/** u32: index of the vCPU. */
export const CPU_INDEX = 0x14ac;
/** u32: bits of TRAP_*: what the debugger or the test wants to see. */
export const TRAPS = 0x14b0;

/** What ended the instruction early: u32 PEND_*, then the exception's u32 vector, u32 error code, and how the instruction is repeated. */
export const PENDING = 0x14c0;
export const EXC_VECTOR = 0x14c4;
export const EXC_ERROR = 0x14c8;
/** u32: taken branches until the next look at interrupts and time. */
export const BUDGET = 0x14cc;
/** u32: EXIT_*. */
export const EXIT = 0x14d0;
/** u32: vector + 1 of the exception in delivery, for double faults; 0 for none. */
export const DELIVERING = 0x14d4;
/** u64 four results of CPUID in order EAX EBX ECX EDX (u32 each); also the value of RDMSR and WRMSR. */
export const RESULT = 0x14e0;

/** Nothing; an exception at this instruction; go on at RIP; leave the loop with EXIT, then go on at RIP. */
export const PEND_NONE = 0;
export const PEND_EXCEPTION = 1;
export const PEND_RIP = 2;
export const PEND_EXIT = 3;

/** Why run() returned. */
export const EXIT_POLL = 1;
export const EXIT_HALT = 2;
export const EXIT_SHUTDOWN = 3;
export const EXIT_UNIMPLEMENTED = 4;
export const EXIT_EXCEPTION = 5;
export const EXIT_YIELD = 6;
export const EXIT_STEP = 7;
export const EXIT_BREAKPOINT = 8;

/** run() returns EXIT_EXCEPTION instead of delivering an exception. */
export const TRAP_EXCEPTIONS = 1;
/** run() returns EXIT_STEP after one instruction, with no interrupt before it unless the vCPU is halted. */
export const TRAP_STEP = 2;

// --- Scratch ---
/** 64 bytes: a memory operand of an SSE or x87 instruction, copied in or to be copied out. */
export const OPERAND = 0x2000;
/** The record of an instruction that crosses a page, and the one that ends it. */
export const CROSSING = 0x2080;
/** 16 bytes of code that the decoder reads. */
export const FETCH = 0x20e0;
/** 1024 bytes for FXSAVE and XSAVE images. */
export const SAVE_AREA = 0x2400;
/** 8 u64 masks of address sizes: 64, 32, 16 bits. */
export const ADDRESS_MASKS = 0x2100;

/** u32 for each handler: the function that does its instruction in all cases. */
export const HANDLERS = 0x4000;

/** Static data of the module (asc --memoryBase). */
export const STATIC = 0x10000;

// --- TLBs: TLB_ENTRIES of 16 bytes: u64 tag (virtual page; for execute with EXEC_KEY), u32 addend (linear address = low 32 bits of virtual address + addend; for execute the map of the code page), u32 unused ---
export const TLB_ENTRIES = 4096;
export const TLB_KERNEL = 0x100000;
export const TLB_USER = 0x120000;
/** From a read TLB to its write TLB. */
export const TLB_WRITE = 0x10000;
export const TLB_EXEC = 0x140000;
/** Entries of other than global pages, u32 addresses, to be dropped by a CR3 write. */
export const TOUCHED = 0x150000;
export const TOUCHED_MAX = 8192;
/** Entries of global pages. */
export const TOUCHED_GLOBAL = 0x158000;

// --- Decoded code ---
/** u32 for each page of RAM: its code page, or 0. */
export const PAGE_INDEX = 0x200000;
/** Code pages: descriptors, maps of 4096 u32 (record of the instruction at that offset, or 0), and chunks of records. */
export const CODE_PAGES = 0x600000;
export const CODE_PAGE_SIZE = 32;
export const CODE_PAGE_MAX = 4064;
export const CODE_MAPS = 0x620000;
export const CODE_MAP_SIZE = 0x4000;
export const CHUNKS = 0x45a0000;
export const CHUNK_SIZE = 0x800;
export const CHUNK_MAX = 35000;

/** Where guest RAM begins; 64 KiB times 65536 is where it has to end. */
export const RAM_BASE = 0x9000000;

/** Of the machine, not of a vCPU: u64 bytes of RAM below 4 GiB and above; u32 how many branches a time slice has. */
export const RAM_LOW = 0x2200;
export const RAM_HIGH = 0x2208;
export const SLICE = 0x2210;
/** Go on with the record at CROSSING. */
export const PEND_RECORD = 4;
/** A watchpoint: do the instruction again, then return. */
export const PEND_WATCH = 5;
/** The record that poll() puts into the loop. */
export const POLL_RECORD = 0x2220;
/** u32: not 0 when PAUSE gives the other vCPUs their turn. */
export const YIELDS = 0x2214;

// --- The debugger ---
/** u32 counts; u32 index + 1 of the watchpoint that was touched, or 0, and the u64 address. */
export const BREAKPOINT_COUNT = 0x2240;
export const WATCHPOINT_COUNT = 0x2244;
export const WATCHPOINT_HIT = 0x2248;
export const WATCHPOINT_ADDRESS = 0x2250;
/** Most of both together. */
export const BREAKPOINT_MAX = 1024;
/** u64 virtual addresses of instructions. */
export const BREAKPOINTS = 0x8000;
/** u64 virtual address, u32 bytes, u32 kinds: 1 reads, 2 writes. */
export const WATCHPOINTS = 0xa000;
export const WATCHPOINT_SIZE = 16;
