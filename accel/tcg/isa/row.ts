/** One encoding of an instruction. `../core/README.md` tells what the fields mean to whoever adds a row. */
export interface Row {
  /** Opcode bytes in hex, with the escape bytes 0f, 0f 38, 0f 3a; then `/0` to `/7` where ModRM.reg selects; `+r` where the low three bits name a register. */
  readonly opcode: string;
  readonly name: string;
  /** Intel's operand letters, the destination first. */
  readonly operands?: string;
  /** The prefix that selects this row among others of the opcode. */
  readonly prefix?: 'none' | '66' | 'f3' | 'f2';
  readonly mod?: 'mem' | 'reg';
  /** The value of ModRM.rm that selects (with `mod: 'reg'`). */
  readonly rm?: number;
  /** Only with REX.W, or only without it. */
  readonly wide?: boolean;
  /** Only in 64-bit mode, or only outside of it. */
  readonly mode?: '64' | 'legacy';
  /** The operand size is 64 bits in 64-bit mode without REX.W; 32 bits can't be had. */
  readonly d64?: true;
  /** May have a LOCK prefix when its destination is memory. */
  readonly lock?: true;
  /** Execution does not go on behind it. */
  readonly ends?: true;
  /** A memory operand is read but not written, though it is the first one. */
  readonly reads?: true;
  /** The only memory operand is written, not read. */
  readonly writes?: true;
  /** How the general switch calls it; `cold` without it. */
  readonly call?: 'cold' | 'fp';
  /** The last argument of the function of `call: 'fp'`: a number, or the operand size in bytes. */
  readonly arg?: number | 'size';
  /** Name of the function that does it, where it is not the row's. */
  readonly fn?: string;
  /** Without this CPUID feature the row is an invalid opcode. */
  readonly feature?: string;
  /** Told by the operands where it is not given. `x87_control` leaves the last instruction pointer, `x87_nowait` leaves pending exceptions too. */
  readonly unit?: 'sse' | 'mmx' | 'x87' | 'x87_control' | 'x87_nowait';
  readonly aligned?: true;
}

/** Condition codes in the order of their numbers (SDM volume 2, appendix B.1.4.7). */
export const conditions = [
  ...['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a'],
  ...['s', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'],
] as const;

export function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}
