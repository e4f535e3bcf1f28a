import type { Row } from './row.js';

type Prefix = NonNullable<Row['prefix']>;

function move(
  opcode: string,
  prefix: Prefix,
  name: string,
  operands: string,
  fn: string,
  more: Partial<Row> = {},
): Row {
  const feature = prefix === 'none' ? 'sse' : 'sse2';
  return { opcode: `0f ${opcode}`, prefix, name, operands, call: 'fp', fn, feature, ...more };
}

/** A load and a store of 16 bytes. */
function whole(load: string, store: string, prefix: Prefix, name: string, more: Partial<Row> = {}): Row[] {
  return [move(load, prefix, name, 'Vo,Wo', 'move16', more), move(store, prefix, name, 'Wo,Vo', 'move16', more)];
}

const aligned = { aligned: true } as const;
const memory = { mod: 'mem' } as const;
const register = { mod: 'reg' } as const;

/** Moves of SSE to SSE4.1. */
export const sseMoveRows: readonly Row[] = [
  ...whole('10', '11', 'none', 'movups'),
  ...whole('10', '11', '66', 'movupd'),
  ...whole('28', '29', 'none', 'movaps', aligned),
  ...whole('28', '29', '66', 'movapd', aligned),
  ...whole('6f', '7f', '66', 'movdqa', aligned),
  ...whole('6f', '7f', 'f3', 'movdqu'),
  move('10', 'f3', 'movss', 'Vd,Ud', 'move4', { ...register, feature: 'sse' }),
  move('10', 'f3', 'movss', 'Vo,Wd', 'move4Clear', { ...memory, feature: 'sse' }),
  move('11', 'f3', 'movss', 'Wd,Vd', 'move4', { feature: 'sse' }),
  move('10', 'f2', 'movsd', 'Vq,Uq', 'move8', register),
  move('10', 'f2', 'movsd', 'Vo,Wq', 'move8Clear', memory),
  move('11', 'f2', 'movsd', 'Wq,Vq', 'move8'),
  move('12', 'none', 'movlps', 'Vq,Wq', 'move8', memory),
  move('12', 'none', 'movhlps', 'Vq,Uo', 'moveFromHigh', register),
  move('12', '66', 'movlpd', 'Vq,Wq', 'move8', memory),
  move('13', 'none', 'movlps', 'Wq,Vq', 'move8', memory),
  move('13', '66', 'movlpd', 'Wq,Vq', 'move8', memory),
  move('16', 'none', 'movhps', 'Vo,Wq', 'moveToHigh', memory),
  move('16', 'none', 'movlhps', 'Vo,Uq', 'moveToHigh', register),
  move('16', '66', 'movhpd', 'Vo,Wq', 'moveToHigh', memory),
  move('17', 'none', 'movhps', 'Wq,Vo', 'moveFromHigh', memory),
  move('17', '66', 'movhpd', 'Wq,Vo', 'moveFromHigh', memory),
  move('12', 'f3', 'movsldup', 'Vo,Wo', 'movsldup', { ...aligned, feature: 'pni' }),
  move('16', 'f3', 'movshdup', 'Vo,Wo', 'movshdup', { ...aligned, feature: 'pni' }),
  move('12', 'f2', 'movddup', 'Vo,Wq', 'movddup', { feature: 'pni' }),
  move('f0', 'f2', 'lddqu', 'Vo,Wo', 'move16', { ...memory, feature: 'pni' }),
  move('2b', 'none', 'movntps', 'Wo,Vo', 'move16', { ...memory, ...aligned }),
  move('2b', '66', 'movntpd', 'Wo,Vo', 'move16', { ...memory, ...aligned }),
  move('e7', '66', 'movntdq', 'Wo,Vo', 'move16', { ...memory, ...aligned }),
  move('38 2a', '66', 'movntdqa', 'Vo,Wo', 'move16', { ...memory, ...aligned, feature: 'sse4.1' }),
  move('6e', '66', 'movd', 'Vo,Ed', 'move4Clear', { wide: false }),
  move('6e', '66', 'movq', 'Vo,Eq', 'move8Clear', { wide: true }),
  move('7e', '66', 'movd', 'Ed,Vo', 'move4To8', { wide: false }),
  move('7e', '66', 'movq', 'Eq,Vo', 'move8', { wide: true }),
  move('7e', 'f3', 'movq', 'Vo,Wq', 'move8Clear'),
  move('d6', '66', 'movq', 'Wq,Vo', 'move8Clear'),
  move('14', 'none', 'unpcklps', 'Vo,Wo', 'punpckldq', aligned),
  move('15', 'none', 'unpckhps', 'Vo,Wo', 'punpckhdq', aligned),
  move('14', '66', 'unpcklpd', 'Vo,Wo', 'punpcklqdq', aligned),
  move('15', '66', 'unpckhpd', 'Vo,Wo', 'punpckhqdq', aligned),
  move('50', 'none', 'movmskps', 'Gd,Uo', 'movmskps', register),
  move('50', '66', 'movmskpd', 'Gd,Uo', 'movmskpd', register),
];
