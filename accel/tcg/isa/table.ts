import { integerRows } from './integer.js';
import { mmxRows } from './mmx.js';
import { parseShape, type Shape } from './operands.js';
import type { Row } from './row.js';
import { sseFloatRows } from './sse-float.js';
import { sseIntegerRows } from './sse-integer.js';
import { sseMoveRows } from './sse-moves.js';
import { invalidAnywhere, invalidRows, systemRows } from './system.js';
import { x87Rows } from './x87.js';

/** All encodings that the software CPU knows. */
export const rows: readonly Row[] = [
  ...integerRows,
  ...systemRows,
  ...mmxRows,
  ...sseMoveRows,
  ...sseFloatRows,
  ...sseIntegerRows,
  ...x87Rows,
  ...invalidRows,
  ...invalidAnywhere,
];

/** A row as the decoder finds it. */
export interface Encoding {
  readonly row: Row;
  readonly shape: Shape;
  /** 0 one byte, 1 0F, 2 0F 38, 3 0F 3A. */
  readonly map: number;
  readonly opcode: number;
  /** ModRM.reg, where it selects. */
  readonly reg: number | undefined;
}

const maps: Readonly<Record<string, number>> = { '': 0, '0f': 1, '0f 38': 2, '0f 3a': 3 };

export function encodings(row: Row): Encoding[] {
  const match = /^((?:0f )?(?:38 |3a )?)([0-9a-f]{2})(\+r)?(?: \/(\d))?$/.exec(row.opcode);
  const map = maps[(match?.[1] ?? 'bad').trim()];
  if (match === null || map === undefined) throw new Error(`opcode '${row.opcode}' of ${row.name}`);
  const first = Number.parseInt(match[2] ?? '', 16);
  const reg = match[4] === undefined ? undefined : Number(match[4]);
  const shape = parseShape(row);
  return Array.from({ length: match[3] === undefined ? 1 : 8 }, (_, i) => ({
    row,
    shape,
    map,
    opcode: first + i,
    reg,
  }));
}

/** What selects among the encodings of an opcode, in the order in which the decoder asks; each with its number of answers. */
export const selectors = [
  {
    name: 'mode',
    count: 2,
    of: ({ row }: Encoding) => (row.mode === undefined ? undefined : row.mode === '64' ? 0 : 1),
  },
  {
    name: 'prefix',
    count: 4,
    of: ({ row }: Encoding) => (row.prefix === undefined ? undefined : ['none', '66', 'f3', 'f2'].indexOf(row.prefix)),
  },
  { name: 'reg', count: 8, of: ({ reg }: Encoding) => reg },
  { name: 'mod', count: 2, of: ({ row }: Encoding) => (row.mod === undefined ? undefined : row.mod === 'mem' ? 0 : 1) },
  { name: 'rm', count: 8, of: ({ row }: Encoding) => row.rm },
  { name: 'wide', count: 2, of: ({ row }: Encoding) => (row.wide === undefined ? undefined : Number(row.wide)) },
] as const;

/** A node of the decision tree of one opcode: nothing, an encoding, or the answers of a selector. */
export type Node = undefined | Encoding | { readonly selector: number; readonly answers: readonly Node[] };

function decide(candidates: readonly Encoding[], from: number): Node {
  const selector = selectors[from];
  if (selector === undefined) {
    const given = ({ row }: Encoding) =>
      [row.mode, row.prefix, row.mod, row.rm, row.wide].filter((field) => field !== undefined).length;
    const [first, second] = [...candidates].sort((a, b) => given(b) - given(a));
    if (first !== undefined && second !== undefined && given(first) === given(second)) {
      throw new Error(`both ${first.row.name} and ${second.row.name} are ${first.row.opcode}`);
    }
    return first;
  }
  if (candidates.every((encoding) => selector.of(encoding) === undefined)) return decide(candidates, from + 1);
  const answers = Array.from({ length: selector.count }, (_, answer) =>
    decide(
      candidates.filter((encoding) => (selector.of(encoding) ?? answer) === answer),
      from + 1,
    ),
  );
  return { selector: from, answers };
}

/** The decision trees of all opcodes: index is 256 * map + opcode. */
export function decisionTrees(all: readonly Row[] = rows): Node[] {
  const known = all.flatMap(encodings);
  return Array.from({ length: 4 * 256 }, (_, at) => {
    const found = known.filter(({ map, opcode }) => map * 256 + opcode === at);
    return found.length === 0 ? undefined : decide(found, 0);
  });
}
