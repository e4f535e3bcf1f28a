import type { CpuRegisters, SegmentRegister } from './cpu-registers.js';

const GENERAL = 'AX BX CX DX SI DI BP SP'.split(' ');
const SEGMENTS = 'ES CS SS DS FS GS LDT TR'.split(' ');
const CS = 1;
const SS = 2;

const EFER_LMA = 0x400n;
const CR0_PE = 1n;

/** RFLAGS bits as the dump shows them, highest first. */
const FLAGS: readonly (readonly [letter: string, bit: bigint])[] = [
  ['D', 0x400n],
  ['O', 0x800n],
  ['S', 0x80n],
  ['Z', 0x40n],
  ['A', 0x10n],
  ['P', 0x4n],
  ['C', 0x1n],
];

// Bits of SegmentRegister.flags (AMD APM volume 2, section 4.7).
const ACCESSED = 1 << 8;
const READ_OR_WRITE = 1 << 9;
const CONFORMING_OR_DOWN = 1 << 10;
const CODE = 1 << 11;
const NOT_SYSTEM = 1 << 12;
const DPL_SHIFT = 13;
const PRESENT = 1 << 15;
const LONG = 1 << 21;
const BIG = 1 << 22;

/** System descriptors by type, in 32-bit and in long mode. */
const SYSTEM_TYPES = {
  protected: `Reserved TSS16-avl LDT TSS16-busy CallGate16 TaskGate IntGate16 TrapGate16
    Reserved TSS32-avl Reserved TSS32-busy CallGate32 Reserved IntGate32 TrapGate32`.split(/\s+/),
  long: `<hiword> Reserved LDT Reserved Reserved Reserved Reserved Reserved
    Reserved TSS64-avl Reserved TSS64-busy CallGate64 Reserved IntGate64 TrapGate64`.split(/\s+/),
};

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');

/**
 * Registers in QEMU's form of `info registers`, without the FPU (target/i386/cpu-dump.c).
 *
 * @returns lines that each end with a newline
 */
export function registerDump(registers: CpuRegisters): string {
  const { cr0, cr2, cr3, cr4, debug, efer, rip, rflags, gdt, idt, segments, halted } = registers;
  const longMode = (efer & EFER_LMA) !== 0n;
  const code = segments[CS];
  const code64 = longMode && code !== undefined && (code.flags & LONG) !== 0;
  const width = longMode ? 16 : 8;
  const letters = FLAGS.map(([letter, bit]) => ((rflags & bit) === 0n ? '-' : letter)).join('');
  const cpl = ((segments[SS]?.flags ?? 0) >> DPL_SHIFT) & 3;
  const [ip, fl] = code64 ? [`RIP=${hex(rip, 16)}`, 'RFL'] : [`EIP=${hex(rip, 8)}`, 'EFL'];
  const table = (name: string, { base, limit }: { base: bigint; limit: number }) =>
    `${name}=     ${hex(base, width)} ${hex(limit, 8)}\n`;
  const [dr0 = 0n, dr1 = 0n, dr2 = 0n, dr3 = 0n, dr6 = 0n, dr7 = 0n] = debug;
  return [
    generalLines(registers.general, code64),
    `${ip} ${fl}=${hex(rflags, 8)} [${letters}] CPL=${cpl} II=0 A20=1 SMM=0 HLT=${halted ? 1 : 0}\n`,
    ...segments.map((segment, i) => segmentLine(SEGMENTS[i] ?? '', segment, { code64, longMode, cr0 })),
    table('GDT', gdt),
    table('IDT', idt),
    `CR0=${hex(cr0, 8)} CR2=${hex(cr2, width)} CR3=${hex(cr3, width)} CR4=${hex(cr4, 8)}\n`,
    `${[dr0, dr1, dr2, dr3].map((value, i) => `DR${i}=${hex(value, 16)} `).join('')}\n`,
    `DR6=${hex(dr6, 16)} DR7=${hex(dr7, 16)}\n`,
    `EFER=${hex(efer, 16)}\n`,
  ].join('');
}

function generalLines(general: readonly bigint[], code64: boolean): string {
  const names = GENERAL.map((name) => (code64 ? `R${name}` : `E${name}`));
  const shown = code64 ? general : general.slice(0, names.length).map((value) => value & 0xffffffffn);
  const fields = shown.map((value, i) => `${(names[i] ?? `R${i}`).padEnd(3)}=${hex(value, code64 ? 16 : 8)}`);
  const lines: string[] = [];
  for (let i = 0; i < fields.length; i += 4) lines.push(`${fields.slice(i, i + 4).join(' ')}\n`);
  return lines.join('');
}

interface Mode {
  readonly code64: boolean;
  readonly longMode: boolean;
  readonly cr0: bigint;
}

function segmentLine(name: string, { selector, base, limit, flags }: SegmentRegister, mode: Mode): string {
  const raw = `${hex(selector, 4)} ${hex(base, mode.code64 ? 16 : 8)} ${hex(limit, 8)} ${hex(flags & 0xffff00, 8)}`;
  const head = `${name.padEnd(3)}=${raw}`;
  if ((mode.cr0 & CR0_PE) === 0n || (flags & PRESENT) === 0) return `${head}\n`;
  return `${head} DPL=${(flags >> DPL_SHIFT) & 3} ${segmentKind(flags, mode.longMode)}\n`;
}

function segmentKind(flags: number, longMode: boolean): string {
  if ((flags & NOT_SYSTEM) === 0) return SYSTEM_TYPES[longMode ? 'long' : 'protected'][(flags >> 8) & 0xf] ?? '';
  const letter = (bit: number, text: string) => ((flags & bit) === 0 ? '-' : text);
  const accessed = letter(ACCESSED, 'A');
  if ((flags & CODE) !== 0) {
    const bits = (flags & LONG) !== 0 ? 64 : (flags & BIG) !== 0 ? 32 : 16;
    return `CS${bits} [${letter(CONFORMING_OR_DOWN, 'C')}${letter(READ_OR_WRITE, 'R')}${accessed}]`;
  }
  const size = (flags & BIG) !== 0 || longMode ? '  ' : '16';
  return `DS${size} [${letter(CONFORMING_OR_DOWN, 'E')}${letter(READ_OR_WRITE, 'W')}${accessed}]`;
}

/** Bytes shown before and after RIP. */
export const CODE_BEFORE = 20;
export const CODE_TOTAL = 50;

/**
 * The line `Code=...` of QEMU's dump.
 *
 * @param at index of RIP in `bytes`
 * @param bytes undefined where nothing can be read
 */
export function codeLine(bytes: readonly (number | undefined)[], at: number): string {
  const texts = bytes.map((byte, i) => {
    const text = byte === undefined ? '??' : hex(byte, 2);
    return i === at ? `<${text}>` : text;
  });
  return `Code=${texts.join(' ')}\n`;
}
