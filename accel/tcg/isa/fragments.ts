/** Pieces of AssemblyScript that handler templates are made of. `rec` is the record, `tlb` the read TLB of the current privilege. */

/** log2 of the operand size in bytes. */
export type Size = 0 | 1 | 2 | 3;
/** How a hot handler finds its E operand: a register; memory at base + disp; with an index; by the general function. */
export type Kind = 0 | 1 | 2 | 3;
export const kinds = { register: 0, base: 1, indexed: 2, general: 3 } as const;

export const bitsOf = (size: Size) => 8 << size;
/** The type that arithmetic of a size is done in. */
export const wordType = (size: Size) => (size === 3 ? 'u64' : 'u32');

export const next = 'rec += RECORD_SIZE; continue;';

const slot = (field: string) => `<usize>load<u8>(rec, ${field})`;

export const getRegister = (field: string, size: Size) =>
  `<${wordType(size)}>load<u${bitsOf(size)}>(${slot(field)}, GPR)`;

/** Writes a value of `wordType(size)`: 32-bit results clear the upper half. */
export function setRegister(field: string, size: Size, value: string): string {
  return size >= 2
    ? `store<u64>(${slot(field)}, <u64>(${value}), GPR);`
    : `store<u${bitsOf(size)}>(${slot(field)}, <u${bitsOf(size)}>(${value}), GPR);`;
}

export function address(kind: Kind): string {
  if (kind === kinds.general) return 'address(rec)';
  const base = `load<u64>(${slot('BASE')}, GPR) + <u64><i64>load<i32>(rec, DISP)`;
  return kind === kinds.base ? base : `${base} + (load<u64>(${slot('INDEX')}, GPR) << <u64>load<u8>(rec, SCALE))`;
}

/** Leaves the switch, for the general handler, when the bytes at `va` are not in RAM that may be read (written) without further ado. */
export function probe(va: string, size: Size, write = false): string {
  const last = (1 << size) - 1;
  const tag = last === 0 ? va : `(${va} + ${last})`;
  return `const e: usize = ((<usize>${va} >>> 8) & 0xfff0) + tlb;
    if (load<u64>(e${write ? ', TLB_WRITE' : ''}) != (${tag} & PAGE_MASK)) break;
    const p: usize = <usize>${va} + load<usize>(e, ${write ? 'TLB_WRITE + 8' : '8'});`;
}

/** Declares `p`, the linear address of the memory operand. */
export const memory = (kind: Kind, size: Size, write = false) =>
  `const va: u64 = ${address(kind)};\n    ${probe('va', size, write)}`;

export const loadMemory = (size: Size) => `<${wordType(size)}>load<u${bitsOf(size)}>(p)`;
export const storeMemory = (size: Size, value: string) => `store<u${bitsOf(size)}>(p, <u${bitsOf(size)}>(${value}));`;
export const immediate = (size: Size) => (size === 3 ? 'load<u64>(rec, IMM)' : `<u32>load<u${bitsOf(size)}>(rec, IMM)`);

/** Sign extension of a `wordType(size)` value to i64. */
export const extended = (size: Size, value: string) =>
  size === 3 ? `<i64>${value}` : `<i64><i${bitsOf(size)}>${value}`;

/** FLAG_RES from result `r`, FLAG_AUX from the vector of carries `c`. */
export function setFlags(size: Size, carries: string): string {
  const aux = size === 3 ? `(${carries}) & ~3` : `(<u64>c << ${64 - bitsOf(size)}) | <u64>(c & 8)`;
  const vector = size === 3 ? '' : `const c: u32 = ${carries};\n    `;
  return `${vector}store<i64>(FLAG_RES, ${extended(size, 'r')}); store<u64>(FLAG_AUX, ${aux});`;
}

export const logicFlags = (size: Size) => `store<i64>(FLAG_RES, ${extended(size, 'r')}); store<u64>(FLAG_AUX, 0);`;

const RES = 'load<i64>(FLAG_RES)';
const AUX = 'load<i64>(FLAG_AUX)';
const lower = `(${RES} ^ (${AUX} << 63) ^ ${AUX} ^ (${AUX} << 1)) < 0`;
/** The eight conditions with even numbers; the odd ones are their opposites. */
const conditionTexts = [
  `(${AUX} ^ (${AUX} << 1)) < 0`,
  `${AUX} < 0`,
  `${RES} == 0`,
  `(${AUX} < 0 ? 1 : 0) | (${RES} == 0 ? 1 : 0)`,
  `(${RES} ^ (${AUX} << 63)) < 0`,
  `((popcnt(${RES} & 0xff) ^ (${AUX} >> 1)) & 1) == 0`,
  lower,
  `(${lower} ? 1 : 0) | (${RES} == 0 ? 1 : 0)`,
];

/** An expression for condition code 0 to 15. */
export function condition(code: number): string {
  const text = conditionTexts[code >> 1] ?? '';
  return code % 2 === 0 ? `(${text})` : `!(${text})`;
}
