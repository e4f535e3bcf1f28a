import {
  BASE,
  DISP,
  FLAG_MEM,
  FLAGS,
  FORM,
  IMM,
  INDEX,
  LENGTH,
  LINK,
  NEXT,
  OFFSET,
  OP,
  PREFIX,
  PREFIX_LOCK,
  PREFIX_OPSIZE,
  PREFIX_REP,
  PREFIX_REPNE,
  PREFIX_REXW,
  PREFIX_STACK,
  REG,
  RM,
  SCALE,
  SEGMENT,
} from './record';
import { MODE, SLOT_PAGE, SLOT_SEGBASE, SLOT_ZERO } from './state';
import {
  CELLS,
  CLASS_GENERAL,
  CLASS_MMX,
  CLASS_XMM,
  ENTRIES,
  ENTRY_SIZE,
  IMM_ENTER,
  IMM_FAR,
  IMM_IB,
  IMM_IV,
  IMM_IW,
  IMM_IZ,
  IMM_JB,
  IMM_JZ,
  IMM_MOFFS,
  IMM_ONE,
  LEAF_BITS,
  NODES,
  OP_INVALID,
  OP_TOO_LONG,
  OP_UNIMPLEMENTED,
  SELECT_MOD,
  SELECT_MODE,
  SELECT_PREFIX,
  SELECT_REG,
  SELECT_WIDE,
  SIZE_B,
  SIZE_BRANCH,
  SIZE_D,
  SIZE_Q,
  SIZE_STACK,
  SIZE_W,
  SIZE_Y,
  SIZE_Z,
} from './tables';

// Fields of a decoder entry, as isa/generate.ts writes them.
const E_IMM: usize = 0;
const E_SIZE: usize = 1;
const E_REG_CLASS: usize = 2;
const E_RM_CLASS: usize = 3;
const E_FLAGS: usize = 4;
const E_FORM: usize = 5;
const E_GENERAL: usize = 6;
const E_REG: usize = 8;
const E_RM: usize = 9;
const E_REG_BYTE: usize = 10;
const E_RM_BYTE: usize = 11;
const E_HANDLERS: usize = 16;
const ENTRY_MODRM: u32 = 1;
const ENTRY_IN_OPCODE: u32 = 2;
const ENTRY_LOCK: u32 = 4;
const ENTRY_ENDS: u32 = 8;
const ENTRY_MODE_BOUND: u32 = 16;
const ENTRY_NO_SEGMENT: u32 = 32;
const ENTRY_REGISTER_ONLY: u32 = 64;
const ENTRY_MEMORY_ONLY: u32 = 128;

const MAX_LENGTH: u32 = 15;
/** Of the last decode(): nothing goes on behind it. */
export let ends: bool = false;

function registerOffset(kind: u32, byte: bool, number: u32, rex: bool): u32 {
  if (kind == CLASS_GENERAL) return byte && !rex && number >= 4 && number < 8 ? (number - 4) * 8 + 1 : number * 8;
  if (kind == CLASS_XMM) return number * 16;
  if (kind == CLASS_MMX) return (number & 7) * 16;
  return number;
}

function special(rec: usize, op: u32): u32 {
  store<u16>(rec, <u16>op, OP);
  ends = true;
  return 0;
}

/**
 * Decodes the instruction at linear address `at`, which is at `offset` of its page, into a record.
 * Returns its length; what can't be executed is a record too.
 */
export function decode(at: usize, offset: u32, rec: usize): u32 {
  const mode = load<u32>(MODE);
  ends = false;
  memory.fill(rec, 0, 32);
  store<u16>(rec, <u16>offset, OFFSET);
  let p = at;
  let rex: u32 = 0;
  let prefix: u32 = 0;
  let addressOverride: bool = false;
  let segment: i32 = -1;
  let opcode: u32 = 0;
  while (true) {
    if (p - at >= MAX_LENGTH) return tooLong(rec, offset);
    opcode = load<u8>(p++);
    if (opcode == 0x66) prefix |= PREFIX_OPSIZE;
    else if (opcode == 0x67) addressOverride = true;
    else if (opcode == 0xf0) prefix |= PREFIX_LOCK;
    else if (opcode == 0xf2) prefix = (prefix & ~PREFIX_REP) | PREFIX_REPNE;
    else if (opcode == 0xf3) prefix = (prefix & ~PREFIX_REPNE) | PREFIX_REP;
    else if (opcode == 0x64) segment = 4;
    else if (opcode == 0x65) segment = 5;
    else if ((opcode & 0xe7) == 0x26) {
      if (mode != 0) segment = (opcode >> 3) & 3;
    } else if (mode == 0 && (opcode & 0xf0) == 0x40) {
      rex = opcode;
      continue;
    } else break;
    rex = 0;
  }
  if ((rex & 8) != 0) prefix |= PREFIX_REXW;
  store<u8>(rec, <u8>prefix, PREFIX);

  let map: u32 = 0;
  if (opcode == 0x0f) {
    map = 1;
    opcode = load<u8>(p++);
    if (opcode == 0x38 || opcode == 0x3a) {
      map = opcode == 0x38 ? 2 : 3;
      opcode = load<u8>(p++);
    }
  }
  // NOP is XCHG of RAX with itself; with REX.B it is not.
  const table = map == 0 && opcode == 0x90 && (rex & 1) != 0 ? 0x91 : (map << 8) | opcode;
  const modrm = load<u8>(p);
  // In old modes LES, LDS and BOUND share their bytes with VEX and EVEX: a register operand tells the new meaning.
  let cell: u32 = load<u16>(CELLS + (table << 1));
  while (cell >> LEAF_BITS != 0) {
    const selector = cell >> LEAF_BITS;
    let answer: u32 = 0;
    if (selector == SELECT_MODE) answer = mode == 0 ? 0 : 1;
    else if (selector == SELECT_PREFIX)
      answer =
        (prefix & PREFIX_REP) != 0 ? 2 : (prefix & PREFIX_REPNE) != 0 ? 3 : (prefix & PREFIX_OPSIZE) != 0 ? 1 : 0;
    else if (selector == SELECT_REG) answer = (modrm >> 3) & 7;
    else if (selector == SELECT_MOD) answer = modrm >= 0xc0 ? 1 : 0;
    else if (selector == SELECT_WIDE) answer = (rex >> 3) & 1;
    else answer = modrm & 7;
    cell = load<u16>(NODES + (((cell & ((1 << LEAF_BITS) - 1)) + answer) << 1));
  }
  if (cell == 0) {
    store<u8>(rec, <u8>(p - at), LENGTH);
    store<u16>(rec, <u16>(offset + (p - at)), NEXT);
    special(rec, OP_UNIMPLEMENTED);
    return p - at;
  }
  const entry = ENTRIES + cell * ENTRY_SIZE;
  const flags: u32 = load<u8>(entry, E_FLAGS);

  // Operand and address size.
  const kindOfSize: u32 = load<u8>(entry, E_SIZE);
  const small = ((prefix & PREFIX_OPSIZE) != 0) != (mode == 2);
  let size: u32 = 0;
  if (kindOfSize == SIZE_B) size = 0;
  else if (kindOfSize == SIZE_W) size = 1;
  else if (kindOfSize == SIZE_D) size = 2;
  else if (kindOfSize == SIZE_Q) size = 3;
  else if (kindOfSize == SIZE_Y) size = (rex & 8) != 0 ? 3 : 2;
  else if (kindOfSize == SIZE_Z) size = small ? 1 : 2;
  else if (kindOfSize == SIZE_BRANCH && mode == 0) size = 3;
  else if (kindOfSize == SIZE_STACK && mode == 0) size = small && (rex & 8) == 0 ? 1 : 3;
  else size = (rex & 8) != 0 ? 3 : small ? 1 : 2;
  const addressSize: u32 = mode == 0 ? (addressOverride ? 1 : 0) : (mode == 2) != addressOverride ? 2 : 1;

  // Registers and memory operand.
  let kind: u32 = 0;
  store<u8>(rec, SLOT_ZERO, BASE);
  store<u8>(rec, SLOT_ZERO, INDEX);
  store<u8>(rec, SLOT_ZERO, SEGMENT);
  const regClass: u32 = load<u8>(entry, E_REG_CLASS);
  const rmClass: u32 = load<u8>(entry, E_RM_CLASS);
  let ripRelative: bool = false;
  if ((flags & ENTRY_MODRM) != 0) {
    p += 1;
    const mod = modrm >> 6;
    let reg: u32 = (modrm >> 3) & 7;
    let rm: u32 = modrm & 7;
    if (regClass != 0) reg |= (rex & 4) << 1;
    store<u8>(rec, <u8>registerOffset(regClass, load<u8>(entry, E_REG_BYTE) != 0, reg, rex != 0), REG);
    // Control and debug registers are registers whatever mod says (SDM volume 2, "MOV to/from control registers").
    if (mod == 3 || (flags & ENTRY_REGISTER_ONLY) != 0) {
      if ((flags & ENTRY_MEMORY_ONLY) != 0) {
        store<u8>(rec, <u8>(p - at), LENGTH);
        special(rec, OP_INVALID);
        return p - at;
      }
      rm |= (rex & 1) << 3;
      store<u8>(rec, <u8>registerOffset(rmClass, load<u8>(entry, E_RM_BYTE) != 0, rm, rex != 0), RM);
    } else {
      kind = 1;
      let seg: u32 = 3;
      let base: u32 = SLOT_ZERO;
      let index: u32 = SLOT_ZERO;
      let disp: i32 = 0;
      if (addressSize == 2) {
        if (mod == 0 && rm == 6) {
          disp = <i32>load<i16>(p);
          p += 2;
        } else {
          base = rm == 7 || rm < 2 ? 3 * 8 : rm == 6 || rm < 4 ? 5 * 8 : rm == 4 ? 6 * 8 : 7 * 8;
          if (rm < 4) index = (rm & 1) != 0 ? 7 * 8 : 6 * 8;
          if (base == 5 * 8) seg = 2;
          if (mod == 1) disp = <i32>load<i8>(p++);
          else if (mod == 2) {
            disp = <i32>load<i16>(p);
            p += 2;
          }
        }
      } else {
        if (rm == 4) {
          const sib = load<u8>(p++);
          const i: u32 = ((sib >> 3) & 7) | ((rex & 2) << 2);
          if (i != 4) {
            index = i * 8;
            store<u8>(rec, sib >> 6, SCALE);
          }
          rm = sib & 7;
          if (rm == 5 && mod == 0) {
            disp = load<i32>(p);
            p += 4;
          } else {
            base = (rm | ((rex & 1) << 3)) * 8;
            if (rm == 4 || rm == 5) seg = (rex & 1) != 0 ? 3 : 2;
          }
        } else if (rm == 5 && mod == 0) {
          disp = load<i32>(p);
          p += 4;
          if (mode == 0) {
            base = SLOT_PAGE;
            ripRelative = true;
          }
        } else {
          base = (rm | ((rex & 1) << 3)) * 8;
          if (rm == 5 && (rex & 1) == 0) seg = 2;
        }
        if (mod == 1) disp = <i32>load<i8>(p++);
        else if (mod == 2) {
          disp = load<i32>(p);
          p += 4;
        }
      }
      if (segment >= 0) seg = segment;
      if (seg == 2) store<u8>(rec, <u8>(prefix | PREFIX_STACK), PREFIX);
      let segmentSlot: u32 = mode == 0 && seg < 4 ? SLOT_ZERO : SLOT_SEGBASE + seg * 8;
      if ((flags & ENTRY_NO_SEGMENT) != 0) segmentSlot = SLOT_ZERO;
      if (addressSize != 0 || mode != 0) {
        kind = 3;
      } else {
        if (segmentSlot != SLOT_ZERO && base == SLOT_ZERO) {
          base = segmentSlot;
          segmentSlot = SLOT_ZERO;
        } else if (segmentSlot != SLOT_ZERO && index == SLOT_ZERO) {
          index = segmentSlot;
          segmentSlot = SLOT_ZERO;
        }
        kind = segmentSlot != SLOT_ZERO ? 3 : index != SLOT_ZERO ? 2 : 1;
      }
      store<u8>(rec, <u8>base, BASE);
      store<u8>(rec, <u8>index, INDEX);
      store<i32>(rec, disp, DISP);
      store<u8>(rec, <u8>segmentSlot, SEGMENT);
    }
  }
  if ((flags & ENTRY_IN_OPCODE) != 0) {
    const number: u32 = (opcode & 7) | ((rex & 1) << 3);
    store<u8>(rec, <u8>registerOffset(CLASS_GENERAL, load<u8>(entry, E_RM_BYTE) != 0, number, rex != 0), RM);
  }
  if (load<u8>(entry, E_REG) != 255) store<u8>(rec, load<u8>(entry, E_REG), REG);
  if (load<u8>(entry, E_RM) != 255) store<u8>(rec, load<u8>(entry, E_RM), RM);

  // Immediate.
  const immediate: u32 = load<u8>(entry, E_IMM);
  let value: i64 = 0;
  if (immediate == IMM_IB || immediate == IMM_JB) value = <i64>load<i8>(p++);
  else if (immediate == IMM_ONE) value = 1;
  else if (immediate == IMM_IW) {
    value = <i64>load<u16>(p);
    p += 2;
  } else if (immediate == IMM_ENTER) {
    value = <i64>load<u16>(p) | ((<i64>load<u8>(p, 2)) << 16);
    p += 3;
  } else if ((immediate == IMM_IZ || immediate == IMM_IV || immediate == IMM_JZ) && size == 1) {
    value = <i64>load<i16>(p);
    p += 2;
  } else if (immediate == IMM_IV && size == 3) {
    value = load<i64>(p);
    p += 8;
  } else if (immediate == IMM_IZ || immediate == IMM_IV || immediate == IMM_JZ) {
    value = <i64>load<i32>(p);
    p += 4;
  } else if (immediate == IMM_MOFFS) {
    if (addressSize == 0) value = load<i64>(p);
    else value = addressSize == 1 ? <i64>load<u32>(p) : <i64>load<u16>(p);
    p += addressSize == 0 ? 8 : addressSize == 1 ? 4 : 2;
  } else if (immediate == IMM_FAR) {
    // The offset in the low 32 bits, the selector above.
    if (size == 1) value = <i64>load<u16>(p) | ((<i64>load<u16>(p, 2)) << 32);
    else value = <i64>load<u32>(p) | ((<i64>load<u16>(p, 4)) << 32);
    p += size == 1 ? 4 : 6;
  }
  const length = p - at;
  if (length > MAX_LENGTH) return tooLong(rec, offset);
  if (immediate == IMM_JB || immediate == IMM_JZ) value += offset + length;
  store<i64>(rec, value, IMM);
  if (ripRelative) store<i32>(rec, load<i32>(rec, DISP) + <i32>(offset + length), DISP);
  // String and address-table instructions: the segment of rSI or rBX.
  if ((flags & ENTRY_MODRM) == 0) {
    const seg: u32 = segment >= 0 ? segment : 3;
    store<u8>(rec, <u8>(mode == 0 && seg < 4 ? SLOT_ZERO : SLOT_SEGBASE + seg * 8), SEGMENT);
  }

  store<u8>(rec, <u8>length, LENGTH);
  store<u16>(rec, <u16>(offset + length), NEXT);
  store<u8>(rec, <u8>(size | (kind != 0 ? FLAG_MEM : 0) | (addressSize << 3)), FLAGS);
  store<u8>(rec, load<u8>(entry, E_FORM), FORM);
  let op: u32 = load<u16>(entry + (((size << 2) | kind) << 1), E_HANDLERS);
  if ((prefix & PREFIX_LOCK) != 0) {
    op = load<u16>(entry, E_GENERAL);
    if ((flags & ENTRY_LOCK) == 0 || kind == 0) {
      special(rec, OP_INVALID);
      return length;
    }
  }
  if (mode != 0 && (flags & ENTRY_MODE_BOUND) != 0) op = load<u16>(entry, E_GENERAL);
  if (stepping) op = load<u16>(entry, E_GENERAL);
  // Jcc, SETcc and CMOVcc: the condition, where the instruction has no other use for the field.
  store<u8>(rec + (immediate == IMM_JB || immediate == IMM_JZ ? SCALE : LINK), <u8>(opcode & 15));
  store<u16>(rec, <u16>op, OP);
  ends = (flags & ENTRY_ENDS) != 0;
  return length;
}

/** General handlers only: one instruction at a time. */
export let stepping: bool = false;
export function setStepping(on: bool): void {
  stepping = on;
}

function tooLong(rec: usize, offset: u32): u32 {
  store<u8>(rec, <u8>MAX_LENGTH, LENGTH);
  store<u16>(rec, <u16>(offset + MAX_LENGTH), NEXT);
  return special(rec, OP_TOO_LONG) + MAX_LENGTH;
}
