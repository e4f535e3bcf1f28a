import type { Row } from './row.js';

/** Where an operand is: by ModRM.rm or the opcode's low bits (E), by ModRM.reg (G), immediate, CL, address in the instruction, branch target, far pointer. */
export type Place = 'E' | 'G' | 'I' | 'C' | 'O' | 'J' | 'A';

/** What a register field holds; numbers are the decoder's. */
export const registerClasses = { none: 0, general: 1, xmm: 2, mmx: 3, number: 4 } as const;
export type RegisterClass = keyof typeof registerClasses;

/** How the operand size is found; numbers are the decoder's. */
export const sizeKinds = { b: 0, w: 1, d: 2, q: 3, v: 4, y: 5, z: 6, stack: 7, branch: 8 } as const;
export type SizeKind = keyof typeof sizeKinds;

/** What follows the operands; numbers are the decoder's. */
export const immediateKinds = {
  none: 0,
  ib: 1,
  iw: 2,
  iz: 3,
  iv: 4,
  jb: 5,
  jz: 6,
  moffs: 7,
  enter: 8,
  one: 9,
  far: 10,
} as const;
export type ImmediateKind = keyof typeof immediateKinds;

export interface Operand {
  readonly text: string;
  readonly place: Place;
  readonly registers: RegisterClass;
  /** Bytes of it in memory; undefined where the operand size says it. */
  readonly bytes: number | undefined;
  readonly size: SizeKind | undefined;
  readonly immediate: ImmediateKind;
  /** Register offset that no field of the instruction names. */
  readonly fixed: number | undefined;
  readonly memoryOnly: boolean;
  readonly registerOnly: boolean;
  /** Named by the low bits of the opcode. */
  readonly inOpcode: boolean;
}

const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const byteSizes: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, o: 16, t: 10, p: 6 };
const base: Operand = {
  text: '',
  place: 'E',
  registers: 'general',
  bytes: undefined,
  size: undefined,
  immediate: 'none',
  fixed: undefined,
  memoryOnly: false,
  registerOnly: false,
  inOpcode: false,
};

const places: Readonly<Record<string, Partial<Operand>>> = {
  E: {},
  R: { registerOnly: true },
  M: { memoryOnly: true },
  Z: { inOpcode: true },
  G: { place: 'G' },
  S: { place: 'G', registers: 'number' },
  C: { place: 'G', registers: 'number' },
  D: { place: 'G', registers: 'number' },
  V: { place: 'G', registers: 'xmm' },
  W: { registers: 'xmm' },
  U: { registers: 'xmm', registerOnly: true },
  P: { place: 'G', registers: 'mmx' },
  Q: { registers: 'mmx' },
  N: { registers: 'mmx', registerOnly: true },
  T: { registers: 'number', registerOnly: true },
};
const immediates: Readonly<Record<string, ImmediateKind>> = {
  Ib: 'ib',
  Iw: 'iw',
  Iz: 'iz',
  Iv: 'iv',
  Jb: 'jb',
  Jz: 'jz',
};

function parseOperand(text: string, index: number): Operand {
  const at = { ...base, text };
  if (text === 'AL') return { ...at, place: index === 0 ? 'E' : 'G', size: 'b', bytes: 1, fixed: 0 };
  if (text === 'rAX') return { ...at, place: index === 0 ? 'E' : 'G', size: 'v', fixed: 0 };
  if (text === 'eAX') return { ...at, place: index === 0 ? 'E' : 'G', size: 'z', fixed: 0 };
  if (text === 'CL' || text === 'DX') return { ...at, place: 'C' };
  if (text === '1') return { ...at, place: 'I', immediate: 'one' };
  if (segmentNames.includes(text)) return { ...at, place: 'G', registers: 'number', fixed: segmentNames.indexOf(text) };
  const immediate = immediates[text];
  if (immediate !== undefined) return { ...at, place: text.startsWith('J') ? 'J' : 'I', immediate };
  if (text === 'Ob' || text === 'Ov') return { ...at, place: 'O', immediate: 'moffs', size: text === 'Ob' ? 'b' : 'v' };
  if (text === 'Ap') return { ...at, place: 'A', immediate: 'far', size: 'v' };
  const place = places[text[0] ?? ''];
  const letter = text.slice(1);
  if (place === undefined) throw new Error(`operand ${text}`);
  return {
    ...at,
    ...place,
    bytes: byteSizes[letter],
    size: letter in sizeKinds ? (letter as SizeKind) : undefined,
  };
}

/** The operands of a row; `v` and `b` alone are sizes of instructions with implicit operands. */
export interface Shape {
  readonly operands: readonly Operand[];
  readonly size: SizeKind;
  readonly immediate: ImmediateKind;
  readonly modrm: boolean;
  /** Places of the operands in a word, `EG`, `GEI`: what a general handler works by. */
  readonly form: string;
}

export function parseShape(row: Row): Shape {
  const words = (row.operands ?? '').split(',').filter((word) => word !== '');
  const alone = words.find((word) => word === 'v' || word === 'b');
  const operands = words.filter((word) => word !== alone).map(parseOperand);
  const immediate = operands.map((operand) => operand.immediate).filter((kind) => kind !== 'none');
  const sized = operands.find((operand) => operand.size !== undefined)?.size ?? 'd';
  const modrm =
    row.mod !== undefined ||
    / \/\d/.test(row.opcode) ||
    operands.some((o) => (o.place === 'E' || o.place === 'G') && o.fixed === undefined && !o.inOpcode);
  const near = /^(call|jmp|ret|j.*|loop.*|jrcxz)$/.test(row.name) && row.name !== 'jmp_far';
  const size = near ? 'branch' : row.d64 ? 'stack' : alone === 'v' ? 'v' : alone === 'b' ? 'b' : sized;
  return {
    operands,
    size,
    immediate: row.name === 'enter' ? 'enter' : (immediate[0] ?? 'none'),
    modrm,
    form: operands.map(({ place }) => place).join(''),
  };
}
