import { flagUse } from './fuse.js';
import { type Entry, type Handler, modeBound, type Numbering, numberHandlers } from './handlers.js';
import { immediateKinds, type Operand, registerClasses, type Shape, sizeKinds } from './operands.js';
import type { Row } from './row.js';
import { type Encoding, type Node, selectors } from './table.js';

/** Forms of operands that general handlers know; the number is the index. */
const forms = [
  '',
  'EG',
  'GE',
  'EI',
  'GEI',
  'E',
  'G',
  'EC',
  'EGI',
  'EGC',
  'I',
  'J',
  'EO',
  'A',
  'II',
  'GI',
  'EGG',
  'C',
  'GEC',
  'GEG',
  'GEE',
];

const ENTRY_SIZE = 48;
const LEAF_BITS = 12;

/** The AssemblyScript files made of the instruction table, by name. */
export function generate(): Record<string, string> {
  const numbering = numberHandlers();
  return {
    'tables.ts': tables(numbering),
    'hot.ts': hotSwitch(numbering),
    'general.ts': generalSwitch(numbering),
  };
}

function tables({ trees, entries, handlers, hotCount }: Numbering): string {
  const nodes: number[] = [];
  const leaves: Entry[] = [];
  const leafOf = new Map<string, number>();
  const cell = (node: Node): number => {
    if (node === undefined) return 0;
    if ('row' in node) {
      const entry = entries.get(node);
      if (entry === undefined) throw new Error(node.row.name);
      const key = entryBytes(entry).join();
      const known = leafOf.get(key);
      if (known !== undefined) return known;
      leaves.push(entry);
      leafOf.set(key, leaves.length);
      return leaves.length;
    }
    const at = nodes.length;
    nodes.push(...node.answers.map(() => 0));
    for (const [i, answer] of node.answers.entries()) nodes[at + i] = cell(answer);
    return ((node.selector + 1) << LEAF_BITS) | at;
  };
  const cells = trees.map(cell);
  if (nodes.length >= 1 << LEAF_BITS || leaves.length >= 1 << LEAF_BITS)
    throw new Error('the decoder tables need wider cells');
  const special = (name: string) => handlers.find((handler) => handler.special === name)?.number ?? -1;
  return `${[
    `export const CELLS: usize = memory.data<u16>([${cells.join()}]);`,
    `export const NODES: usize = memory.data<u16>([${nodes.join() || '0'}]);`,
    `export const ENTRIES: usize = memory.data<u8>([${[...new Array<number>(ENTRY_SIZE).fill(0), ...leaves.flatMap(entryBytes)].join()}]);`,
    `export const ENTRY_SIZE: u32 = ${ENTRY_SIZE};`,
    `export const LEAF_BITS: u32 = ${LEAF_BITS};`,
    `export const HOT_COUNT: u32 = ${hotCount};`,
    ...flagTables(handlers, hotCount),
    ...forms.map((form, i) => `export const FORM_${form || 'NONE'}: u32 = ${i};`),
    ...selectors.map(({ name }, i) => `export const SELECT_${name.toUpperCase()}: u32 = ${i + 1};`),
    ...Object.entries(immediateKinds).map(([name, i]) => `export const IMM_${name.toUpperCase()}: u32 = ${i};`),
    ...Object.entries(sizeKinds).map(([name, i]) => `export const SIZE_${name.toUpperCase()}: u32 = ${i};`),
    ...Object.entries(registerClasses).map(([name, i]) => `export const CLASS_${name.toUpperCase()}: u32 = ${i};`),
    ...['stale', 'link', 'next_page', 'cross', 'poll', 'unimplemented', 'invalid', 'too_long', 'breakpoint'].map(
      (name) => `export const OP_${name.toUpperCase()}: u32 = ${special(name)};`,
    ),
  ].join('\n')}\n`;
}

/** What the decoder knows of hot handlers: their use of flags, their silent forms, and those joined with a jump. */
function flagTables(handlers: readonly Handler[], hotCount: number): string[] {
  const by = new Map(handlers.map((handler) => [handler.number, handler]));
  const hot = Array.from({ length: hotCount }, (_, number) => by.get(number));
  const fusable = hot.filter((handler) => handler?.fused !== undefined);
  const joined = fusable.flatMap((handler) => Array.from({ length: 16 }, (_, code) => handler?.fused?.get(code) ?? 0));
  return [
    `export const FLAG_USE: usize = memory.data<u8>([${hot.map((handler) => handler?.use ?? flagUse.reads).join()}]);`,
    `export const QUIET: usize = memory.data<u16>([${hot.map((handler) => handler?.quiet ?? 0).join()}]);`,
    `export const FUSE_ROW: usize = memory.data<u8>([${hot.map((handler) => fusable.indexOf(handler) + 1).join()}]);`,
    `export const FUSED: usize = memory.data<u16>([${[...new Array<number>(16).fill(0), ...joined].join()}]);`,
    ...Object.entries(flagUse).map(([name, bit]) => `export const FLAGS_${name.toUpperCase()}: u32 = ${bit};`),
  ];
}

/** The fields are named in core/decode.ts. */
function entryBytes({ encoding, handlers, general }: Entry): number[] {
  const { row, shape } = encoding;
  const place = (wanted: string) => shape.operands.find((operand) => operand.place === wanted);
  const [e, g] = [place('E'), place('G')];
  const form = forms.indexOf(shape.form);
  if (form < 0) throw new Error(`form ${shape.form} of ${row.name}`);
  const classOf = (operand: Operand | undefined) => (operand === undefined ? 0 : registerClasses[operand.registers]);
  const isByte = (operand: Operand | undefined) => (operand?.registers === 'general' && operand.bytes === 1 ? 1 : 0);
  const flags =
    (shape.modrm ? 1 : 0) |
    (e?.inOpcode ? 2 : 0) |
    (row.lock ? 4 : 0) |
    (row.ends ? 8 : 0) |
    (modeBound(encoding) ? 16 : 0) |
    (row.name === 'lea' ? 32 : 0) |
    (e?.registerOnly ? 64 : 0) |
    (e?.memoryOnly ? 128 : 0);
  const u16 = (value: number) => [value & 255, value >> 8];
  return [
    ...[immediateKinds[shape.immediate], sizeKinds[shape.size], classOf(g), classOf(e), flags, form],
    ...u16(general),
    ...[g?.fixed ?? 255, e?.fixed ?? 255, isByte(g), isByte(e)],
    ...[0, 0, 0, 0],
    ...handlers.flatMap(u16),
  ];
}

/**
 * All handlers use the same few variables: with each one's own, run() has over a thousand, and V8's baseline compiler
 * carries all of them around the loop for every instruction (measured: 200 ns each, and 1.6 s for the optimizing one).
 */
function shareVariables(bodies: readonly string[]): { bodies: string[]; declarations: string[] } {
  const declared = new Map<string, string>();
  const shared = bodies.map((body) => {
    let text = body;
    for (const [, name = '', type = ''] of body.matchAll(/const (\w+): (\w+) =/g)) {
      const variable = `${name}_${type}`;
      declared.set(variable, type);
      text = text
        .replaceAll(`const ${name}: ${type} =`, `${variable} =`)
        .replaceAll(new RegExp(`\\b${name}\\b`, 'g'), variable);
    }
    if (/\b(const|let) /.test(text)) throw new Error(`a variable without a type: ${text}`);
    return text;
  });
  return { bodies: shared, declarations: [...declared].map(([name, type]) => `  let ${name}: ${type} = 0;`) };
}

function hotSwitch({ handlers }: Numbering): string {
  const hot = handlers.filter(({ body }) => body !== undefined).sort((a, b) => a.number - b.number);
  const { bodies, declarations } = shareVariables(hot.map(({ body }) => body ?? ''));
  const cases = hot.map(({ number }, i) => `      case ${number}: {\n    ${bodies[i]}\n      }`);
  return `import { PENDING, GPR, SLOT_PAGE, FLAG_RES, FLAG_AUX, EXEC_KEY, TLB, TLB_WRITE, TLB_EXEC, BUDGET } from './state';
import { OP, REG, RM, BASE, INDEX, SCALE, DISP, IMM, LINK, NEXT, RECORD_SIZE } from './record';
import { PAGE_MASK, address } from './memory';
import { multiplyHigh, multiplyHighUnsigned } from './wide';
import { poll, settle } from './settle';
import { general } from './general';

/** Runs the vCPU in state.ts from RIP on. Returns when settle() says so: EXIT tells why. */
export function run(): void {
  let rec: usize = settle(0);
  if (rec == 0) return;
  let tlb: usize = load<usize>(TLB);
  let budget: i32 = load<i32>(BUDGET);
${declarations.join('\n')}
  while (true) {
    switch (<i32>load<u16>(rec, OP)) {
${cases.join('\n')}
    }
    store<i32>(BUDGET, budget);
    general(rec);
    if (load<u32>(PENDING) == 0) {
      rec += RECORD_SIZE;
      budget = load<i32>(BUDGET);
      continue;
    }
    rec = settle(rec);
    if (rec == 0) return;
    tlb = load<usize>(TLB);
    budget = load<i32>(BUDGET);
  }
}
`;
}

function generalSwitch({ handlers }: Numbering): string {
  const groups = new Map<string, number[]>();
  const imports = new Set<string>();
  for (const handler of handlers) {
    const call = callOf(handler);
    const own = /^(op_\w+)\(/.exec(call);
    if (own?.[1] !== undefined) imports.add(own[1]);
    groups.set(call, [...(groups.get(call) ?? []), handler.number]);
  }
  const functions: string[] = [];
  const entries = [...groups].map(([call, numbers]) => {
    const own = /^(op_\w+)\(rec\);$/.exec(call)?.[1];
    const name = own ?? `handler_${numbers[0]}`;
    if (own === undefined) functions.push(`function ${name}(rec: usize): void { ${call} }`);
    return numbers.map((n) => `  store<u32>(HANDLERS + ${4 * n}, ${name}.index);`).join('\n');
  });
  return `import { PENDING, OPERAND, XMM, FPR, FSW, GPR, FPU_TRAP, HANDLERS } from './state';
import { OP, REG, RM, IMM, FLAGS, FLAG_MEM } from './record';
import { sourceOperand, storeOperand, storeX87, fpuReady, UNIT_SSE, UNIT_MMX, UNIT_X87 } from './operands';
import { ${[...imports].sort().join(', ')} } from './own';
import * as fp from './fp/index';

${functions.join('\n')}

/** Once: where general() finds the function of a handler. */
export function registerHandlers(): void {
${entries.join('\n')}
}

/**
 * Does any instruction, by its record. PENDING tells whether it ended otherwise than by going on behind it. A table and no
 * switch: the compiler would put all of these functions into one.
 */
export function general(rec: usize): void {
  call_indirect<void>(load<u32>(HANDLERS + (<usize>load<u16>(rec, OP) << 2)), rec);
}
`;
}

/** The statement that does a handler's instruction. */
function callOf({ row, shape, special }: Handler): string {
  if (special !== undefined) return `op_${special}(rec);`;
  if (row === undefined || shape === undefined) throw new Error('a handler without a row');
  const name = row.fn ?? row.name;
  if (row.call === undefined) return `op_${name}(rec);`;
  const { before, after } = unitCode({ row, shape });
  if (row.call === 'cold') return `${before}fp.${name}(rec);`;
  return before + functionCall(row, shape, name) + after;
}

/** The call of a function of core/fp: addresses of the operands, then numbers. */
function functionCall(row: Row, shape: Shape, name: string): string {
  const [first, second] = shape.operands.filter(({ place, registers }) => place !== 'I' && registers !== 'number');
  const registerOf = (operand: Operand) =>
    `${areas[operand.registers]} + <usize>load<u8>(rec, ${operand.place === 'E' ? 'RM' : 'REG'})`;
  const size = '(1 << (<u32>load<u8>(rec, FLAGS) & 3))';
  const bytes = (operand: Operand) => operand.bytes ?? size;
  const aligned = row.aligned ? 'true' : 'false';
  const numbers = [
    ...shape.operands.filter(({ registers }) => registers === 'number').map(() => '<i32>load<u8>(rec, RM)'),
    ...shape.operands.filter(({ place }) => place === 'I').map(() => '<i32>load<u8>(rec, IMM)'),
    ...(row.arg === undefined ? [] : [row.arg === 'size' ? size : `${row.arg}`]),
  ];
  const call = (addresses: readonly string[]) => `fp.${name}(${[...addresses, ...numbers].join(', ')})`;
  const source = (operand: Operand, variable: string) =>
    operand.place === 'E'
      ? `const ${variable} = sourceOperand(rec, ${areas[operand.registers]}, ${bytes(operand)}, ${aligned}); if (${variable} == 0) return; `
      : `const ${variable}: usize = ${registerOf(operand)}; `;
  if (first === undefined) return `${call([])};`;
  // What the x87 stores is known only after it has changed its words: FSW, and FTW behind it.
  if (row.writes && row.unit === 'x87') {
    return `const before = load<u32>(FSW); if (${call(['OPERAND'])}) storeX87(rec, ${bytes(first)}, before);`;
  }
  const from = second === undefined ? '' : source(second, 's');
  const addresses = second === undefined ? ['d'] : ['d', 's'];
  if (first.place === 'E' && (row.writes || (second !== undefined && !row.reads))) {
    const to = `const d: usize = (load<u8>(rec, FLAGS) & FLAG_MEM) != 0 ? <usize>OPERAND : ${registerOf(first)};`;
    return `${from}${to} ${call(addresses)}; storeOperand(rec, ${bytes(first)}, ${aligned});`;
  }
  return `${source(first, 'd')}${from}${call(addresses)};`;
}

const areas: Readonly<Record<string, string>> = { xmm: 'XMM', mmx: 'FPR', general: 'GPR' };

/** What comes before and after an instruction of a unit: whether it may be used, and what MMX and the x87 note of it. */
function unitCode({ row, shape }: Pick<Encoding, 'row' | 'shape'>): { before: string; after: string } {
  const has = (registers: string) => shape.operands.some((operand) => operand.registers === registers);
  const unit = row.unit ?? (has('xmm') ? 'sse' : has('mmx') ? 'mmx' : undefined);
  if (unit === undefined) return { before: '', after: '' };
  const ready = `if (load<u32>(FPU_TRAP) != 0 && !fpuReady(UNIT_${unit.slice(0, 3).toUpperCase()})) return; `;
  const waits = has('mmx') || unit === 'mmx' || unit === 'x87' || unit === 'x87_control';
  const [first] = shape.operands;
  const written = first?.registers === 'mmx' && !row.reads ? 'd' : '0';
  return {
    before: ready + (waits ? 'if (fp.raisePending()) return; ' : ''),
    after: has('mmx') ? ` fp.endMmx(${written});` : unit === 'x87' ? ' fp.endX87(rec);' : '',
  };
}
