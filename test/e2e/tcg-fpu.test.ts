import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Encoding } from '../../accel/tcg/isa/table.js';
import { CoreCpu, runNative } from '../support/compare-cpus.js';
import { approximateEncodings, titleOf, transcendentalEncodings } from '../support/fpu-cases.js';
import { differences, nearDifferences, outcome } from '../support/fpu-compare.js';
import { casesOf, digest, RECORDED, record, recordedDigests, vectorEncodings } from '../support/fpu-vectors.js';

// The software CPU's SSE, MMX and x87 against this host's CPU. RECORD=1 writes the vectors of the unit test anew.
const STATES = 2000;

const test = suite('tcg: floating point and SIMD against the host');

function skipReason(): string | undefined {
  if (process.arch !== 'x64') return 'this host is not x86-64';
  return spawnSync('gcc', ['--version']).error === undefined ? undefined : 'gcc is not installed';
}

const skip = skipReason();
const dir = mkdtempSync(join(tmpdir(), 'tcg-fpu-'));
const program = join(dir, 'native-cpu');
const core = new CoreCpu();

test.before(() => {
  if (skip === undefined) execFileSync('gcc', ['-O1', '-o', program, 'test/support/native-cpu.c']);
});
test.after(() => rmSync(dir, { recursive: true }));

type Compare = (native: Map<string, string>, here: Map<string, string>) => string[];

/** Runs cases on both CPUs. @returns the host's results, and the first difference in words */
function compare(encoding: Encoding, compareOutcomes: Compare): { native: Buffer[]; failure: string | undefined } {
  const cases = casesOf(encoding, STATES);
  const native = runNative(program, cases);
  for (const [i, one] of cases.entries()) {
    const result = native[i];
    if (result === undefined) throw new Error('a result is missing');
    const found = compareOutcomes(outcome(encoding, result), outcome(encoding, core.run(one)));
    if (found.length > 0) {
      return { native, failure: `${titleOf(encoding)}, case ${i}, ${one.toString('hex', 0, 16)}: ${found.join('; ')}` };
    }
  }
  return { native, failure: undefined };
}

test('every encoding gives the results, flags and exceptions of the host in every bit', () => {
  if (skip !== undefined) return console.log(`SKIP ${skip}`);
  const failures: string[] = [];
  const digests: Record<string, string> = {};
  for (const encoding of vectorEncodings) {
    const { native, failure } = compare(encoding, differences);
    if (failure !== undefined) failures.push(failure);
    digests[titleOf(encoding)] = digest(encoding, native.slice(0, RECORDED));
  }
  assert.equal(failures, []);
  if (process.env.RECORD === '1') record(digests);
  assert.equal(
    digests,
    recordedDigests(),
    'vectors recorded on another CPU or for other cases: RECORD=1 writes them anew',
  );
});

test('transcendental functions are within one unit in the last place of the host', () => {
  if (skip !== undefined) return console.log(`SKIP ${skip}`);
  const failures = transcendentalEncodings.map((encoding) => compare(encoding, nearDifferences).failure);
  assert.equal(
    failures.filter((failure) => failure !== undefined),
    [],
  );
});

test('approximate reciprocals are as exact as the manual promises and have the special cases of the host', () => {
  if (skip !== undefined) return console.log(`SKIP ${skip}`);
  const failures = approximateEncodings.map((encoding) => compare(encoding, approximately).failure);
  assert.equal(
    failures.filter((failure) => failure !== undefined),
    [],
  );
});

/** Twice the bound of the SDM: the host's result has an error of its own. */
const TOLERANCE = 2 * 1.5 * 2 ** -12;

/** Lanes of XMM registers may differ by the tolerance. */
function approximately(native: Map<string, string>, here: Map<string, string>): string[] {
  return differences(native, here).filter((difference) => {
    const name = difference.split(':')[0] ?? '';
    if (!name.startsWith('xmm')) return true;
    const [a, b] = [native, here].map((parts) => lanes(parts.get(name) ?? ''));
    return a?.some((x, i) => !near(x, b?.[i] ?? Number.NaN)) ?? true;
  });
}

function lanes(hex: string): Float32Array {
  return new Float32Array(new Uint32Array(hex.match(/.{8}/g)?.map((word) => Number.parseInt(word, 16)) ?? []).buffer);
}

/** The smallest normal number and zero are near: the host flushes some results. */
function near(a: number, b: number): boolean {
  if (Object.is(a, b) || a === b) return true;
  return Math.abs(a - b) <= TOLERANCE * Math.abs(a) || Math.max(Math.abs(a), Math.abs(b)) <= 2 ** -125;
}

test.run();
