import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { disassemble } from '../../accel/tcg/isa/disassemble.js';
import type { Row } from '../../accel/tcg/isa/row.js';
import { encodings, rows } from '../../accel/tcg/isa/table.js';
import { Random, testCase } from '../support/instruction-cases.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('e2e/tcg-disassembler');
/** Bytes from one instruction to the next in the file for objdump. */
const STEP = 32;
const CASES = 12;

/**
 * Where the two are not of one opinion: names that this table does not have (hints, CLFLUSHOPT, CMPcc), encodings in no
 * manual, suffixes of what has no operand size, and names of registers of which only a part counts.
 */
const otherNames = [
  /^(nop|movslq|lret|call_far|jmp_far|lar|lsl|ud[01]|sysexit|sysret|[lms]fence|clflush|wbinvd|xsave|xrstor|xsaveopt|pause|fwait|ins|outs)$/,
  /^(pinsrw|pextrw|pextrb|pinsrb|pmovmskb|movmskp[sd]|cmp[ps][sd]|pcmpestr[im]|crc32|fnstenv|fldenv|fnsave|frstor)$/,
];
const undocumented = /^(d[cdf] \/[123]|de \/2|db \/4|82 .*)$/;

function comparable(row: Row): boolean {
  if (row.mode === 'legacy' || /_segment$/.test(row.fn ?? '') || row.name === 'invalid' || row.feature === 'smap')
    return false;
  if (row.unit === 'x87' && row.mod === 'reg' && undocumented.test(row.opcode)) return false;
  return !otherNames.some((names) => names.test(row.name)) && !/^db \/4$/.test(row.opcode);
}

/** Without prefixes that have no effect, comments, and the mark of the longer of two encodings. */
const plain = (text: string): string =>
  text
    .replace(/\s*#.*/, '')
    .replace(/\b(data16|rex(\.[WRXB]+)?|ds|cs|ss|es) /g, '')
    .replace(/^(\w+)\.s /, '$1 ')
    .replace(/^(loop\w*)q /, '$1 ')
    .replace(/, /g, ',')
    .replace(/\s+/g, ' ')
    .trim();

test('instructions of every row are shown as objdump shows them', () => {
  if (spawnSync('objdump', ['--version']).status !== 0) {
    console.log('SKIP objdump is not installed');
    return;
  }
  const random = new Random(6);
  const cases = rows
    .filter(comparable)
    .flatMap((row) => encodings(row).slice(0, 2))
    .flatMap((encoding) => Array.from({ length: CASES }, () => ({ ...encoding, code: testCase(encoding, random) })))
    // The width of branches with 66 differs among makers of CPUs.
    .filter(({ row, shape, code }) => !(code[0] === 0x66 && (shape.size === 'branch' || row.name === 'ret')));
  const file = Buffer.alloc(cases.length * STEP, 0x90);
  for (const [i, { code }] of cases.entries()) code.copy(file, i * STEP, 0, 16);
  const path = join(scratchDir(), 'code');
  writeFileSync(path, file);
  const output = execFileSync('objdump', ['-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'suffix', '-w', path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 120_000,
  });
  const theirs = new Map<number, { length: number; text: string }>();
  for (const [, at = '', bytes = '', text = ''] of output.matchAll(/^ *([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$/gm)) {
    theirs.set(Number.parseInt(at, 16), { length: bytes.trim().split(' ').length, text });
  }
  const differences = cases.flatMap(({ row, code }, i) => {
    const ours = disassemble(code.subarray(0, 15), BigInt(i * STEP), 64);
    const their = theirs.get(i * STEP);
    const same = their?.length === ours.length && plain(their.text) === plain(ours.text);
    return same ? [] : [`${row.opcode} ${code.toString('hex', 0, ours.length)}: '${their?.text}', here '${ours.text}'`];
  });
  assert.ok(cases.length > 5000);
  assert.equal(differences.slice(0, 20), []);
});

test.run();
