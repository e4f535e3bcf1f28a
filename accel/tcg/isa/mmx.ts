import type { Row } from './row.js';
import { immediateShifts, sharedLanes, sharedMixed, ssse3Lanes, ssse3Mixed } from './sse-integer.js';

function registers(map: string, feature: string, opcodes: Readonly<Record<string, string>>, suffix = ''): Row[] {
  return Object.entries(opcodes).map(([opcode, name]) => ({
    opcode: `${map} ${opcode}`,
    prefix: 'none',
    name,
    // The low halves are all that PUNPCKL reads, of memory too.
    operands: name.startsWith('punpckl') ? 'Pq,Qd' : 'Pq,Qq',
    call: 'fp',
    fn: `${name}${suffix}`,
    feature,
  }));
}

function row(opcode: string, name: string, operands: string, fn: string, more: Partial<Row> = {}): Row {
  return { opcode, prefix: 'none', name, operands, call: 'fp', fn, feature: 'mmx', ...more };
}

/** MMX, with what SSE to SSSE3 added to it; conversions are in sse-float.ts. */
export const mmxRows: readonly Row[] = [
  ...registers('0f', 'mmx', sharedLanes),
  ...registers('0f', 'mmx', sharedMixed, 'Mmx'),
  ...registers('0f 38', 'ssse3', ssse3Lanes),
  ...registers('0f 38', 'ssse3', ssse3Mixed, 'Mmx'),
  ...Object.entries(immediateShifts).map(([opcode, name]) =>
    row(`0f ${opcode}`, name, 'Nq,Ib', `${name}Imm`, { mod: 'reg' }),
  ),
  row('0f 6e', 'movd', 'Pq,Ed', 'move4To8', { wide: false }),
  row('0f 6e', 'movq', 'Pq,Eq', 'move8', { wide: true }),
  row('0f 7e', 'movd', 'Ed,Pq', 'move4To8', { wide: false }),
  row('0f 7e', 'movq', 'Eq,Pq', 'move8', { wide: true }),
  row('0f 6f', 'movq', 'Pq,Qq', 'move8'),
  row('0f 7f', 'movq', 'Qq,Pq', 'move8'),
  row('0f e7', 'movntq', 'Mq,Pq', 'move8', { mod: 'mem', feature: 'sse' }),
  row('0f d6', 'movq2dq', 'Vo,Nq', 'move8Clear', { mod: 'reg', prefix: 'f3', feature: 'sse2' }),
  row('0f d6', 'movdq2q', 'Pq,Uq', 'move8', { mod: 'reg', prefix: 'f2', feature: 'sse2' }),
  row('0f 70', 'pshufw', 'Pq,Qq,Ib', 'pshufw', { feature: 'sse' }),
  row('0f c4', 'pinsrw', 'Pq,Ew,Ib', 'pinsrwMmx', { feature: 'sse' }),
  row('0f c5', 'pextrw', 'Gd,Nq,Ib', 'pextrwMmx', { mod: 'reg', feature: 'sse' }),
  row('0f d7', 'pmovmskb', 'Gd,Nq', 'pmovmskbMmx', { mod: 'reg', feature: 'sse' }),
  row('0f 3a 0f', 'palignr', 'Pq,Qq,Ib', 'palignrMmx', { feature: 'ssse3' }),
  { opcode: '0f f7', prefix: 'none', name: 'maskmovq', operands: 'Pq,Nq', mod: 'reg', call: 'cold', feature: 'sse' },
  { opcode: '0f 77', prefix: 'none', name: 'emms', call: 'fp', unit: 'mmx', feature: 'mmx' },
];
