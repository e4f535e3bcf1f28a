const general = [
  ...['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
] as const;
const segments = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const x87Stack = ['st0', 'st1', 'st2', 'st3', 'st4', 'st5', 'st6', 'st7'] as const;
const x87Control = ['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff', 'fop'] as const;
const xmm = [
  ...['xmm0', 'xmm1', 'xmm2', 'xmm3', 'xmm4', 'xmm5', 'xmm6', 'xmm7'],
  ...['xmm8', 'xmm9', 'xmm10', 'xmm11', 'xmm12', 'xmm13', 'xmm14', 'xmm15'],
] as const;
const bases = ['fs_base', 'gs_base'] as const;
const system = ['k_gs_base', 'cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer'] as const;

/** Registers that a debugger sees, by gdb's names. `st0` is the top of the x87 stack; values are unsigned. */
export type RegisterName =
  | (typeof general)[number]
  | 'rip'
  | 'eflags'
  | (typeof segments)[number]
  | (typeof x87Stack)[number]
  | (typeof x87Control)[number]
  | (typeof xmm)[number]
  | 'mxcsr'
  | (typeof bases)[number]
  | (typeof system)[number];

export interface Register {
  readonly name: RegisterName;
  /** Bytes. */
  readonly size: number;
}

interface Described extends Register {
  readonly type: string;
  readonly group?: string;
}

interface Feature {
  /** As gdb knows it (gdb manual, "i386 Features"), or our own for what gdb has no name for. */
  readonly name: string;
  readonly types?: string;
  readonly registers: readonly Described[];
}

const described = (names: readonly RegisterName[], size: number, type: string, group?: string): Described[] =>
  names.map((name) => ({ name, size, type, ...(group === undefined ? {} : { group }) }));

const flags = ['CF', '', 'PF', '', 'AF', '', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', '', '', 'NT', '', 'RF', 'VM', 'AC'];
const flagFields = [...flags, 'VIF', 'VIP', 'ID']
  .map((name, bit) => ({ name, bit }))
  .filter(({ name }) => name !== '')
  .map(({ name, bit }) => `<field name="${name}" start="${bit}" end="${bit}"/>`);
const eflagsType = `<flags id="i386_eflags" size="4">${flagFields.join('')}</flags>`;

const vectorTypes: readonly (readonly [id: string, type: string, count: number])[] = [
  ['v4f', 'ieee_single', 4],
  ['v2d', 'ieee_double', 2],
  ['v16i8', 'int8', 16],
  ['v8i16', 'int16', 8],
  ['v4i32', 'int32', 4],
  ['v2i64', 'int64', 2],
];
const xmmFields = ['v4_float', 'v2_double', 'v16_int8', 'v8_int16', 'v4_int32', 'v2_int64'];
const xmmTypes = [
  ...vectorTypes.map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`),
  '<union id="vec128">',
  ...xmmFields.map((name, index) => `<field name="${name}" type="${vectorTypes[index]?.[0]}"/>`),
  '<field name="uint128" type="uint128"/></union>',
].join('');

const features: readonly Feature[] = [
  {
    name: 'org.gnu.gdb.i386.core',
    types: eflagsType,
    registers: [
      ...described(general, 8, 'int64'),
      { name: 'rip', size: 8, type: 'code_ptr' },
      { name: 'eflags', size: 4, type: 'i386_eflags' },
      ...described(segments, 4, 'int32'),
      ...described(x87Stack, 10, 'i387_ext'),
      ...described(x87Control, 4, 'int', 'float'),
    ],
  },
  {
    name: 'org.gnu.gdb.i386.sse',
    types: xmmTypes,
    registers: [...described(xmm, 16, 'vec128'), { name: 'mxcsr', size: 4, type: 'int', group: 'vector' }],
  },
  { name: 'org.gnu.gdb.i386.segments', registers: described(bases, 8, 'int64') },
  { name: 'org.nitro-emu.i386.system', registers: described(system, 8, 'int64', 'system') },
];

/** In the order of their numbers, which is also that of the `g` packet. */
export const gdbRegisters: readonly Register[] = features.flatMap(({ registers }) => registers);

/** The target description that gdb reads by qXfer:features:read:target.xml. */
export function targetXml(): string {
  const body = features.map(({ name, types = '', registers }) => {
    const lines = registers.map(({ name: register, size, type, group }) => {
      const grouped = group === undefined ? '' : ` group="${group}"`;
      return `<reg name="${register}" bitsize="${size * 8}" type="${type}"${grouped}/>`;
    });
    return `<feature name="${name}">${types}${lines.join('')}</feature>`;
  });
  return [
    '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">',
    `<target version="1.0"><architecture>i386:x86-64</architecture>${body.join('')}</target>`,
  ].join('');
}

/** A value as gdb's hexadecimal digits: in memory order. */
export function registerHex({ size }: Register, value: bigint): string {
  const bytes = Buffer.alloc(size);
  for (let rest = value, i = 0; i < size; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes.toString('hex');
}

/** @returns undefined unless the text has exactly the digits of the register */
export function registerValue({ size }: Register, text: string): bigint | undefined {
  if (text.length !== 2 * size || !/^[0-9a-f]*$/i.test(text)) return undefined;
  return BigInt(`0x${Buffer.from(text, 'hex').reverse().toString('hex')}`);
}
