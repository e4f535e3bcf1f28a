/**
 * A decoded instruction: 32 bytes. Both TypeScript and AssemblyScript: offsets in a record, and the codes of its fields.
 * Register fields are byte offsets into an area that the operand's class names: GPR slots (R_SPL.. of byte
 * registers with REX, slot + 1 for AH CH DH BH), XMM, FPR (MMX registers), or a plain number (segment, CR, DR).
 */
export const RECORD_SIZE = 32;

/** u16 handler. */
export const OP = 0;
/** u8 length of the instruction. */
export const LENGTH = 2;
/** u8 shift of the index: 0 to 3. */
export const SCALE = 3;
/** u8 operand named by ModRM.reg. */
export const REG = 4;
/** u8 operand named by ModRM.rm when it is a register, or by the low bits of the opcode. */
export const RM = 5;
/** u8 offsets of slots from GPR: address = ((base + (index << scale) + disp) & mask) + segment. */
export const BASE = 6;
export const INDEX = 7;
/** i32 */
export const DISP = 8;
/** u16 offset of the instruction in its page. */
export const OFFSET = 12;
/** u8 slot of the segment base, SLOT_ZERO where it is 0. */
export const SEGMENT = 14;
/** u8, see below. */
export const FLAGS = 15;
/** i64 immediate, sign-extended as the instruction takes it; for branches the target relative to the page. */
export const IMM = 16;
/** u32 record of the branch target when it is in the same page and decoded, or 0. */
export const LINK = 24;
/** u8 FORM_*: which operands a general handler takes. */
export const FORM = 28;
/** u8 bits: see below. */
export const PREFIX = 29;
/** u16 offset of the next instruction relative to the page, 1 to 4110. */
export const NEXT = 30;

/** FLAGS: log2 of the operand size in bytes (bits 0 to 1), memory operand (bit 2), address size as index of ADDRESS_MASKS (bits 3 to 4: 0 64, 1 32, 2 16). */
export const FLAG_SIZE = 3;
export const FLAG_MEM = 4;
export const FLAG_ADDRESS_SHIFT = 3;

/** PREFIX: LOCK, F3, F2, 66, REX.W; stack operations of the instruction: default size. */
export const PREFIX_LOCK = 1;
export const PREFIX_REP = 2;
export const PREFIX_REPNE = 4;
export const PREFIX_OPSIZE = 8;
export const PREFIX_REXW = 16;
/** The memory operand is in the stack segment: #SS in the place of #GP. */
export const PREFIX_STACK = 32;
