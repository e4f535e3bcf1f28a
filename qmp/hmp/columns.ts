/** East Asian wide and fullwidth characters and the emoji blocks, first and last code point (Unicode 15, UAX 11). */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

/** Columns of a terminal that some code points take: combining and format characters none, wide ones two. */
export function columnsOf(characters: readonly string[]): number {
  let columns = 0;
  for (const character of characters) {
    const codePoint = character.codePointAt(0) ?? 0;
    if (codePoint < 0x300) columns += 1;
    else if (/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) columns += 0;
    else columns += wide.some(([first, last]) => codePoint >= first && codePoint <= last) ? 2 : 1;
  }
  return columns;
}
