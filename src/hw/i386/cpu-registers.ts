/** A segment register as `info registers` shows it. */
export interface SegmentRegister {
  readonly selector: number;
  readonly base: bigint;
  /** In bytes, whatever the granularity. */
  readonly limit: number;
  /** As in the second word of a descriptor, bits 8 to 23; 0 for a register that can't be used. */
  readonly flags: number;
}

/** GDTR or IDTR. */
export interface TableRegister {
  readonly base: bigint;
  readonly limit: number;
}

/** Registers of a vCPU at one moment. */
export interface CpuRegisters {
  /** RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8 to R15. */
  readonly general: readonly bigint[];
  readonly rip: bigint;
  readonly rflags: bigint;
  /** ES, CS, SS, DS, FS, GS, LDT, TR. */
  readonly segments: readonly SegmentRegister[];
  readonly gdt: TableRegister;
  readonly idt: TableRegister;
  readonly cr0: bigint;
  readonly cr2: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly cr8: bigint;
  /** DR0, DR1, DR2, DR3, DR6, DR7. */
  readonly debug: readonly bigint[];
  readonly efer: bigint;
  /** The vCPU waits: for an interrupt, or to be started. */
  readonly halted: boolean;
}
