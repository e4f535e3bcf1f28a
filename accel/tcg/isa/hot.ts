import {
  address,
  bitsOf,
  condition,
  extended,
  getRegister,
  immediate,
  type Kind,
  kinds,
  loadMemory,
  logicFlags,
  memory,
  next,
  probe,
  type Size,
  setFlags,
  setRegister,
  storeMemory,
  wordType,
} from './fragments.js';
import { conditions } from './row.js';

/**
 * The handler of an instruction in the switch of run(), for one operand size and one way to find its memory operand.
 * It does the common case only: `break` leaves all else, with nothing changed, to the general handler.
 */
export type Template = (size: Size, kind: Kind) => string | undefined;

const { register, base, indexed, general } = kinds;
const BREAK = 'break;';

/** r from a and b, and the flags. */
const operations: Readonly<Record<string, (size: Size) => string>> = {
  add: (size) => `const r: ${wordType(size)} = a + b; ${setFlags(size, '(a & b) | ((a | b) & ~r)')}`,
  sub: (size) => `const r: ${wordType(size)} = a - b; ${setFlags(size, '(~a & b) | ((~a | b) & r)')}`,
  adc: (size) =>
    `const r: ${wordType(size)} = a + b + <${wordType(size)}>(load<u64>(FLAG_AUX) >> 63); ${setFlags(size, '(a & b) | ((a | b) & ~r)')}`,
  sbb: (size) =>
    `const r: ${wordType(size)} = a - b - <${wordType(size)}>(load<u64>(FLAG_AUX) >> 63); ${setFlags(size, '(~a & b) | ((~a | b) & r)')}`,
  and: (size) => `const r: ${wordType(size)} = a & b; ${logicFlags(size)}`,
  or: (size) => `const r: ${wordType(size)} = a | b; ${logicFlags(size)}`,
  xor: (size) => `const r: ${wordType(size)} = a ^ b; ${logicFlags(size)}`,
};

/** Small operands and rare operations take the general address only: fewer handlers. */
function worthwhile(name: string, size: Size, kind: Kind): boolean {
  if (kind === register || kind === general) return true;
  return size !== 1 && name !== 'adc' && name !== 'sbb';
}

function binary(name: string, writes: boolean): Record<string, Template> {
  const operation = operations[name === 'cmp' ? 'sub' : name === 'test' ? 'and' : name];
  if (operation === undefined) throw new Error(name);
  const toE =
    (second: (size: Size) => string): Template =>
    (size, kind) => {
      if (!worthwhile(name, size, kind)) return undefined;
      const a = kind === register ? getRegister('RM', size) : loadMemory(size);
      const commit = !writes ? '' : kind === register ? setRegister('RM', size, 'r') : storeMemory(size, 'r');
      return `${kind === register ? '' : memory(kind, size, writes)}
    const a: ${wordType(size)} = ${a}; const b: ${wordType(size)} = ${second(size)};
    ${operation(size)} ${commit} ${next}`;
    };
  const toG: Template = (size, kind) => {
    if (!worthwhile(name, size, kind)) return undefined;
    const b = kind === register ? getRegister('RM', size) : loadMemory(size);
    return `${kind === register ? '' : memory(kind, size)}
    const a: ${wordType(size)} = ${getRegister('REG', size)}; const b: ${wordType(size)} = ${b};
    ${operation(size)} ${writes ? setRegister('REG', size, 'r') : ''} ${next}`;
  };
  return {
    [`${name} EG`]: toE((size) => getRegister('REG', size)),
    [`${name} EI`]: toE(immediate),
    [`${name} GE`]: toG,
  };
}

const moves: Record<string, Template> = {
  'mov EG': (size, kind) =>
    kind === register
      ? `${setRegister('RM', size, getRegister('REG', size))} ${next}`
      : `${memory(kind, size, true)} ${storeMemory(size, getRegister('REG', size))} ${next}`,
  'mov GE': (size, kind) =>
    kind === register
      ? `${setRegister('REG', size, getRegister('RM', size))} ${next}`
      : `${memory(kind, size)} ${setRegister('REG', size, loadMemory(size))} ${next}`,
  'mov EI': (size, kind) =>
    kind === register
      ? `${setRegister('RM', size, immediate(size))} ${next}`
      : `${memory(kind, size, true)} ${storeMemory(size, immediate(size))} ${next}`,
  'lea GE': (size, kind) =>
    kind === register || size < 2
      ? undefined
      : `${setRegister('REG', size, `<${wordType(size)}>(${address(kind)})`)} ${next}`,
  'xchg EG': (size, kind) =>
    kind === register && size >= 2
      ? `const a: ${wordType(size)} = ${getRegister('RM', size)}; const b: ${wordType(size)} = ${getRegister('REG', size)}; ${setRegister('RM', size, 'b')} ${setRegister('REG', size, 'a')} ${next}`
      : undefined,
  'bswap E': (size, kind) =>
    kind === register && size >= 2
      ? `${setRegister('RM', size, `bswap<${wordType(size)}>(${getRegister('RM', size)})`)} ${next}`
      : undefined,
  'nop ': () => next,
  'nop E': () => next,
};

/** MOVZX, MOVSX, MOVSXD from a source of `from` bytes. */
function widening(name: string, from: Size): Template {
  return (size, kind) => {
    if (size < 2 || size <= from) return undefined;
    const value =
      kind === register ? `load<u${bitsOf(from)}>(<usize>load<u8>(rec, RM), GPR)` : `load<u${bitsOf(from)}>(p)`;
    const wide =
      name === 'movzx'
        ? `<u64>${value}`
        : size === 3
          ? `<i64>${value.replace('<u', '<i')}`
          : `<u32><i32>${value.replace('<u', '<i')}`;
    return `${kind === register ? '' : memory(kind, from)} ${setRegister('REG', size, wide)} ${next}`;
  };
}

const SHIFT_MASK = (size: Size) => (size === 3 ? 63 : 31);
/** r and FLAG_AUX from x and a count n that is not 0. */
const shifts: Readonly<Record<string, (size: Size) => string>> = {
  shl: (size) => {
    const top = bitsOf(size) - 1;
    return `const y: ${wordType(size)} = x << (n - 1); const r: ${wordType(size)} = y << 1;
    store<i64>(FLAG_RES, ${extended(size, 'r')}); store<u64>(FLAG_AUX, (<u64>(y >> ${top}) << 63) | (<u64>(r >> ${top}) << 62));`;
  },
  shr: (
    size,
  ) => `const y: ${wordType(size)} = x >> (n - 1); const r: ${wordType(size)} = y >> 1; const f: u64 = <u64>y << 63;
    store<i64>(FLAG_RES, ${extended(size, 'r')}); store<u64>(FLAG_AUX, f | ((f >> 1) ^ (<u64>(x >> ${bitsOf(size) - 1}) << 62)));`,
  sar: (
    size,
  ) => `const y: i${bitsOf(size)} = <i${bitsOf(size)}>x >> (n - 1); const r: u${bitsOf(size)} = <u${bitsOf(size)}>(y >> 1); const f: u64 = <u64>y << 63;
    store<i64>(FLAG_RES, ${extended(size, 'r')}); store<u64>(FLAG_AUX, f | (f >> 1));`,
  rol: (size) => `const r: ${wordType(size)} = rotl<${wordType(size)}>(x, n);
    store<u64>(FLAG_AUX, (load<u64>(FLAG_AUX) & 0x3fffffffffffffff) | (<u64>r << 63) | (<u64>(r >> ${bitsOf(size) - 1}) << 62));`,
  ror: (size) => `const r: ${wordType(size)} = rotr<${wordType(size)}>(x, n);
    store<u64>(FLAG_AUX, (load<u64>(FLAG_AUX) & 0x3fffffffffffffff) | (<u64>(r >> ${bitsOf(size) - 2}) << 62));`,
};

function shift(name: string): Record<string, Template> {
  const by =
    (count: string): Template =>
    (size, kind) => {
      if (kind !== register || size < 2) return undefined;
      const word = wordType(size);
      return `const n: ${word} = <${word}>(${count} & ${SHIFT_MASK(size)}); if (n == 0) ${BREAK}
    const x: ${word} = ${getRegister('RM', size)}; ${shifts[name]?.(size) ?? ''} ${setRegister('RM', size, 'r')} ${next}`;
    };
  return { [`${name} EI`]: by('load<u8>(rec, IMM)'), [`${name} EC`]: by('load<u8>(GPR + 8)') };
}

/** FLAG_AUX after INC or DEC: CF stays. `of` and `af` are booleans. */
const keepCarry = (of: string, af: string) =>
  `const f: u64 = load<u64>(FLAG_AUX) & 0x8000000000000000; store<u64>(FLAG_AUX, f | ((f >> 1) ^ (<u64>(${of}) << 62)) | (<u64>(${af}) << 3));`;

const topBit = (size: Size) => `${(1n << BigInt(bitsOf(size) - 1)).toString()}`;
const truncated = (size: Size, value: string) => (size >= 2 ? value : `(${value} & ${size === 0 ? '0xff' : '0xffff'})`);
const unary: Readonly<Record<string, (size: Size) => string>> = {
  inc: (size) =>
    `const r: ${wordType(size)} = ${truncated(size, '(x + 1)')}; ${keepCarry(`r == ${topBit(size)}`, '(r & 15) == 0')} store<i64>(FLAG_RES, ${extended(size, 'r')});`,
  dec: (size) =>
    `const r: ${wordType(size)} = ${truncated(size, '(x - 1)')}; ${keepCarry(`x == ${topBit(size)}`, '(x & 15) == 0')} store<i64>(FLAG_RES, ${extended(size, 'r')});`,
  neg: (size) =>
    `const a: ${wordType(size)} = 0; const b: ${wordType(size)} = x; const r: ${wordType(size)} = a - b; ${setFlags(size, 'b | r')}`,
  not: (size) => `const r: ${wordType(size)} = ~x;`,
};

function single(name: string): Template {
  return (size, kind) => {
    if (kind !== register && (size < 2 || kind === indexed || name === 'neg')) return undefined;
    const x = kind === register ? getRegister('RM', size) : loadMemory(size);
    const commit = kind === register ? setRegister('RM', size, 'r') : storeMemory(size, 'r');
    return `${kind === register ? '' : memory(kind, size, true)} const x: ${wordType(size)} = ${x}; ${unary[name]?.(size) ?? ''} ${commit} ${next}`;
  };
}

const multiply: Record<string, Template> = {};
for (const form of ['GE', 'GEI']) {
  multiply[`imul ${form}`] = (size, kind) => {
    if (size < 2 || kind === indexed) return undefined;
    const e = kind === register ? getRegister('RM', size) : loadMemory(size);
    const other = form === 'GE' ? getRegister('REG', size) : immediate(size);
    const product =
      size === 2
        ? `const w: i64 = <i64><i32>(${e}) * <i64><i32>(${other}); const r: u32 = <u32>w;
    store<i64>(FLAG_RES, <i64><i32>r); store<u64>(FLAG_AUX, <u64>(w != <i64><i32>w) << 63);`
        : `const a: i64 = <i64>(${e}); const b: i64 = <i64>(${other}); const r: i64 = a * b;
    store<i64>(FLAG_RES, r); store<u64>(FLAG_AUX, <u64>(<u64>(a | b) >> 32 == 0 ? r < 0 : multiplyHigh(a, b) != r >> 63) << 63);`;
    return `${kind === register ? '' : memory(kind, size)} ${product} ${setRegister('REG', size, 'r')} ${next}`;
  };
}
multiply['mul E'] = (size, kind) => {
  if (kind !== register || size < 2) return undefined;
  return size === 2
    ? `const w: u64 = <u64>load<u32>(GPR) * <u64>(${getRegister('RM', 2)}); store<u64>(GPR, w & 0xffffffff); store<u64>(GPR + 16, w >> 32);
    store<i64>(FLAG_RES, <i64><i32>w); store<u64>(FLAG_AUX, <u64>(w >> 32 != 0) << 63); ${next}`
    : `const a: u64 = load<u64>(GPR); const b: u64 = ${getRegister('RM', 3)}; const r: u64 = a * b; const h: u64 = multiplyHighUnsigned(a, b);
    store<u64>(GPR, r); store<u64>(GPR + 16, h); store<i64>(FLAG_RES, <i64>r); store<u64>(FLAG_AUX, <u64>(h != 0) << 63); ${next}`;
};

const setCarry = (bit: string) =>
  `const f: u64 = load<u64>(FLAG_AUX); const d: u64 = (f ^ (<u64>(${bit}) << 63)) & 0x8000000000000000; store<u64>(FLAG_AUX, f ^ (d | (d >> 1)));`;

const bits: Record<string, Template> = {};
for (const [name, change] of [
  ['bt', ''],
  ['bts', 'x | m'],
  ['btr', 'x & ~m'],
  ['btc', 'x ^ m'],
] as const) {
  for (const [form, count] of [
    ['EG', (size: Size) => getRegister('REG', size)],
    ['EI', immediate],
  ] as const) {
    bits[`${name} ${form}`] = (size, kind) => {
      if (size < 2 || kind !== register) return undefined;
      const word = wordType(size);
      return `const n: ${word} = (${count(size)}) & ${SHIFT_MASK(size)}; const x: ${word} = ${getRegister('RM', size)};
    ${setCarry('(x >> n) & 1')} ${change === '' ? '' : `const m: ${word} = <${word}>1 << n; ${setRegister('RM', size, change)}`} ${next}`;
    };
  }
}

/** In the long mode only; the general handler has the others. */
const stack64 =
  (template: (kind: Kind) => string | undefined): Template =>
  (size, kind) =>
    size === 3 ? template(kind) : undefined;
const pushValue = (value: string) =>
  `const va: u64 = load<u64>(GPR + 32) - 8; ${probe('va', 3, true)} store<u64>(p, ${value}); store<u64>(GPR + 32, va);`;

export const TAKEN = 'if (--budget < 0) { rec = poll(rec); break; } continue;';
/** Goes to the record of virtual address `to`; breaks when its page is not known. Declares `found`; `goTo` completes it. */
const findTarget = (to: string) => `const x: usize = ((<usize>${to} >>> 8) & 0xfff0);
    if (load<u64>(x, TLB_EXEC) != ((${to} & PAGE_MASK) | <u64>load<u32>(EXEC_KEY))) break;
    const found: usize = load<usize>(load<usize>(x, TLB_EXEC + 8) + ((<usize>${to} & 0xfff) << 2)); if (found == 0) break;`;
const goTo = (to: string) => `store<u64>(GPR + SLOT_PAGE, ${to} & PAGE_MASK); rec = found; ${TAKEN}`;
const target = 'load<u64>(GPR + SLOT_PAGE) + load<u64>(rec, IMM)';
const following = 'load<u64>(GPR + SLOT_PAGE) + <u64>load<u16>(rec, NEXT)';

const branches: Record<string, Template> = {
  'push E': stack64((kind) => {
    if (kind === register) return `${pushValue(getRegister('RM', 3))} ${next}`;
    if (kind === indexed) return undefined;
    return `${memory(kind, 3)} const v: u64 = load<u64>(p); { ${pushValue('v')} } ${next}`;
  }),
  'push I': stack64(() => `${pushValue('load<u64>(rec, IMM)')} ${next}`),
  'pop E': stack64((kind) =>
    kind === register
      ? `const va: u64 = load<u64>(GPR + 32); ${probe('va', 3)} const v: u64 = load<u64>(p); store<u64>(GPR + 32, va + 8); ${setRegister('RM', 3, 'v')} ${next}`
      : undefined,
  ),
  'leave ': stack64(
    () =>
      `const va: u64 = load<u64>(GPR + 40); ${probe('va', 3)} store<u64>(GPR + 40, load<u64>(p)); store<u64>(GPR + 32, va + 8); ${next}`,
  ),
  'jmp J': stack64(
    () =>
      `const t: usize = load<usize>(rec, LINK); if (t != 0) { rec = t; ${TAKEN} } const to: u64 = ${target}; ${findTarget('to')} ${goTo('to')}`,
  ),
  'call J': stack64(
    () => `const t: usize = load<usize>(rec, LINK); if (t != 0) { ${pushValue(following)} rec = t; ${TAKEN} }
    const to: u64 = ${target}; ${findTarget('to')} ${pushValue(following)} ${goTo('to')}`,
  ),
  'ret ': stack64(
    () =>
      `const va: u64 = load<u64>(GPR + 32); ${probe('va', 3)} const to: u64 = load<u64>(p); ${findTarget('to')} store<u64>(GPR + 32, va + 8); ${goTo('to')}`,
  ),
};
for (const [name, push] of [
  ['call', pushValue(following)],
  ['jmp', ''],
] as const) {
  branches[`${name} E`] = stack64((kind) => {
    if (kind === indexed && name === 'call') return undefined;
    const to =
      kind === register
        ? `const to: u64 = ${getRegister('RM', 3)};`
        : `${memory(kind, 3)} const to: u64 = load<u64>(p);`;
    return `${to} ${findTarget('to')} ${push} ${goTo('to')}`;
  });
}
for (const [code, name] of conditions.entries()) {
  branches[`j${name} J`] = stack64(
    () =>
      `if (${condition(code)}) { const t: usize = load<usize>(rec, LINK); if (t == 0) break; rec = t; ${TAKEN} } ${next}`,
  );
  branches[`set${name} E`] = (size, kind) =>
    kind === register && size === 0 ? `${setRegister('RM', 0, `${condition(code)} ? 1 : 0`)} ${next}` : undefined;
  branches[`cmov${name} GE`] = (size, kind) => {
    if (size < 2 || kind === base || kind === indexed) return undefined;
    const e = kind === register ? getRegister('RM', size) : loadMemory(size);
    return `${kind === register ? '' : memory(kind, size)} const e1: ${wordType(size)} = ${e}; ${setRegister('REG', size, `${condition(code)} ? e1 : ${getRegister('REG', size)}`)} ${next}`;
  };
}

const converts: Record<string, Template> = {
  'cbw E': (size) =>
    size < 2
      ? undefined
      : size === 2
        ? `store<u64>(GPR, <u64><u32><i32>load<i16>(GPR)); ${next}`
        : `store<i64>(GPR, <i64>load<i32>(GPR)); ${next}`,
  'cwd E': (size) =>
    size < 2
      ? undefined
      : size === 2
        ? `store<u64>(GPR + 16, <u64><u32>(load<i32>(GPR) >> 31)); ${next}`
        : `store<i64>(GPR + 16, load<i64>(GPR) >> 63); ${next}`,
};

/** Templates by name and form of the instruction. */
export const hot: Readonly<Record<string, Template>> = {
  ...Object.fromEntries(
    ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor'].flatMap((name) => Object.entries(binary(name, true))),
  ),
  ...binary('cmp', false),
  ...binary('test', false),
  ...moves,
  'movzx GEb': widening('movzx', 0),
  'movzx GEw': widening('movzx', 1),
  'movsx GEb': widening('movsx', 0),
  'movsx GEw': widening('movsx', 1),
  'movslq GEd': widening('movsx', 2),
  ...Object.fromEntries(['shl', 'shr', 'sar', 'rol', 'ror'].flatMap((name) => Object.entries(shift(name)))),
  ...Object.fromEntries(['inc', 'dec', 'neg', 'not'].map((name) => [`${name} E`, single(name)])),
  ...multiply,
  ...bits,
  ...branches,
  ...converts,
};

/** Handlers of records that are no instruction: the decoder makes them. */
export const hotSpecial: Readonly<Record<string, string>> = {
  /** Goes on at another record of the page, or decodes it first. */
  link: 'const t: usize = load<usize>(rec, LINK); if (t == 0) break; rec = t; continue;',
  /** Goes on in the next page. */
  next_page: `const to: u64 = ${following}; ${findTarget('to')} store<u64>(GPR + SLOT_PAGE, to & PAGE_MASK); rec = found; continue;`,
};
