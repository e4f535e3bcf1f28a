import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Encoding } from '../../accel/tcg/isa/table.js';
import { exactEncodings, fpuCase, imageCase, imageEncodings, titleOf } from './fpu-cases.js';
import { outcome } from './fpu-compare.js';
import { Random } from './instruction-cases.js';

const file = new URL('../../../test/accel/tcg/fpu-vectors.json', import.meta.url);

/** Recorded states of each encoding. */
export const RECORDED = 48;

/** What this host's CPU made of the first `RECORDED` cases of each encoding, by `titleOf`. */
export function recordedDigests(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(file, 'utf8'));
}

export function record(digests: Readonly<Record<string, string>>): void {
  writeFileSync(file, `${JSON.stringify(digests, undefined, 0).replaceAll('","', '",\n"')}\n`);
}

/** The encodings that agree with the host's CPU in every bit. */
export const vectorEncodings: readonly Encoding[] = [...exactEncodings, ...imageEncodings];

/** The first cases of an encoding, always the same. */
export function casesOf(encoding: Encoding, count: number): Buffer[] {
  const random = new Random(createHash('sha256').update(titleOf(encoding)).digest().readUInt32LE());
  const make = imageEncodings.includes(encoding) ? imageCase : fpuCase;
  return Array.from({ length: count }, () => make(encoding, random));
}

/** 64 bits that tell outcomes apart. */
export function digest(encoding: Encoding, results: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const result of results) hash.update([...outcome(encoding, result)].join(' '));
  return hash.digest('hex').slice(0, 16);
}
