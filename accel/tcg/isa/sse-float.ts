import type { Row } from './row.js';

type Prefix = NonNullable<Row['prefix']>;

/** The four types of SSE arithmetic. */
const types: readonly (readonly [suffix: string, prefix: Prefix, operands: string, feature: string])[] = [
  ['ps', 'none', 'Vo,Wo', 'sse'],
  ['pd', '66', 'Vo,Wo', 'sse2'],
  ['ss', 'f3', 'Vd,Wd', 'sse'],
  ['sd', 'f2', 'Vq,Wq', 'sse2'],
];

function row(
  opcode: string,
  prefix: Prefix,
  name: string,
  operands: string,
  feature: string,
  more: Partial<Row> = {},
): Row {
  const aligned = operands.includes('Wo');
  return {
    opcode: `0f ${opcode}`,
    prefix,
    name,
    operands,
    feature,
    call: 'fp',
    ...(aligned ? { aligned } : {}),
    ...more,
  };
}

/** An operation of some of the types. */
function operation(
  opcode: string,
  name: string,
  suffixes: readonly string[],
  more: Partial<Row> = {},
  fn?: (suffix: string) => string,
): Row[] {
  return types
    .filter(([suffix]) => suffixes.includes(suffix))
    .map(([suffix, prefix, operands, feature]) =>
      row(opcode, prefix, `${name}${suffix}`, operands, feature, {
        ...more,
        ...(fn === undefined ? {} : { fn: fn(suffix) }),
      }),
    );
}

const all = ['ps', 'pd', 'ss', 'sd'];
const packed = ['ps', 'pd'];

/** Conversions between a general register of 4 or 8 bytes and a scalar. */
function registerConversion(prefix: Prefix, suffix: string, bytes: string, feature: string): Row[] {
  return [
    ['32', 'd', false],
    ['64', 'q', true],
  ].flatMap(([bits, size, wide]) => {
    const more = { wide: wide === true };
    return [
      row('2a', prefix, `cvtsi2${suffix}`, `V${bytes},E${size}`, feature, { ...more, fn: `cvtsi2${suffix}${bits}` }),
      row('2c', prefix, `cvtt${suffix}2si`, `G${size},W${bytes}`, feature, { ...more, fn: `cvtt${suffix}2si${bits}` }),
      row('2d', prefix, `cvt${suffix}2si`, `G${size},W${bytes}`, feature, { ...more, fn: `cvt${suffix}2si${bits}` }),
    ];
  });
}

/** Rows with an immediate of 0F 3A. */
function sse41(opcode: string, name: string, operands: string): Row {
  return row(`3a ${opcode}`, '66', name, `${operands},Ib`, 'sse4.1');
}

/** Floating-point arithmetic, comparisons and conversions of SSE to SSE4.1. */
export const sseFloatRows: readonly Row[] = [
  ...operation('51', 'sqrt', all),
  ...operation('52', 'rsqrt', ['ps', 'ss']),
  ...operation('53', 'rcp', ['ps', 'ss']),
  ...operation('54', 'and', packed, {}, () => 'pand'),
  ...operation('55', 'andn', packed, {}, () => 'pandn'),
  ...operation('56', 'or', packed, {}, () => 'por'),
  ...operation('57', 'xor', packed, {}, () => 'pxor'),
  ...operation('58', 'add', all),
  ...operation('59', 'mul', all),
  ...operation('5c', 'sub', all),
  ...operation('5d', 'min', all),
  ...operation('5e', 'div', all),
  ...operation('5f', 'max', all),
  ...types.map(([suffix, prefix, operands, feature]) => row('c2', prefix, `cmp${suffix}`, `${operands},Ib`, feature)),
  row('c6', 'none', 'shufps', 'Vo,Wo,Ib', 'sse'),
  row('c6', '66', 'shufpd', 'Vo,Wo,Ib', 'sse2'),
  row('7c', '66', 'haddpd', 'Vo,Wo', 'pni'),
  row('7c', 'f2', 'haddps', 'Vo,Wo', 'pni'),
  row('7d', '66', 'hsubpd', 'Vo,Wo', 'pni'),
  row('7d', 'f2', 'hsubps', 'Vo,Wo', 'pni'),
  row('d0', '66', 'addsubpd', 'Vo,Wo', 'pni'),
  row('d0', 'f2', 'addsubps', 'Vo,Wo', 'pni'),
  row('2e', 'none', 'ucomiss', 'Vd,Wd', 'sse', { reads: true }),
  row('2e', '66', 'ucomisd', 'Vq,Wq', 'sse2', { reads: true }),
  row('2f', 'none', 'comiss', 'Vd,Wd', 'sse', { reads: true }),
  row('2f', '66', 'comisd', 'Vq,Wq', 'sse2', { reads: true }),
  ...registerConversion('f3', 'ss', 'd', 'sse'),
  ...registerConversion('f2', 'sd', 'q', 'sse2'),
  // From memory they leave the MMX registers alone (for CVTPI2PD the SDM says so).
  row('2a', 'none', 'cvtpi2ps', 'Vq,Nq', 'sse', { mod: 'reg' }),
  row('2a', 'none', 'cvtpi2ps', 'Vq,Wq', 'sse', { mod: 'mem' }),
  row('2a', '66', 'cvtpi2pd', 'Vo,Nq', 'sse2', { mod: 'reg', fn: 'cvtdq2pd' }),
  row('2a', '66', 'cvtpi2pd', 'Vo,Wq', 'sse2', { mod: 'mem', fn: 'cvtdq2pd' }),
  row('2c', 'none', 'cvttps2pi', 'Pq,Wq', 'sse'),
  row('2d', 'none', 'cvtps2pi', 'Pq,Wq', 'sse'),
  row('2c', '66', 'cvttpd2pi', 'Pq,Wo', 'sse2'),
  row('2d', '66', 'cvtpd2pi', 'Pq,Wo', 'sse2'),
  row('5a', 'none', 'cvtps2pd', 'Vo,Wq', 'sse2'),
  row('5a', '66', 'cvtpd2ps', 'Vo,Wo', 'sse2'),
  row('5a', 'f3', 'cvtss2sd', 'Vq,Wd', 'sse2'),
  row('5a', 'f2', 'cvtsd2ss', 'Vd,Wq', 'sse2'),
  row('5b', 'none', 'cvtdq2ps', 'Vo,Wo', 'sse2'),
  row('5b', '66', 'cvtps2dq', 'Vo,Wo', 'sse2'),
  row('5b', 'f3', 'cvttps2dq', 'Vo,Wo', 'sse2'),
  row('e6', '66', 'cvttpd2dq', 'Vo,Wo', 'sse2'),
  row('e6', 'f3', 'cvtdq2pd', 'Vo,Wq', 'sse2'),
  row('e6', 'f2', 'cvtpd2dq', 'Vo,Wo', 'sse2'),
  sse41('08', 'roundps', 'Vo,Wo'),
  sse41('09', 'roundpd', 'Vo,Wo'),
  sse41('0a', 'roundss', 'Vd,Wd'),
  sse41('0b', 'roundsd', 'Vq,Wq'),
  sse41('40', 'dpps', 'Vo,Wo'),
  sse41('41', 'dppd', 'Vo,Wo'),
  {
    opcode: '0f ae /2',
    prefix: 'none',
    name: 'ldmxcsr',
    operands: 'Md',
    mod: 'mem',
    call: 'fp',
    unit: 'sse',
    reads: true,
    feature: 'sse',
  },
  {
    opcode: '0f ae /3',
    prefix: 'none',
    name: 'stmxcsr',
    operands: 'Md',
    mod: 'mem',
    call: 'fp',
    unit: 'sse',
    writes: true,
    feature: 'sse',
  },
  { opcode: '0f ae /0', name: 'fxsave', operands: 'M', mod: 'mem', call: 'cold', unit: 'x87_nowait', feature: 'fxsr' },
  { opcode: '0f ae /1', name: 'fxrstor', operands: 'M', mod: 'mem', call: 'cold', unit: 'x87_nowait', feature: 'fxsr' },
  { opcode: '0f ae /4', name: 'xsave', operands: 'M', mod: 'mem', call: 'cold', feature: 'xsave' },
  { opcode: '0f ae /5', name: 'xrstor', operands: 'M', mod: 'mem', call: 'cold', feature: 'xsave' },
  { opcode: '0f ae /6', name: 'xsaveopt', operands: 'M', mod: 'mem', call: 'cold', feature: 'xsaveopt' },
];
