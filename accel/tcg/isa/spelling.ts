import type { Decoded } from './disassemble.js';

interface Spelling {
  readonly name: string;
  /** In the order of AT&T: the destination last. */
  readonly operands: readonly string[];
}

interface StringContext {
  readonly segment: string | undefined;
  /** Bytes. */
  readonly addressSize: number;
}

const suffixes: Readonly<Record<number, string>> = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' };
const renamed: Readonly<Record<string, string>> = {
  movabs_load: 'movabs',
  movabs_store: 'movabs',
  movbe_load: 'movbe',
  movbe_store: 'movbe',
  call_far: 'lcall',
  jmp_far: 'ljmp',
};
const conversions: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  cbw: { 2: 'cbtw', 4: 'cwtl', 8: 'cltq' },
  cwd: { 2: 'cwtd', 4: 'cltd', 8: 'cqto' },
};
/** Integer instructions whose names say the size already, or that have none. */
const plain =
  /^(set|j|loop|nop$|lock|int|in$|out$|l[de]s|movslq|bswap$|cli|sti|cl[cd]|st[cd]|hlt|rd|wr|invlpg|clflush|verr|verw|ltr|lldt|swapgs|cpuid|syscall|xgetbv|xsetbv|fxsave|fxrstor|xsave|xrstor|cmpxchg8b|[lms]fence|ud|xlat|sahf|lahf|cmc|pause|invd|emms|ldmxcsr|stmxcsr|lmsw|s[gi]dt|l[gi]dt|rsm|wbinvd|clts|stac|clac|prefetch|daa|das|aa|salc|bound|into|sysenter)/;

/** Names and order of operands as AT&T assemblers have them (gas manual, "AT&T Syntax versus Intel Syntax"). */
export function attName(decoded: Decoded, operands: readonly string[], context: StringContext): Spelling {
  const { row, shape, size, isMemory } = decoded;
  const { name } = row;
  const reversed = [...operands].reverse();
  const suffix = suffixes[size] ?? '';
  if (/^(movs|cmps|stos|lods|scas|ins|outs)$/.test(name))
    return { name: name + suffix, operands: stringOperands(decoded, context) };
  const conversion = conversions[name]?.[size];
  if (conversion !== undefined) return { name: conversion, operands: [] };
  if (/^(fxsave|fxrstor|xsave|xsaveopt|xrstor)$/.test(name))
    return { name: decoded.wide ? `${name}64` : name, operands };
  if (row.unit?.startsWith('x87') === true) return x87(decoded, operands);
  if (name === 'movzx' || name === 'movsx') {
    return { name: `${name.slice(0, 4)}${suffixes[shape.operands[1]?.bytes ?? 1]}${suffix}`, operands: reversed };
  }
  const indirect = row.fn === 'call_near' || row.fn === 'jmp_near' || row.fn?.endsWith('far_indirect') === true;
  if (indirect) return { name: (renamed[name] ?? name) + suffix, operands: operands.map((operand) => `*${operand}`) };
  if (name === 'call_far' || name === 'jmp_far') return { name: (renamed[name] ?? name) + suffix, operands };
  if (name === 'mov' && shape.immediate === 'iv' && size === 8) return { name: 'movabsq', operands: reversed };
  if (name === 'movabs_store') return { name: `movabs${suffix}`, operands };
  if (name === 'jmp') return { name: shape.immediate === 'jb' ? name : name + suffix, operands };
  if (row.fn === 'mov_from_segment' && isMemory) return { name: 'movw', operands: reversed };
  if (name === 'enter') return { name: `enter${suffix}`, operands };
  if (name === 'cmpxchg8b') return { name: decoded.wide ? 'cmpxchg16b' : name, operands };
  if (name === 'nop' && operands.length === 0) return { name, operands };
  if (name === 'in' || name === 'out') {
    const wide = suffixes[/%al/.test(operands.join()) ? 1 : size];
    const port = row.fn === 'out_port' || row.fn === 'out_dx' ? operands : reversed;
    return { name: name + wide, operands: port };
  }
  if (name === 'xlat') return { name, operands: [`%${context.segment ?? 'ds'}:(%rbx)`] };
  if (name === 'crc32') return { name: name + (shape.operands[1]?.bytes === 1 ? 'b' : suffix), operands: reversed };
  if (/^(sldt|str|smsw)$/.test(name) && isMemory) return { name: `${name}w`, operands };
  if (/^(pblendvb|blendvp[sd])$/.test(name)) return { name, operands: ['%xmm0', ...reversed] };
  const isVector = shape.operands.some(({ registers }) => registers === 'xmm' || registers === 'mmx');
  if (isVector) {
    return { name: /^cvtsi2s/.test(name) ? name + (decoded.wide ? 'q' : 'l') : name, operands: reversed };
  }

  return { name: (renamed[name] ?? name) + (plain.test(name) && name !== 'nop' ? '' : suffix), operands: reversed };
}

function stringOperands({ row, size }: Decoded, { segment, addressSize }: StringContext): string[] {
  const index = (name: string) => `(%${{ 2: '', 4: 'e', 8: 'r' }[addressSize] ?? ''}${name})`;
  const source = `%${segment ?? 'ds'}:${index('si')}`;
  const destination = `%es:${index('di')}`;
  const accumulator = { 1: '%al', 2: '%ax', 4: '%eax', 8: '%rax' }[size] ?? '';
  switch (row.name) {
    case 'movs':
      return [source, destination];
    case 'cmps':
      return [destination, source];
    case 'stos':
      return [accumulator, destination];
    case 'lods':
      return [source, accumulator];
    case 'scas':
      return [destination, accumulator];
    case 'ins':
      return ['(%dx)', destination];
    default:
      return [source, '(%dx)'];
  }
}

/** AT&T assemblers exchange FSUB and FSUBR, FDIV and FDIVR where ST(0) is not the destination (gas manual, "i386-Bugs"). */
const exchanged: Readonly<Record<string, string>> = {
  fsub: 'fsubr',
  fsubr: 'fsub',
  fdiv: 'fdivr',
  fdivr: 'fdiv',
  fsubp: 'fsubrp',
  fsubrp: 'fsubp',
  fdivp: 'fdivrp',
  fdivrp: 'fdivp',
};

function x87({ row, shape, isMemory }: Decoded, operands: readonly string[]): Spelling {
  const { name, fn = '' } = row;
  if (isMemory) {
    const bytes = shape.operands[0]?.bytes ?? 0;
    const integer = /^fi/.test(name) && !/^finit/.test(name);
    const sizes: Readonly<Record<number, string>> = integer ? { 2: 's', 4: 'l', 8: 'll' } : { 4: 's', 8: 'l', 10: 't' };
    const sized = integer || /^f(add|mul|sub|subr|div|divr|com|comp|ld|st|stp)$/.test(name);
    return { name: name + (sized ? (sizes[bytes] ?? '') : ''), operands };
  }
  if (row.rm !== undefined && fn === 'fnstswAx') return { name, operands: ['%ax'] };
  const [register = ''] = operands;
  if (fn === 'arithmetic' || /^f(cmov|u?comi)/.test(name)) return { name, operands: [register, '%st'] };
  if (fn === 'arithmeticTo' || fn === 'arithmeticPop')
    return { name: exchanged[name] ?? name, operands: ['%st', register] };
  return { name, operands };
}
