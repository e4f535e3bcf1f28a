import type { MaybePromise } from '../../../src/qom/property.js';
import { QemuError } from '../../../src/system/errors.js';
import { int64 } from '../../../src/system/json.js';
import type { CodeMode } from '../../../src/system/machine.js';
import { readPhysical, readVirtual } from '../../guest-memory.js';
import { type Format, filename, flag, format, int, long, optional } from '../args.js';
import { defineHmp, type HmpContext } from '../command.js';

/** Bytes one `xp` may show, so that its output stays within what a monitor should hold. */
const DUMP_MAX = 1 << 20;

/** A character constant, as C would write it. */
function characterText(code: number): string {
  const escapes: Readonly<Record<number, string>> = { 10: '\\n', 13: '\\r', 39: "\\'", 92: '\\\\' };
  const plain = code >= 32 && code <= 126 ? String.fromCharCode(code) : `\\x${code.toString(16).padStart(2, '0')}`;
  return `'${escapes[code] ?? plain}'`;
}

/** Columns of the widest value of so many bytes (QEMU: monitor/hmp-cmds-target.c, memory_dump). */
function digitsOf(kind: string, bytes: number): number {
  if (kind === 'o') return Math.ceil((bytes * 8) / 3);
  return kind === 'x' ? bytes * 2 : Math.ceil((bytes * 8 * 10) / 33);
}

function itemText(kind: string, bytes: number, value: bigint): string {
  const digits = digitsOf(kind, bytes);
  if (kind === 'c') return characterText(Number(value & 0xffn));
  if (kind === 'x') return `0x${value.toString(16).padStart(digits, '0')}`;
  if (kind === 'o') return `0${value.toString(8)}`.padStart(digits);
  return (kind === 'd' ? BigInt.asIntN(64, value) : value).toString().padStart(digits);
}

/** Reads memory where a line of a dump needs it. @returns undefined where nothing answers */
type ReadMemory = (address: bigint, length: number) => MaybePromise<Uint8Array | undefined>;

async function dump(
  { count, format: kind, size }: Format,
  start: bigint,
  digits: number,
  read: ReadMemory,
): Promise<string> {
  const bytes = kind === 'c' ? 1 : size;
  if (count * bytes > DUMP_MAX) throw new QemuError(`at most ${DUMP_MAX} bytes can be shown at a time`);
  const perLine = bytes === 1 ? 8 : 16;
  let text = '';
  for (let done = 0; done < count * bytes; done += perLine) {
    const address = BigInt.asUintN(64, BigInt.asUintN(64, start) + BigInt(done));
    const length = Math.min(perLine, count * bytes - done);
    text += `${address.toString(16).padStart(digits, '0')}:`;
    const memory = await read(address, length);
    if (memory === undefined) return `${text} Cannot access memory\n`;
    for (let at = 0; at < length; at += bytes) {
      const item = memory.subarray(at, at + bytes).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
      text += ` ${itemText(kind, bytes, item)}`;
    }
    text += '\n';
  }
  return text;
}

/** Bytes of an instruction in its first line, the longest instruction, and what one command may show. */
const [LINE_BYTES, INSTRUCTION_MAX, INSTRUCTIONS] = [8, 15, 4096];
const PAGE = 4096n;
const [EFER_LMA, CS] = [0x400n, 1];
const [SEGMENT_LONG, SEGMENT_BIG] = [1 << 21, 1 << 22];

/** What the code segment of the chosen CPU says. */
async function codeMode({ system, client }: HmpContext): Promise<CodeMode> {
  const registers = await system.machine.cpuAccess?.readRegisters(client.cpuIndex);
  const flags = registers?.segments[CS]?.flags ?? 0;
  if (((registers?.efer ?? 0n) & EFER_LMA) !== 0n && (flags & SEGMENT_LONG) !== 0) return 64;
  return (flags & SEGMENT_BIG) !== 0 ? 32 : 16;
}

/** In the columns of QEMU's disassembler (disas/capstone.c, cap_dump_insn). */
function instructionLines(address: bigint, bytes: Uint8Array, text: string): string {
  const [mnemonic = '', ...operands] = text.split(' ');
  const hex = [...bytes].map((byte) => ` ${byte.toString(16).padStart(2, '0')}`);
  const line = (at: number, rest: string): string => {
    const head = `0x${(address + BigInt(at)).toString(16).padStart(8, '0')}: `;
    return `${head}${hex.slice(at, at + LINE_BYTES).join('')}${rest}\n`;
  };
  const pad = ' '.repeat(3 * Math.max(0, LINE_BYTES - bytes.length));
  const first = line(0, `${pad}  ${mnemonic.padEnd(8)} ${operands.join(' ')}`);
  return bytes.length > LINE_BYTES ? first + line(LINE_BYTES, '') : first;
}

async function dumpInstructions(ctx: HmpContext, { count }: Format, start: bigint, read: ReadMemory): Promise<string> {
  const disassemble = ctx.system.machine.cpuAccess?.disassemble;
  if (disassemble === undefined) throw new QemuError('instructions can be shown with -accel tcg only');
  if (count > INSTRUCTIONS) throw new QemuError(`at most ${INSTRUCTIONS} instructions can be shown at a time`);
  const mode = await codeMode(ctx);
  let text = '';
  let address = BigInt.asUintN(64, start);
  for (let i = 0; i < count; i++) {
    const inPage = Number(PAGE - (address % PAGE));
    const bytes = (await read(address, INSTRUCTION_MAX)) ?? (await read(address, Math.min(inPage, INSTRUCTION_MAX)));
    if (bytes === undefined) return `${text}0x${address.toString(16).padStart(8, '0')}: Cannot access memory\n`;
    const { length, text: instruction } = await disassemble(bytes, address, mode);
    text += instructionLines(address, bytes.subarray(0, length), instruction);
    address = BigInt.asUintN(64, address + BigInt(length));
  }
  return text;
}

function dumpPhysical(ctx: HmpContext, format: Format, start: bigint): Promise<string> {
  const read: ReadMemory = (address, length) => readPhysical(ctx.system, address, length);
  return format.format === 'i' ? dumpInstructions(ctx, format, start, read) : dump(format, start, 8, read);
}

async function dumpVirtual(ctx: HmpContext, format: Format, start: bigint): Promise<string> {
  const { system, client } = ctx;
  const { cpuAccess } = system.machine;
  if (cpuAccess === undefined) return 'Can not dump without CPU\n';
  const read: ReadMemory = (address, length) => readVirtual(system, cpuAccess, client.cpuIndex, address, length);
  return await (format.format === 'i' ? dumpInstructions(ctx, format, start, read) : dump(format, start, 16, read));
}

function expressionText({ format: kind }: Format, value: bigint): string {
  const unsigned = BigInt.asUintN(64, value);
  if (kind === 'c') return characterText(Number(unsigned & 0xffn));
  if (kind === 'x') return unsigned === 0n ? '0' : `0x${unsigned.toString(16)}`;
  if (kind === 'o') return unsigned === 0n ? '0' : `0${unsigned.toString(8)}`;
  return (kind === 'u' ? unsigned : value).toString();
}

export const memoryCommands = [
  defineHmp({
    name: 'x',
    usage: '/fmt addr',
    help: 'show memory at a virtual address of the guest',
    parameters: [format('format'), long('address')],
    run: (ctx, args) => dumpVirtual(ctx, args.format, args.address),
  }),
  defineHmp({
    name: 'xp',
    usage: '/fmt addr',
    help: 'show memory at a physical address of the guest',
    parameters: [format('format'), long('address')],
    run: (ctx, args) => dumpPhysical(ctx, args.format, args.address),
  }),
  defineHmp({
    name: 'print|p',
    usage: '/fmt expr',
    help: 'show the value of an expression',
    parameters: [format('format'), long('value')],
    run: (_, args) => `${expressionText(args.format, args.value)}\n`,
  }),
  defineHmp({
    name: 'pmemsave',
    usage: 'addr size file',
    help: 'write physical memory of the guest to a file',
    parameters: [long('val'), long('size'), filename('filename')],
    run: async ({ qmp }, { val, size, filename: path }) =>
      void (await qmp('pmemsave', { val: int64(val), size: int64(size), filename: path })),
  }),
  defineHmp({
    name: 'memsave',
    usage: 'addr size file',
    help: 'write virtual memory of the guest to a file',
    parameters: [long('val'), long('size'), filename('filename')],
    run: async ({ qmp, client }, { val, size, filename: path }) =>
      void (await qmp('memsave', {
        val: int64(val),
        size: int64(size),
        filename: path,
        'cpu-index': client.cpuIndex,
      })),
  }),
  defineHmp({
    name: 'dump-guest-memory',
    usage: '[-p] [-d] [-z|-l|-s|-w] [-R] filename [begin length]',
    help: 'write guest memory to a file',
    parameters: [
      flag('paging', 'p'),
      flag('detach', 'd'),
      flag('zlib', 'z'),
      flag('lzo', 'l'),
      flag('snappy', 's'),
      flag('windows', 'w'),
      flag('raw', 'R'),
      filename('filename'),
      optional(long('begin')),
      optional(long('length')),
    ],
    run: async ({ qmp }, args) => {
      const compressed = (['zlib', 'lzo', 'snappy'] as const).find((name) => args[name]);
      const kdump = compressed === undefined ? undefined : (`kdump-${args.raw ? 'raw-' : ''}${compressed}` as const);
      const format = args.windows ? 'win-dmp' : kdump;
      await qmp('dump-guest-memory', {
        paging: args.paging,
        protocol: `file:${args.filename}`,
        ...(args.detach ? { detach: true } : {}),
        ...(args.begin === undefined ? {} : { begin: int64(args.begin) }),
        ...(args.length === undefined ? {} : { length: int64(args.length) }),
        ...(format === undefined ? {} : { format }),
      });
      return undefined;
    },
  }),
  defineHmp({
    name: 'cpu',
    usage: 'index',
    help: 'choose the CPU that later commands look at',
    parameters: [int('index')],
    run: ({ client, system }, { index }) => {
      if (!system.machine.cpus().some((cpu) => cpu.index === index)) return 'invalid CPU index\n';
      client.cpuIndex = index;
      return undefined;
    },
  }),
];
