import { next } from './fragments.js';
import { TAKEN } from './hot.js';
import { conditions } from './row.js';

/** What an instruction does to the arithmetic flags: bits of the decoder's table FLAG_USE. */
export const flagUse = { sets: 1, reads: 2, safe: 4, jump: 8 } as const;

/** All flags that are defined are new after it. */
const setters = /^(add|or|adc|sbb|and|sub|xor|cmp|test|neg|imul|mul|shl|shr|sar)$/;
/** Some flags stay, or it reads them. */
const readers = /^(adc|sbb|inc|dec|rol|ror|rcl|rcr|bt|bts|btr|btc|j.+|set.+|cmov.+)$/;
const quietable = /^(add|or|adc|sbb|and|sub|xor|neg|imul|shl|shr|sar|rol|ror|inc|dec)$/;
const FLAG_STORE = /store<[iu]64>\(FLAG_(RES|AUX),[^;]*;/g;

/** How a handler relates to the flags. @param kind of operand: 0 a register */
export function useOf(name: string, form: string, kind: number, body: string): number {
  const jump = name.startsWith('j') && form === 'J' && name !== 'jmp';
  const shiftByRegister = form === 'EC';
  // A handler that reaches memory can fault, which shows the flags.
  const safe = !body.includes('tlb') && !body.includes('budget') && (kind === 0 || name === 'lea');
  return (
    (setters.test(name) && !shiftByRegister ? flagUse.sets : 0) |
    (readers.test(name) || shiftByRegister ? flagUse.reads : 0) |
    (safe ? flagUse.safe : 0) |
    (jump ? flagUse.jump : 0)
  );
}

/** The handler without what it does to flags, for where nothing reads them; undefined when that is not worth one. */
export function quiet(name: string, form: string, size: number, kind: number, body: string): string | undefined {
  if (!quietable.test(name) || size < 2 || form === 'EC') return undefined;
  // In memory the instruction may change code that follows it and reads flags.
  if (kind !== 0 && !form.startsWith('G')) return undefined;
  return body.replace(FLAG_STORE, '');
}

const signed = (size: number, value: string) =>
  size === 3 ? `<i64>${value}` : size === 2 ? `<i32>${value}` : `<i8>${value}`;

/** Conditions after a - b, by the operands. */
const compared: Readonly<Record<string, (size: number) => string>> = {
  b: () => 'a < b',
  ae: () => 'a >= b',
  e: () => 'a == b',
  ne: () => 'a != b',
  be: () => 'a <= b',
  a: () => 'a > b',
  l: (size) => `${signed(size, 'a')} < ${signed(size, 'b')}`,
  ge: (size) => `${signed(size, 'a')} >= ${signed(size, 'b')}`,
  le: (size) => `${signed(size, 'a')} <= ${signed(size, 'b')}`,
  g: (size) => `${signed(size, 'a')} > ${signed(size, 'b')}`,
};
/** Conditions by a result, for AND and for loop counters. */
const resulted: Readonly<Record<string, (size: number) => string>> = {
  e: () => 'r == 0',
  ne: () => 'r != 0',
  s: (size) => `${signed(size, 'r')} < 0`,
  ns: (size) => `${signed(size, 'r')} >= 0`,
};

/** An instruction together with the conditional jump behind it: the jump's record is the next one. */
export function fuse(
  name: string,
  form: string,
  size: number,
  kind: number,
  body: string,
): ReadonlyMap<number, string> {
  const fused = new Map<number, string>();
  if (size === 1 || kind > 1 || form === 'EC') return fused;
  const texts = name === 'cmp' ? compared : name === 'test' ? resulted : undefined;
  const loop =
    /^(sub|add|and|dec|inc)$/.test(name) && kind === 0 && size >= 2 ? { e: resulted.e, ne: resulted.ne } : {};
  for (const [condition, text] of Object.entries(texts ?? loop)) {
    if (text === undefined || !body.endsWith(next)) continue;
    fused.set(
      (conditions as readonly string[]).indexOf(condition),
      `${body.slice(0, -next.length)} rec += RECORD_SIZE; if (${text(size)}) { const t: usize = load<usize>(rec, LINK); if (t == 0) break; rec = t; ${TAKEN} } ${next}`,
    );
  }
  return fused;
}
