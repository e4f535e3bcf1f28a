import { conditions, hex, type Row } from './row.js';

/** The eight operations that share their encodings: opcode = 8 * index + form. */
const arithmetic = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];

function arithmeticRows(): Row[] {
  return arithmetic.flatMap((name, index) => {
    const lock = name === 'cmp' ? {} : { lock: true as const };
    const reads = name === 'cmp' ? { reads: true as const } : {};
    const forms = ['Eb,Gb', 'Ev,Gv', 'Gb,Eb', 'Gv,Ev', 'AL,Ib', 'rAX,Iz'];
    const group = [
      ['80', 'Eb,Ib'],
      ['81', 'Ev,Iz'],
      ['83', 'Ev,Ib'],
    ] as const;
    return [
      ...forms.map((operands, form) => ({
        opcode: hex(8 * index + form),
        name,
        operands,
        ...reads,
        ...(form < 2 ? lock : {}),
      })),
      ...group.map(([opcode, operands]) => ({ opcode: `${opcode} /${index}`, name, operands, ...lock, ...reads })),
      { opcode: `82 /${index}`, name, operands: 'Eb,Ib', mode: 'legacy' as const, ...lock, ...reads },
    ];
  });
}

const shifts = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'shl', 'sar'];

function shiftRows(): Row[] {
  const forms = [
    ['c0', 'Eb,Ib'],
    ['c1', 'Ev,Ib'],
    ['d0', 'Eb,1'],
    ['d1', 'Ev,1'],
    ['d2', 'Eb,CL'],
    ['d3', 'Ev,CL'],
  ];
  return shifts.flatMap((name, index) =>
    forms.map(([opcode, operands = '']) => ({ opcode: `${opcode} /${index}`, name, operands })),
  );
}

function conditionRows(): Row[] {
  return conditions.flatMap((condition, index): Row[] => [
    { opcode: hex(0x70 + index), name: `j${condition}`, operands: 'Jb', fn: 'jcc' },
    { opcode: `0f ${hex(0x80 + index)}`, name: `j${condition}`, operands: 'Jz', fn: 'jcc' },
    { opcode: `0f ${hex(0x90 + index)}`, name: `set${condition}`, operands: 'Eb', writes: true, fn: 'setcc' },
    { opcode: `0f ${hex(0x40 + index)}`, name: `cmov${condition}`, operands: 'Gv,Ev', fn: 'cmovcc' },
  ]);
}

function bitRows(): Row[] {
  return ['bt', 'bts', 'btr', 'btc'].flatMap((name, index): Row[] => {
    const lock = name === 'bt' ? { reads: true as const } : { lock: true as const };
    return [
      { opcode: `0f ba /${index + 4}`, name, operands: 'Ev,Ib', ...lock },
      { opcode: `0f ${hex(0xa3 + 8 * index)}`, name, operands: 'Ev,Gv', ...lock },
    ];
  });
}

/** Instructions of general registers and memory. */
export const integerRows: readonly Row[] = [
  ...arithmeticRows(),
  ...shiftRows(),
  ...conditionRows(),
  ...bitRows(),
  { opcode: '40+r', name: 'inc', operands: 'Zv', mode: 'legacy' },
  { opcode: '48+r', name: 'dec', operands: 'Zv', mode: 'legacy' },
  { opcode: '50+r', name: 'push', operands: 'Zv', d64: true },
  { opcode: '58+r', name: 'pop', operands: 'Zv', d64: true },
  { opcode: '60', name: 'pusha', operands: '', mode: 'legacy' },
  { opcode: '61', name: 'popa', operands: '', mode: 'legacy' },
  { opcode: '63', name: 'movslq', operands: 'Gv,Ed', mode: '64' },
  { opcode: '68', name: 'push', operands: 'Iz', d64: true },
  { opcode: '6a', name: 'push', operands: 'Ib', d64: true },
  { opcode: '69', name: 'imul', operands: 'Gv,Ev,Iz' },
  { opcode: '6b', name: 'imul', operands: 'Gv,Ev,Ib' },
  { opcode: '84', name: 'test', operands: 'Eb,Gb', reads: true },
  { opcode: '85', name: 'test', operands: 'Ev,Gv', reads: true },
  { opcode: 'a8', name: 'test', operands: 'AL,Ib', reads: true },
  { opcode: 'a9', name: 'test', operands: 'rAX,Iz', reads: true },
  { opcode: 'f6 /0', name: 'test', operands: 'Eb,Ib', reads: true },
  { opcode: 'f6 /1', name: 'test', operands: 'Eb,Ib', reads: true },
  { opcode: 'f7 /0', name: 'test', operands: 'Ev,Iz', reads: true },
  { opcode: 'f7 /1', name: 'test', operands: 'Ev,Iz', reads: true },
  { opcode: '86', name: 'xchg', operands: 'Eb,Gb', lock: true },
  { opcode: '87', name: 'xchg', operands: 'Ev,Gv', lock: true },
  { opcode: '90+r', name: 'xchg', operands: 'Zv,rAX' },
  { opcode: '88', name: 'mov', operands: 'Eb,Gb', writes: true },
  { opcode: '89', name: 'mov', operands: 'Ev,Gv', writes: true },
  { opcode: '8a', name: 'mov', operands: 'Gb,Eb' },
  { opcode: '8b', name: 'mov', operands: 'Gv,Ev' },
  { opcode: 'b0+r', name: 'mov', operands: 'Zb,Ib' },
  { opcode: 'b8+r', name: 'mov', operands: 'Zv,Iv' },
  { opcode: 'c6 /0', name: 'mov', operands: 'Eb,Ib', writes: true },
  { opcode: 'c7 /0', name: 'mov', operands: 'Ev,Iz', writes: true },
  { opcode: 'a0', name: 'movabs_load', operands: 'AL,Ob' },
  { opcode: 'a1', name: 'movabs_load', operands: 'rAX,Ov' },
  { opcode: 'a2', name: 'movabs_store', operands: 'AL,Ob' },
  { opcode: 'a3', name: 'movabs_store', operands: 'rAX,Ov' },
  { opcode: '8d', name: 'lea', operands: 'Gv,M', mod: 'mem' },
  { opcode: '8f /0', name: 'pop', operands: 'Ev', d64: true, writes: true },
  { opcode: '98', name: 'cbw', operands: 'rAX' },
  { opcode: '99', name: 'cwd', operands: 'rAX' },
  { opcode: '9c', name: 'pushf', operands: 'v', d64: true },
  { opcode: '9d', name: 'popf', operands: 'v', d64: true, ends: true },
  { opcode: '9e', name: 'sahf' },
  { opcode: '9f', name: 'lahf' },
  { opcode: 'c2', name: 'ret', operands: 'Iw', d64: true, ends: true },
  { opcode: 'c3', name: 'ret', operands: 'v', d64: true, ends: true },
  { opcode: 'c8', name: 'enter', operands: 'Iw,Ib', d64: true },
  { opcode: 'c9', name: 'leave', operands: 'v', d64: true },
  { opcode: 'e0', name: 'loopne', operands: 'Jb' },
  { opcode: 'e1', name: 'loope', operands: 'Jb' },
  { opcode: 'e2', name: 'loop', operands: 'Jb' },
  { opcode: 'e3', name: 'jrcxz', operands: 'Jb' },
  { opcode: 'e8', name: 'call', operands: 'Jz', d64: true },
  { opcode: 'e9', name: 'jmp', operands: 'Jz', ends: true },
  { opcode: 'eb', name: 'jmp', operands: 'Jb', ends: true },
  { opcode: 'f5', name: 'cmc' },
  { opcode: 'f8', name: 'clc' },
  { opcode: 'f9', name: 'stc' },
  { opcode: 'fc', name: 'cld' },
  { opcode: 'fd', name: 'std' },
  { opcode: 'f6 /2', name: 'not', operands: 'Eb', lock: true },
  { opcode: 'f7 /2', name: 'not', operands: 'Ev', lock: true },
  { opcode: 'f6 /3', name: 'neg', operands: 'Eb', lock: true },
  { opcode: 'f7 /3', name: 'neg', operands: 'Ev', lock: true },
  { opcode: 'f6 /4', name: 'mul', operands: 'Eb', reads: true },
  { opcode: 'f7 /4', name: 'mul', operands: 'Ev', reads: true },
  { opcode: 'f6 /5', name: 'imul', operands: 'Eb', reads: true, fn: 'imul1' },
  { opcode: 'f7 /5', name: 'imul', operands: 'Ev', reads: true, fn: 'imul1' },
  { opcode: 'f6 /6', name: 'div', operands: 'Eb', reads: true },
  { opcode: 'f7 /6', name: 'div', operands: 'Ev', reads: true },
  { opcode: 'f6 /7', name: 'idiv', operands: 'Eb', reads: true },
  { opcode: 'f7 /7', name: 'idiv', operands: 'Ev', reads: true },
  { opcode: 'fe /0', name: 'inc', operands: 'Eb', lock: true },
  { opcode: 'fe /1', name: 'dec', operands: 'Eb', lock: true },
  { opcode: 'ff /0', name: 'inc', operands: 'Ev', lock: true },
  { opcode: 'ff /1', name: 'dec', operands: 'Ev', lock: true },
  { opcode: 'ff /2', name: 'call', operands: 'Ev', d64: true, reads: true, fn: 'call_near' },
  { opcode: 'ff /4', name: 'jmp', operands: 'Ev', d64: true, reads: true, ends: true, fn: 'jmp_near' },
  { opcode: 'ff /6', name: 'push', operands: 'Ev', d64: true, reads: true },
  { opcode: '0f 1f', name: 'nop', operands: 'Ev', reads: true },
  // Hint instructions of newer CPUs, no operation on this one (SDM volume 2, "NOP"): prefetches, ENDBR64.
  ...['0d', '18', '19', '1a', '1b', '1c', '1d', '1e'].map(
    (byte): Row => ({ opcode: `0f ${byte}`, name: 'nop', operands: 'Ev', reads: true }),
  ),
  { opcode: '0f a4', name: 'shld', operands: 'Ev,Gv,Ib' },
  { opcode: '0f a5', name: 'shld', operands: 'Ev,Gv,CL' },
  { opcode: '0f ac', name: 'shrd', operands: 'Ev,Gv,Ib' },
  { opcode: '0f ad', name: 'shrd', operands: 'Ev,Gv,CL' },
  { opcode: '0f af', name: 'imul', operands: 'Gv,Ev' },
  { opcode: '0f b0', name: 'cmpxchg', operands: 'Eb,Gb', lock: true },
  { opcode: '0f b1', name: 'cmpxchg', operands: 'Ev,Gv', lock: true },
  { opcode: '0f b6', name: 'movzx', operands: 'Gv,Eb' },
  { opcode: '0f b7', name: 'movzx', operands: 'Gv,Ew' },
  { opcode: '0f be', name: 'movsx', operands: 'Gv,Eb' },
  { opcode: '0f bf', name: 'movsx', operands: 'Gv,Ew' },
  { opcode: '0f b8', name: 'popcnt', operands: 'Gv,Ev', prefix: 'f3', feature: 'popcnt' },
  // F3 selects TZCNT and LZCNT on CPUs that have BMI1 and LZCNT; this one ignores it.
  { opcode: '0f bc', name: 'bsf', operands: 'Gv,Ev' },
  { opcode: '0f bd', name: 'bsr', operands: 'Gv,Ev' },
  { opcode: '0f c0', name: 'xadd', operands: 'Eb,Gb', lock: true },
  { opcode: '0f c1', name: 'xadd', operands: 'Ev,Gv', lock: true },
  ...(['66', 'f3', 'f2'] as const).map(
    (prefix): Row => ({ opcode: '0f c3', name: 'invalid', prefix, ends: true, fn: 'ud2' }),
  ),
  { opcode: '0f c3', name: 'invalid', mod: 'reg', prefix: 'none', ends: true, fn: 'ud2' },
  { opcode: '0f c3', name: 'movnti', operands: 'Ey,Gy', mod: 'mem', prefix: 'none', writes: true, fn: 'mov' },
  { opcode: '0f c7 /1', name: 'cmpxchg8b', operands: 'My', mod: 'mem', lock: true },
  { opcode: '0f c8+r', name: 'bswap', operands: 'Zv' },
  { opcode: '0f 38 f0', name: 'movbe_load', operands: 'Gv,Ev', prefix: 'none', mod: 'mem', feature: 'movbe' },
  {
    opcode: '0f 38 f1',
    name: 'movbe_store',
    operands: 'Ev,Gv',
    prefix: 'none',
    mod: 'mem',
    writes: true,
    feature: 'movbe',
  },
  ...['movs', 'cmps', 'stos', 'lods', 'scas'].flatMap((name): Row[] => {
    const opcode = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae }[name] ?? 0;
    return [
      { opcode: hex(opcode), name, operands: 'b' },
      { opcode: hex(opcode + 1), name, operands: 'v' },
    ];
  }),
  { opcode: '27', name: 'daa', mode: 'legacy' },
  { opcode: '2f', name: 'das', mode: 'legacy' },
  { opcode: '37', name: 'aaa', mode: 'legacy' },
  { opcode: '3f', name: 'aas', mode: 'legacy' },
  { opcode: 'd4', name: 'aam', operands: 'Ib', mode: 'legacy' },
  { opcode: 'd5', name: 'aad', operands: 'Ib', mode: 'legacy' },
  { opcode: 'd6', name: 'salc', mode: 'legacy' },
  { opcode: 'd7', name: 'xlat' },
  { opcode: '62', name: 'bound', operands: 'Gv,M', mod: 'mem', mode: 'legacy' },
];
