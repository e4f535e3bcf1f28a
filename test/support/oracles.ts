import { readdirSync, readFileSync } from 'node:fs';
import type { Row } from '../../accel/tcg/isa/row.js';
import { approximateEncodings, transcendentalEncodings } from './fpu-cases.js';
import { RECORDED, vectorEncodings } from './fpu-vectors.js';

/** What the results of an encoding are compared with, by what docs/software-cpu.md calls it. */
export const oracles = {
  host: `test/e2e/tcg-fpu.test.ts: every bit as on the host's CPU, many random states an encoding; ${RECORDED} recorded ones in the unit tests`,
  'host, 1 ulp': 'the same test; results may differ by one unit in the last place',
  'host, approximate': "the same test; within the bounds of Intel's manual",
  none: 'nothing, form by form; many of these run whenever the tests boot Linux, some never do',
} as const;
export type Oracle = keyof typeof oracles;

const has = (encodings: readonly { readonly row: Row }[]) => {
  const rows = new Set(encodings.map(({ row }) => row));
  return (row: Row) => rows.has(row);
};
const [exact, near, rough] = [vectorEncodings, transcendentalEncodings, approximateEncodings].map(has);

export function oracleOf(row: Row): Oracle {
  if (exact?.(row)) return 'host';
  if (near?.(row)) return 'host, 1 ulp';
  return rough?.(row) ? 'host, approximate' : 'none';
}

/** Handlers of the core that do nothing but stop the machine. */
function stoppingHandlers(): Set<string> {
  const core = new URL('../../../accel/tcg/core/', import.meta.url);
  const sources = readdirSync(core).filter((name) => name.endsWith('.ts'));
  const texts = sources.map((name) => readFileSync(new URL(name, core), 'utf8'));
  return new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/function op_(\w+)\(rec: usize\): void \{\s+unsupported\(rec\);\s+\}/g)].map(
        ([, name = '']) => name,
      ),
    ),
  );
}

const stopping = stoppingHandlers();

/** Whether an encoding is known but stops the machine. */
export function isNotEmulated({ name, fn, call }: Row): boolean {
  return call === undefined && stopping.has(fn ?? name);
}
