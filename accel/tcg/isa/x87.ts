import type { Row } from './row.js';

/** Arithmetic by ModRM.reg. What writes another register than ST(0) has the reversed names (SDM volume 2, "FSUBR"). */
const arithmetic: readonly (readonly [reg: number, name: string, toOther: string])[] = [
  [0, 'fadd', 'fadd'],
  [1, 'fmul', 'fmul'],
  [4, 'fsub', 'fsubr'],
  [5, 'fsubr', 'fsub'],
  [6, 'fdiv', 'fdivr'],
  [7, 'fdivr', 'fdiv'],
];

function memory(opcode: string, name: string, operands: string, fn: string, more: Partial<Row> = {}): Row {
  return { opcode, name, operands, mod: 'mem', reads: true, call: 'fp', fn, unit: 'x87', feature: 'fpu', ...more };
}

/** A store; the function answers whether its result goes to memory. */
function store(opcode: string, name: string, operands: string, fn: string, more: Partial<Row> = {}): Row {
  return { opcode, name, operands, mod: 'mem', writes: true, call: 'fp', fn, unit: 'x87', feature: 'fpu', ...more };
}

/** With ST(i) by ModRM.rm. */
function register(opcode: string, name: string, fn: string, more: Partial<Row> = {}): Row {
  return { opcode, name, operands: 'T', mod: 'reg', reads: true, call: 'fp', fn, unit: 'x87', feature: 'fpu', ...more };
}

/** Without operands: one value of ModRM. */
function alone(opcode: string, rm: number, name: string, more: Partial<Row> = {}): Row {
  return { opcode, name, mod: 'reg', rm, call: 'fp', unit: 'x87', feature: 'fpu', ...more };
}

const memoryTypes: readonly (readonly [opcode: string, operands: string, type: string, integer: boolean])[] = [
  ['d8', 'Md', 'Single', false],
  ['da', 'Md', 'Integer32', true],
  ['dc', 'Mq', 'Double', false],
  ['de', 'Mw', 'Integer16', true],
];

const control = { unit: 'x87_control' } as const;
const nowait = { unit: 'x87_nowait' } as const;

export const x87Rows: readonly Row[] = [
  ...memoryTypes.flatMap(([opcode, operands, type, integer]) => [
    ...arithmetic.map(([reg, name]) =>
      memory(`${opcode} /${reg}`, integer ? name.replace('f', 'fi') : name, operands, `arithmetic${type}`, {
        arg: reg,
      }),
    ),
    ...[0, 1].map((pops) => {
      const name = `f${integer ? 'i' : ''}com${pops ? 'p' : ''}`;
      return memory(`${opcode} /${2 + pops}`, name, operands, integer ? `ficom${type.slice(-2)}` : `fcom${type}`, {
        arg: pops,
      });
    }),
  ]),
  ...arithmetic.flatMap(([reg, name, toOther]) => [
    register(`d8 /${reg}`, name, 'arithmetic', { arg: reg }),
    register(`dc /${reg}`, toOther, 'arithmeticTo', { arg: reg }),
    register(`de /${reg}`, `${toOther}p`, 'arithmeticPop', { arg: reg }),
  ]),
  register('d8 /2', 'fcom', 'fcom', { arg: 0 }),
  register('d8 /3', 'fcomp', 'fcom', { arg: 1 }),
  register('dd /4', 'fucom', 'fucom', { arg: 0 }),
  register('dd /5', 'fucomp', 'fucom', { arg: 1 }),
  alone('de /3', 1, 'fcompp', { fn: 'fcompp' }),
  alone('da /5', 1, 'fucompp', { fn: 'fucompp' }),
  register('db /6', 'fcomi', 'fcomi', { arg: 0 }),
  register('df /6', 'fcomip', 'fcomi', { arg: 1 }),
  register('db /5', 'fucomi', 'fucomi', { arg: 0 }),
  register('df /5', 'fucomip', 'fucomi', { arg: 1 }),
  ...['b', 'e', 'be', 'u'].flatMap((code, i) => [
    register(`da /${i}`, `fcmov${code}`, 'fcmov', { arg: [2, 4, 6, 10][i] ?? 0, feature: 'cmov' }),
    register(`db /${i}`, `fcmovn${code}`, 'fcmov', { arg: [3, 5, 7, 11][i] ?? 0, feature: 'cmov' }),
  ]),

  memory('d9 /0', 'fld', 'Md', 'fldSingle'),
  memory('dd /0', 'fld', 'Mq', 'fldDouble'),
  memory('db /5', 'fld', 'Mt', 'fldExtended'),
  memory('df /0', 'fild', 'Mw', 'fild16'),
  memory('db /0', 'fild', 'Md', 'fild32'),
  memory('df /5', 'fild', 'Mq', 'fild64'),
  memory('df /4', 'fbld', 'Mt', 'fbld'),
  register('d9 /0', 'fld', 'fld'),
  store('d9 /2', 'fst', 'Md', 'fstSingle', { arg: 0 }),
  store('d9 /3', 'fstp', 'Md', 'fstSingle', { arg: 1 }),
  store('dd /2', 'fst', 'Mq', 'fstDouble', { arg: 0 }),
  store('dd /3', 'fstp', 'Mq', 'fstDouble', { arg: 1 }),
  store('db /7', 'fstp', 'Mt', 'fstpExtended'),
  store('df /2', 'fist', 'Mw', 'fist16', { arg: 0 }),
  store('df /3', 'fistp', 'Mw', 'fist16', { arg: 1 }),
  store('db /2', 'fist', 'Md', 'fist32', { arg: 0 }),
  store('db /3', 'fistp', 'Md', 'fist32', { arg: 1 }),
  store('df /7', 'fistp', 'Mq', 'fistp64'),
  store('df /1', 'fisttp', 'Mw', 'fisttp16', { feature: 'pni' }),
  store('db /1', 'fisttp', 'Md', 'fisttp32', { feature: 'pni' }),
  store('dd /1', 'fisttp', 'Mq', 'fisttp64', { feature: 'pni' }),
  store('df /6', 'fbstp', 'Mt', 'fbstp'),
  register('dd /2', 'fst', 'fst', { arg: 0 }),
  register('dd /3', 'fstp', 'fst', { arg: 1 }),
  register('d9 /1', 'fxch', 'fxch'),
  register('dd /0', 'ffree', 'ffree'),
  register('df /0', 'ffreep', 'ffreep'),
  // Encodings that mean the same as others; in no manual of today.
  register('dc /2', 'fcom', 'fcom', { arg: 0 }),
  register('dc /3', 'fcomp', 'fcom', { arg: 1 }),
  register('de /2', 'fcomp', 'fcom', { arg: 1 }),
  register('dd /1', 'fxch', 'fxch'),
  register('df /1', 'fxch', 'fxch'),
  register('df /2', 'fstp', 'fst', { arg: 1 }),
  register('df /3', 'fstp', 'fst', { arg: 1 }),
  ...['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'].map((name, rm) => alone('d9 /5', rm, name)),

  alone('d9 /2', 0, 'fnop'),
  alone('d9 /4', 0, 'fchs'),
  alone('d9 /4', 1, 'fabs'),
  alone('d9 /4', 4, 'ftst'),
  alone('d9 /4', 5, 'fxam'),
  ...['f2xm1', 'fyl2x', 'fptan', 'fpatan', 'fxtract', 'fprem1', 'fdecstp', 'fincstp'].map((name, rm) =>
    alone('d9 /6', rm, name),
  ),
  ...['fprem', 'fyl2xp1', 'fsqrt', 'fsincos', 'frndint', 'fscale', 'fsin', 'fcos'].map((name, rm) =>
    alone('d9 /7', rm, name),
  ),

  alone('db /4', 2, 'fnclex', nowait),
  alone('db /4', 3, 'fninit', nowait),
  // Instructions of the 8087 and 80287 that do nothing any more.
  ...[0, 1, 4].map((rm) => alone('db /4', rm, 'fnop', nowait)),
  memory('d9 /5', 'fldcw', 'Mw', 'fldcw', control),
  {
    opcode: 'd9 /7',
    name: 'fnstcw',
    operands: 'Mw',
    mod: 'mem',
    writes: true,
    call: 'fp',
    fn: 'fnstcw',
    feature: 'fpu',
    ...nowait,
  },
  {
    opcode: 'dd /7',
    name: 'fnstsw',
    operands: 'Mw',
    mod: 'mem',
    writes: true,
    call: 'fp',
    fn: 'fnstsw',
    feature: 'fpu',
    ...nowait,
  },
  { opcode: 'df /4', name: 'fnstsw', mod: 'reg', rm: 0, call: 'fp', fn: 'fnstswAx', feature: 'fpu', ...nowait },
  ...(
    [
      ['d9 /6', 'fnstenv', nowait],
      ['d9 /4', 'fldenv', control],
      ['dd /6', 'fnsave', nowait],
      ['dd /4', 'frstor', control],
    ] as const
  ).map(
    ([opcode, name, unit]): Row => ({
      opcode,
      name,
      operands: 'Mv',
      mod: 'mem',
      call: 'cold',
      feature: 'fpu',
      ...unit,
    }),
  ),
];
