import { features } from './features.js';
import type { Kind, Size } from './fragments.js';
import { fuse, quiet, useOf } from './fuse.js';
import { hot, hotSpecial } from './hot.js';
import type { Shape } from './operands.js';
import type { Row } from './row.js';
import { decisionTrees, type Encoding, type Node } from './table.js';

/** Records that are no instruction, and ends of decoding; their handlers are in core/decode.ts and core/run.ts. */
export const specials = [
  'stale',
  'link',
  'next_page',
  'cross',
  'poll',
  'unimplemented',
  'invalid',
  'too_long',
  'breakpoint',
] as const;

/** A handler number and what it stands for. */
export interface Handler {
  readonly number: number;
  /** The case of the hot switch. */
  readonly body?: string;
  /** The row that the general handler is of; undefined for specials. */
  readonly row?: Row;
  readonly shape?: Shape;
  readonly special?: string;
  /** Bits of flagUse. */
  readonly use?: number;
  /** The handler that leaves the flags alone. */
  readonly quiet?: number;
  /** Handlers of this one and a conditional jump behind it, by condition code. */
  readonly fused?: ReadonlyMap<number, number>;
}

/** How the decoder makes a record of an encoding. */
export interface Entry {
  readonly encoding: Encoding;
  /** Handler numbers: index is 4 * log2 size + kind. */
  readonly handlers: readonly number[];
  /** The handler that does all. */
  readonly general: number;
}

/** All handlers and decoder entries, numbered; the same table gives the same numbers. */
export interface Numbering {
  readonly handlers: readonly Handler[];
  /** Handlers below are cases of the hot switch. */
  readonly hotCount: number;
  readonly trees: readonly Node[];
  readonly entries: ReadonlyMap<Encoding, Entry>;
}

const jump = (row: Row) => row.operands?.startsWith('J') ?? false;

/** The name under which a row's template is registered, or undefined for rows that have none. */
function templateKey(row: Row, shape: Shape): string | undefined {
  if (
    row.call !== undefined ||
    shape.operands.some(({ registers, fixed }) => registers !== 'general' && fixed === undefined)
  )
    return undefined;
  if (!shape.operands.every(({ registers }) => registers === 'general')) return undefined;
  const width = /^movzx|^movs(x|lq)$/.test(row.name) ? (shape.operands[1]?.text[1] ?? '') : '';
  return `${row.name} ${shape.form}${width}`;
}

function encodingsOf(node: Node): Encoding[] {
  if (node === undefined) return [];
  return 'row' in node ? [node] : node.answers.flatMap(encodingsOf);
}

/** Size and kind pairs that an encoding can have a template for. */
function variants(shape: Shape): [Size, Kind][] {
  const sizes: readonly Size[] = {
    b: [0],
    w: [1],
    d: [2],
    q: [3],
    v: [1, 2, 3],
    y: [2, 3],
    z: [1, 2],
    stack: [1, 3],
    branch: [3],
  }[shape.size] as Size[];
  const isE = shape.operands.find(({ place }) => place === 'E');
  const memory = shape.modrm && isE !== undefined && !isE.registerOnly;
  return sizes.flatMap((size) => (memory ? [0, 1, 2, 3] : [0]).map((kind): [Size, Kind] => [size, kind as Kind]));
}

/** The general handler of a row: rows that do the same share it. */
function generalKey(row: Row, shape: Shape): string {
  if (row.feature !== undefined && !features.includes(row.feature)) return 'special invalid';
  if (row.call === 'fp') return `fp ${row.opcode} ${row.prefix} ${row.mod} ${row.rm} ${row.wide} ${shape.form}`;
  return row.call === 'cold' ? `record ${row.fn ?? row.name}` : `own ${row.fn ?? row.name}`;
}

export function numberHandlers(): Numbering {
  const trees = decisionTrees();
  const encodings = [...new Set(trees.flatMap(encodingsOf))];
  const hotHandlers = new Map<string, Handler>();
  const cold = new Map<string, Omit<Handler, 'number'>>();
  const planned = new Map<Encoding, { hot: (string | undefined)[]; general: string }>();
  let number = 0;

  const addHot = (id: string, body: string, { row, shape }: Encoding, size: Size, kind: Kind) => {
    const own = number++;
    const { name } = row;
    const { form } = shape;
    const variant = (suffix: string, text: string) => {
      const handler = { number: number++, body: text, row, shape };
      hotHandlers.set(`${id} ${suffix}`, handler);
      return handler.number;
    };
    const silent = quiet(name, form, size, kind, body);
    const fused = [...fuse(name, form, size, kind, body)].map(
      ([code, text]) => [code, variant(`+${code}`, text)] as const,
    );
    hotHandlers.set(id, {
      number: own,
      body,
      row,
      shape,
      use: useOf(name, form, kind, body),
      ...(silent === undefined ? {} : { quiet: variant('quiet', silent) }),
      ...(fused.length === 0 ? {} : { fused: new Map(fused) }),
    });
  };
  for (const [name, body] of Object.entries(hotSpecial)) {
    hotHandlers.set(`special ${name}`, { number: number++, body, special: name });
  }
  for (const name of specials) if (!hotHandlers.has(`special ${name}`)) cold.set(`special ${name}`, { special: name });
  for (const encoding of encodings) {
    const { row, shape } = encoding;
    const general = generalKey(row, shape);
    if (!cold.has(general)) cold.set(general, { row, shape });
    const key = templateKey(row, shape);
    const template = key === undefined || general.startsWith('special') ? undefined : hot[key];
    const names: (string | undefined)[] = Array.from({ length: 16 }, () => undefined);
    if (template !== undefined) {
      for (const [size, kind] of variants(shape)) {
        const id = `${key} ${size} ${kind}`;
        const body = hotHandlers.get(id)?.body ?? template(size, kind);
        if (body === undefined) continue;
        if (!hotHandlers.has(id)) addHot(id, body, encoding, size, kind);
        names[4 * size + kind] = id;
      }
    }
    planned.set(encoding, { hot: names, general });
  }
  const hotCount = number;
  const coldHandlers = new Map(
    [...cold].map(([key, handler]): [string, Handler] => [key, { number: number++, ...handler }]),
  );
  const entries = new Map<Encoding, Entry>();
  for (const [encoding, { hot: names, general }] of planned) {
    const all = coldHandlers.get(general) ?? hotHandlers.get(general);
    if (all === undefined) throw new Error(general);
    const of = (name: string | undefined) => (name === undefined ? undefined : hotHandlers.get(name)?.number);
    const handlers = names.map((name, index) => {
      const kind = index % 4;
      // Shapes without a handler of their own take the one that finds any address.
      return of(name) ?? (kind === 1 || kind === 2 ? of(names[index - kind + 3]) : undefined) ?? all.number;
    });
    entries.set(encoding, { encoding, handlers, general: all.number });
  }
  return { handlers: [...hotHandlers.values(), ...coldHandlers.values()], hotCount, trees, entries };
}

/** Whether an encoding's hot handlers are of the 64-bit mode only: what touches the stack or jumps. */
export const modeBound = ({ row, shape }: Encoding) => shape.size === 'stack' || shape.size === 'branch' || jump(row);
