import type { Row } from './row.js';

/** Opcodes 0F xx that are the same for MMX (no prefix) and SSE2 (66), by their functions of equal lanes. */
export const sharedLanes: Readonly<Record<string, string>> = {
  '60': 'punpcklbw',
  '61': 'punpcklwd',
  '62': 'punpckldq',
  '64': 'pcmpgtb',
  '65': 'pcmpgtw',
  '66': 'pcmpgtd',
  '74': 'pcmpeqb',
  '75': 'pcmpeqw',
  '76': 'pcmpeqd',
  d1: 'psrlw',
  d2: 'psrld',
  d3: 'psrlq',
  d4: 'paddq',
  d5: 'pmullw',
  d8: 'psubusb',
  d9: 'psubusw',
  da: 'pminub',
  db: 'pand',
  dc: 'paddusb',
  dd: 'paddusw',
  de: 'pmaxub',
  df: 'pandn',
  e0: 'pavgb',
  e1: 'psraw',
  e2: 'psrad',
  e3: 'pavgw',
  e4: 'pmulhuw',
  e5: 'pmulhw',
  e8: 'psubsb',
  e9: 'psubsw',
  ea: 'pminsw',
  eb: 'por',
  ec: 'paddsb',
  ed: 'paddsw',
  ee: 'pmaxsw',
  ef: 'pxor',
  f1: 'psllw',
  f2: 'pslld',
  f3: 'psllq',
  f4: 'pmuludq',
  f5: 'pmaddwd',
  f6: 'psadbw',
  f8: 'psubb',
  f9: 'psubw',
  fa: 'psubd',
  fb: 'psubq',
  fc: 'paddb',
  fd: 'paddw',
  fe: 'paddd',
};

/** The same for those whose lanes mix, so that MMX has functions of its own. */
export const sharedMixed: Readonly<Record<string, string>> = {
  '63': 'packsswb',
  '67': 'packuswb',
  '68': 'punpckhbw',
  '69': 'punpckhwd',
  '6a': 'punpckhdq',
  '6b': 'packssdw',
};

/** Opcodes 0F 38 xx of SSSE3 for both. */
export const ssse3Lanes: Readonly<Record<string, string>> = {
  '04': 'pmaddubsw',
  '08': 'psignb',
  '09': 'psignw',
  '0a': 'psignd',
  '0b': 'pmulhrsw',
  '1c': 'pabsb',
  '1d': 'pabsw',
  '1e': 'pabsd',
};

export const ssse3Mixed: Readonly<Record<string, string>> = {
  '00': 'pshufb',
  '01': 'phaddw',
  '02': 'phaddd',
  '03': 'phaddsw',
  '05': 'phsubw',
  '06': 'phsubd',
  '07': 'phsubsw',
};

/** Shifts by an immediate: 0F 71 to 73. */
export const immediateShifts: Readonly<Record<string, string>> = {
  '71 /2': 'psrlw',
  '71 /4': 'psraw',
  '71 /6': 'psllw',
  '72 /2': 'psrld',
  '72 /4': 'psrad',
  '72 /6': 'pslld',
  '73 /2': 'psrlq',
  '73 /6': 'psllq',
};

const sse41: Readonly<Record<string, string>> = {
  '28': 'pmuldq',
  '29': 'pcmpeqq',
  '2b': 'packusdw',
  '38': 'pminsb',
  '39': 'pminsd',
  '3a': 'pminuw',
  '3b': 'pminud',
  '3c': 'pmaxsb',
  '3d': 'pmaxsd',
  '3e': 'pmaxuw',
  '3f': 'pmaxud',
  '40': 'pmulld',
  '41': 'phminposuw',
  '10': 'pblendvb',
  '14': 'blendvps',
  '15': 'blendvpd',
};

/** Widening moves: 0F 38 20 to 25 with signs, 30 to 35 with zeros; by the bytes of their source. */
const widening: readonly (readonly [string, string])[] = [
  ['bw', 'Wq'],
  ['bd', 'Wd'],
  ['bq', 'Ww'],
  ['wd', 'Wq'],
  ['wq', 'Wd'],
  ['dq', 'Wq'],
];

function lanes(map: string, feature: string, opcodes: Readonly<Record<string, string>>): Row[] {
  return Object.entries(opcodes).map(([opcode, name]) => ({
    opcode: `${map} ${opcode}`,
    prefix: '66',
    name,
    operands: 'Vo,Wo',
    aligned: true,
    call: 'fp',
    feature,
  }));
}

function immediate(opcode: string, name: string, feature: string, operands = 'Vo,Wo,Ib'): Row {
  const aligned = operands.includes('Wo') && !name.startsWith('pcmp');
  return { opcode, prefix: '66', name, operands, call: 'fp', feature, ...(aligned ? { aligned } : {}) };
}

/** One element into or out of a register; its form in memory has its own size. */
function element(opcode: string, name: string, operands: readonly [string, string], fn = name): Row[] {
  const row = { opcode, prefix: '66', name, call: 'fp', feature: 'sse4.1' } as const;
  return [
    { ...row, operands: operands[0], mod: 'reg', fn },
    { ...row, operands: operands[1], mod: 'mem', fn: name === 'insertps' ? 'insertpsMemory' : fn },
  ];
}

/** Integer SIMD of SSE2 to SSE4.2 on XMM registers. */
export const sseIntegerRows: readonly Row[] = [
  ...lanes('0f', 'sse2', { ...sharedLanes, ...sharedMixed, '6c': 'punpcklqdq', '6d': 'punpckhqdq' }),
  ...lanes('0f 38', 'ssse3', { ...ssse3Lanes, ...ssse3Mixed }),
  ...lanes('0f 38', 'sse4.1', sse41),
  ...lanes('0f 38', 'sse4.2', { '37': 'pcmpgtq' }),
  ...Object.entries(immediateShifts).map(
    ([opcode, name]): Row => ({
      opcode: `0f ${opcode}`,
      prefix: '66',
      name,
      operands: 'Uo,Ib',
      mod: 'reg',
      call: 'fp',
      fn: `${name}Imm`,
      feature: 'sse2',
    }),
  ),
  { opcode: '0f 73 /3', prefix: '66', name: 'psrldq', operands: 'Uo,Ib', mod: 'reg', call: 'fp', feature: 'sse2' },
  { opcode: '0f 73 /7', prefix: '66', name: 'pslldq', operands: 'Uo,Ib', mod: 'reg', call: 'fp', feature: 'sse2' },
  ...['s', 'z'].flatMap((kind, k) =>
    widening.map(
      ([sizes, source], i): Row => ({
        opcode: `0f 38 ${(0x20 + 0x10 * k + i).toString(16)}`,
        prefix: '66',
        name: `pmov${kind}x${sizes}`,
        operands: `Vo,${source}`,
        call: 'fp',
        feature: 'sse4.1',
      }),
    ),
  ),
  {
    opcode: '0f 38 17',
    prefix: '66',
    name: 'ptest',
    operands: 'Vo,Wo',
    aligned: true,
    reads: true,
    call: 'fp',
    feature: 'sse4.1',
  },
  immediate('0f 70', 'pshufd', 'sse2'),
  { opcode: '0f 70', prefix: 'f3', name: 'pshufhw', operands: 'Vo,Wo,Ib', aligned: true, call: 'fp', feature: 'sse2' },
  { opcode: '0f 70', prefix: 'f2', name: 'pshuflw', operands: 'Vo,Wo,Ib', aligned: true, call: 'fp', feature: 'sse2' },
  { opcode: '0f c4', prefix: '66', name: 'pinsrw', operands: 'Vo,Ew,Ib', call: 'fp', feature: 'sse2' },
  { opcode: '0f c5', prefix: '66', name: 'pextrw', operands: 'Gd,Uo,Ib', mod: 'reg', call: 'fp', feature: 'sse2' },
  { opcode: '0f d7', prefix: '66', name: 'pmovmskb', operands: 'Gd,Uo', mod: 'reg', call: 'fp', feature: 'sse2' },
  { opcode: '0f f7', prefix: '66', name: 'maskmovdqu', operands: 'Vo,Uo', mod: 'reg', call: 'cold', feature: 'sse2' },
  immediate('0f 3a 0c', 'blendps', 'sse4.1'),
  immediate('0f 3a 0d', 'blendpd', 'sse4.1'),
  immediate('0f 3a 0e', 'pblendw', 'sse4.1'),
  immediate('0f 3a 0f', 'palignr', 'ssse3'),
  immediate('0f 3a 42', 'mpsadbw', 'sse4.1'),
  ...element('0f 3a 14', 'pextrb', ['Ed,Vo,Ib', 'Mb,Vo,Ib']),
  ...element('0f 3a 15', 'pextrw', ['Ed,Vo,Ib', 'Mw,Vo,Ib']),
  ...element('0f 3a 17', 'extractps', ['Ed,Vo,Ib', 'Md,Vo,Ib'], 'pextrd'),
  ...element('0f 3a 20', 'pinsrb', ['Vo,Ed,Ib', 'Vo,Mb,Ib']),
  ...element('0f 3a 21', 'insertps', ['Vo,Uo,Ib', 'Vo,Md,Ib']),
  { ...immediate('0f 3a 16', 'pextrd', 'sse4.1', 'Ed,Vo,Ib'), wide: false },
  { ...immediate('0f 3a 16', 'pextrq', 'sse4.1', 'Eq,Vo,Ib'), wide: true },
  { ...immediate('0f 3a 22', 'pinsrd', 'sse4.1', 'Vo,Ed,Ib'), wide: false },
  { ...immediate('0f 3a 22', 'pinsrq', 'sse4.1', 'Vo,Eq,Ib'), wide: true },
  ...['pcmpestrm', 'pcmpestri'].flatMap((name, i): Row[] => [
    { ...immediate(`0f 3a 6${i}`, name, 'sse4.2'), reads: true, wide: false },
    { ...immediate(`0f 3a 6${i}`, name, 'sse4.2'), reads: true, wide: true, fn: `${name}64` },
  ]),
  { ...immediate('0f 3a 62', 'pcmpistrm', 'sse4.2'), reads: true },
  { ...immediate('0f 3a 63', 'pcmpistri', 'sse4.2'), reads: true },
  { opcode: '0f 38 f0', prefix: 'f2', name: 'crc32', operands: 'Gd,Eb', call: 'fp', feature: 'sse4.2', arg: 1 },
  { opcode: '0f 38 f1', prefix: 'f2', name: 'crc32', operands: 'Gv,Ev', call: 'fp', feature: 'sse4.2', arg: 'size' },
];
