// Bits of MXCSR and of the x87 control and status words.

/** Exception flags, in this order in MXCSR and FSW; the masks of FCW are in the same bits, those of MXCSR 7 higher. */
export const IE: u32 = 1;
export const DE: u32 = 2;
export const ZE: u32 = 4;
export const OE: u32 = 8;
export const UE: u32 = 16;
export const PE: u32 = 32;

/** Rounding control. */
export const NEAREST: u32 = 0;
export const DOWN: u32 = 1;
export const UP: u32 = 2;
export const TRUNCATE: u32 = 3;
