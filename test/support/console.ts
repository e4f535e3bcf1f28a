import * as assert from 'uvu/assert';

/** The lines that the double's console makes (test/e2e/double/console.c). */
export function consoleLines(count: number): string {
  const line = (_: unknown, i: number) => `console line ${String(i).padStart(8, '0')} of the enclave\r\n`;
  return Array.from({ length: count }, line).join('');
}

/** Compares long texts; a difference is shown where it begins. */
export function sameText(actual: string, expected: string): void {
  let at = 0;
  while (at < expected.length && actual[at] === expected[at]) at++;
  const around = (text: string) => ({ length: text.length, at, text: text.slice(Math.max(0, at - 50), at + 50) });
  if (actual !== expected) assert.equal(around(actual), around(expected));
}
