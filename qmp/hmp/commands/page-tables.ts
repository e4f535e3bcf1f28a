import type { CpuRegisters } from '../../../src/hw/i386/cpu-registers.js';
import { readPhysical } from '../../guest-memory.js';
import { defineHmp, type HmpContext } from '../command.js';

/** A page by its entry in the guest's tables. */
interface MappedPage {
  /** Canonical virtual address. */
  readonly address: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly entry: bigint;
  /** User and write permission of all levels, as in an entry. */
  readonly rights: bigint;
}

const CR0_PG = 1n << 31n;
const EFER_LMA = 0x400n;
// Bits of an entry (SDM volume 3, table 4-20).
const [PRESENT, WRITE, USER, LARGE] = [1n, 2n, 4n, 0x80n];
const ADDRESS = 0x000ffffffffff000n;
const TABLE_SIZE = 4096;
const TOP_SHIFT = 39n;
/** Tables that are read, each as often as it is met: they may well be a loop. */
const TABLES_MAX = 8192;
/** Lines that are shown. */
const LINES_MAX = 1 << 16;

/** Letters of `info tlb` by bit, the highest first. */
const letters: readonly (readonly [letter: string, bit: bigint])[] = [
  ['X', 1n << 63n],
  ['G', 0x100n],
  ['P', LARGE],
  ['D', 0x40n],
  ['A', 0x20n],
  ['C', 0x10n],
  ['T', 0x8n],
  ['U', USER],
  ['W', WRITE],
];

const hex = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');

/** The pages of four-level tables, by rising address from zero. */
function* mappedPages(
  read: (address: bigint) => Uint8Array | undefined,
  table: bigint,
  shift = TOP_SHIFT,
  base = 0n,
  rights = USER | WRITE,
): Generator<MappedPage> {
  const bytes = read(table & ADDRESS);
  if (bytes === undefined) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0; i < TABLE_SIZE / 8; i++) {
    const entry = view.getBigUint64(8 * i, true);
    if ((entry & PRESENT) === 0n) continue;
    const address = base | (BigInt(i) << shift);
    const canonical = BigInt.asUintN(64, BigInt.asIntN(48, address));
    const isPage = shift === 12n || (shift < TOP_SHIFT && (entry & LARGE) !== 0n);
    if (isPage) yield { address: canonical, size: 1n << shift, entry, rights: rights & entry };
    else yield* mappedPages(read, entry, shift - 9n, address, rights & entry);
  }
}

/** Lines of a command that walks the tables of the chosen vCPU. */
async function walk(ctx: HmpContext, lines: (pages: Iterable<MappedPage>) => Iterable<string>): Promise<string> {
  const { system, client } = ctx;
  const registers: CpuRegisters | undefined = await system.machine.cpuAccess?.readRegisters(client.cpuIndex);
  if (registers === undefined) return 'No CPU available\n';
  if ((registers.cr0 & CR0_PG) === 0n) return 'PG disabled\n';
  if ((registers.efer & EFER_LMA) === 0n) return 'Only the tables of long mode are shown\n';
  let tables = 0;
  const read = (address: bigint) => {
    tables += 1;
    return tables > TABLES_MAX ? undefined : readPhysical(system, address, TABLE_SIZE);
  };
  let text = '';
  let shown = 0;
  for (const line of lines(mappedPages(read, registers.cr3))) {
    if (shown === LINES_MAX) return `${text}... only the first ${LINES_MAX} are shown\n`;
    text += line;
    shown += 1;
  }
  return tables > TABLES_MAX ? `${text}... only the first ${TABLES_MAX} tables are shown\n` : text;
}

function* tlbLines(pages: Iterable<MappedPage>): Generator<string> {
  for (const { address, size, entry } of pages) {
    const flags = letters.map(([letter, bit]) => ((entry & bit) === 0n ? '-' : letter)).join('');
    yield `${hex(address)}: ${hex(entry & ADDRESS & ~(size - 1n))} ${flags}\n`;
  }
}

/** Neighbours with the same rights are one line. */
function* memLines(pages: Iterable<MappedPage>): Generator<string> {
  let start = 0n;
  let end = 0n;
  let rights: bigint | undefined;
  const line = (): string => {
    const [user, write] = [((rights ?? 0n) & USER) === 0n ? '-' : 'u', ((rights ?? 0n) & WRITE) === 0n ? '-' : 'w'];
    return `${hex(start)}-${hex(end)} ${hex(end - start)} ${user}r${write}\n`;
  };
  for (const page of pages) {
    if (rights === page.rights && end === page.address) {
      end += page.size;
      continue;
    }
    if (rights !== undefined) yield line();
    start = page.address;
    end = page.address + page.size;
    rights = page.rights;
  }
  if (rights !== undefined) yield line();
}

/** In QEMU's lines (target/i386/monitor.c). */
export const pageTableCommands = [
  defineHmp({
    name: 'tlb',
    usage: '',
    help: 'show the page tables of the chosen vCPU, a line a page',
    parameters: [],
    run: (ctx) => walk(ctx, tlbLines),
  }),
  defineHmp({
    name: 'mem',
    usage: '',
    help: 'show what the page tables of the chosen vCPU map, with the rights',
    parameters: [],
    run: (ctx) => walk(ctx, memLines),
  }),
];
