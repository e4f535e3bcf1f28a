/** Sizes as qemu_strtosz reads them, by another way: a rational number, digit by digit. Undefined where it has no opinion. */
export function modelSize(text: string): bigint | 'invalid' | 'range' | undefined {
  const tokens = [...text];
  while (tokens[0] === ' ') tokens.shift();
  const sign = tokens[0] === '-' || tokens[0] === '+' ? tokens.shift() : '';
  const take = (digits: string): string => {
    let taken = '';
    while (tokens[0] !== undefined && digits.includes(tokens[0])) taken += tokens.shift();
    return taken;
  };
  if (tokens[0] === '0' && tokens[1]?.toLowerCase() === 'x') {
    tokens.splice(0, 2);
    const digits = take('0123456789abcdefABCDEF');
    if (digits === '' || tokens.length > 0 || sign === '-') return 'invalid';
    const value = [...digits].reduce((n, digit) => n * 16n + BigInt(Number.parseInt(digit, 16)), 0n);
    return value < 2n ** 64n ? value : 'range';
  }
  let numerator = 0n;
  let denominator = 1n;
  const whole = take('0123456789');
  for (const digit of whole) numerator = numerator * 10n + BigInt(digit);
  const negative = sign === '-';
  if ((negative && whole !== '') || numerator >= 2n ** 64n) return tokens.length > 0 ? 'invalid' : 'range';
  let fraction = '';
  if (tokens[0] === '.') {
    tokens.shift();
    fraction = take('0123456789');
    if (whole === '' && fraction === '') return 'invalid';
    for (const digit of fraction) {
      numerator = numerator * 10n + BigInt(digit);
      denominator *= 10n;
    }
  }
  if (whole === '' && fraction === '') return 'invalid';
  if (negative) return tokens.length > 0 ? 'invalid' : 'range';
  const power = 'BKMGTPE'.indexOf((tokens.shift() ?? 'B').toUpperCase());
  if (power < 0 || tokens.length > 0) return 'invalid';
  if (power === 0 && numerator % denominator !== 0n) return 'invalid';
  // A double holds these fractions well enough that the nearest byte is the same.
  if (fraction.length > 4 || (fraction !== '' && power > 4)) return undefined;
  const twice = 2n * numerator * 1024n ** BigInt(power) + denominator;
  const value = twice / (2n * denominator);
  return value < 2n ** 64n ? value : 'range';
}

/** Pieces that size texts are made of. */
export const sizePieces = [
  ...['0', '1', '9', '18446744073709551615', '18446744073709551616', '17179869184', '0x', 'f', '5', '25', '125', '999'],
  ...['.', '.5', '.0', '-', '+', ' ', 'B', 'k', 'K', 'M', 'g', 'T', 'P', 'E', 'e', 'x', ','],
];
