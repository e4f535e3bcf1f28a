import type { RegisterName } from '../../src/gdbstub/registers.js';
import * as s from './core/state.js';
import type { VcpuState } from './vcpu-state.js';

/** What of a vCPU is not in its state as it is. */
export interface DebuggedFlags {
  /** CF to OF as the core works them out. */
  arithmetic: () => bigint;
  setArithmetic: (flags: bigint) => void;
  taskPriority: () => number;
  setTaskPriority: (priority: number) => void;
}

interface Field {
  readonly bytes: number;
  read(state: VcpuState, flags: DebuggedFlags): bigint;
  /** @returns false for a value that the register cannot have; without it the register can't be written */
  write?(state: VcpuState, value: bigint, flags: DebuggedFlags): boolean;
}

const general = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const;
const extended = ['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
const segments = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const [FS, GS] = [4, 5];
const ARITHMETIC = 0x8d5n;
/** TF, IF, DF, IOPL, NT, RF, AC, VIF, VIP, ID; bit 1 is always set. */
const OTHER_FLAGS = 0x3d7700n;
const TOP_SHIFT = 11;
const MXCSR_BITS = 0xffffn;
const EXPONENT = 0x7fffn;
const INTEGER_BIT = 1n << 63n;

function bytesAt(state: VcpuState, at: number, count: number): bigint {
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(state.bytes[at - s.CPU + i] ?? 0);
  return value;
}

function setBytes(state: VcpuState, at: number, count: number, value: bigint): true {
  for (let i = 0; i < count; i++) state.bytes[at - s.CPU + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return true;
}

/** Bytes of the state, in which any value may be. */
const plain = (at: number, bytes: number, width = bytes): Field => ({
  bytes: width,
  read: (state) => bytesAt(state, at, bytes),
  write: (state, value) => value >> BigInt(8 * bytes) === 0n && setBytes(state, at, bytes, value),
});

const constant = (bytes: number): Field => ({ bytes, read: () => 0n });

/** Address of ST(i): the register TOP + i. */
const stackRegister = (state: VcpuState, index: number): number =>
  s.FPR + 16 * (((state.u32(s.FCW) >>> (16 + TOP_SHIFT)) + index) & 7);

/** The full tag word (SDM volume 1, 8.1.7): 0 valid, 1 zero, 2 special, 3 empty, by physical register. */
function tagWord(state: VcpuState): bigint {
  const valid = bytesAt(state, s.FTW, 1);
  let tags = 0n;
  for (let i = 7; i >= 0; i--) {
    const value = bytesAt(state, s.FPR + 16 * i, 10);
    const exponent = (value >> 64n) & EXPONENT;
    const normal = exponent !== 0n && exponent !== EXPONENT && (value & INTEGER_BIT) !== 0n;
    const zero = (value & ((EXPONENT << 64n) | (INTEGER_BIT * 2n - 1n))) === 0n;
    tags = (tags << 2n) | ((valid >> BigInt(i)) & 1n ? (normal ? 0n : zero ? 1n : 2n) : 3n);
  }
  return tags;
}

function fieldsOfArray(names: readonly RegisterName[], field: (index: number) => Field): [RegisterName, Field][] {
  return names.map((name, index) => [name, field(index)]);
}

const numbered = (name: 'xmm' | 'st', count: number): RegisterName[] =>
  Array.from({ length: count }, (_, index) => `${name}${index}` as RegisterName);

const fields: ReadonlyMap<RegisterName, Field> = new Map<RegisterName, Field>([
  ...fieldsOfArray([...general, ...extended], (i) => plain(s.GPR + 8 * i, 8)),
  ['rip', plain(s.RIP, 8)],
  [
    'eflags',
    {
      bytes: 4,
      read: (state, flags) => BigInt(state.u32(s.EFLAGS)) | flags.arithmetic(),
      write: (state, value, flags) => {
        if ((value & ~(OTHER_FLAGS | ARITHMETIC | 2n)) !== 0n) return false;
        state.setU32(s.EFLAGS, Number(value & OTHER_FLAGS) | 2);
        flags.setArithmetic(value & ARITHMETIC);
        return true;
      },
    },
  ],
  ...fieldsOfArray(segments, (i) => ({
    bytes: 4,
    read: (state) => BigInt(state.u32(s.SEGMENTS + i * s.SEGMENT_SIZE + s.SEG_SELECTOR)),
  })),
  ...fieldsOfArray(numbered('st', 8), (i) => ({
    bytes: 10,
    read: (state) => bytesAt(state, stackRegister(state, i), 10),
    write: (state, value) => setBytes(state, stackRegister(state, i), 10, value),
  })),
  ['fctrl', plain(s.FCW, 2, 4)],
  ['fstat', plain(s.FSW, 2, 4)],
  ['ftag', { bytes: 4, read: tagWord }],
  ['fiseg', constant(4)],
  ['fioff', plain(s.FIP, 4)],
  ['foseg', constant(4)],
  ['fooff', plain(s.FDP, 4)],
  ['fop', plain(s.FOP, 2, 4)],
  ...fieldsOfArray(numbered('xmm', 16), (i) => plain(s.XMM + 16 * i, 16)),
  [
    'mxcsr',
    {
      bytes: 4,
      read: (state) => BigInt(state.u32(s.MXCSR)),
      write: (state, value) => (value & ~MXCSR_BITS) === 0n && setBytes(state, s.MXCSR, 4, value),
    },
  ],
  ['fs_base', plain(s.GPR + s.SLOT_SEGBASE + 8 * FS, 8)],
  ['gs_base', plain(s.GPR + s.SLOT_SEGBASE + 8 * GS, 8)],
  ['k_gs_base', plain(s.KERNEL_GS_BASE, 8)],
  ['cr0', plain(s.CR0, 8)],
  ['cr2', plain(s.CR2, 8)],
  ['cr3', plain(s.CR3, 8)],
  ['cr4', plain(s.CR4, 8)],
  [
    'cr8',
    {
      bytes: 8,
      read: (_, flags) => BigInt(flags.taskPriority()),
      write: (_, value, flags) => {
        if (value > 15n) return false;
        flags.setTaskPriority(Number(value));
        return true;
      },
    },
  ],
  ['efer', plain(s.EFER, 8)],
]);

/** All registers of a vCPU as a debugger names them. */
export function readDebugRegisters(state: VcpuState, flags: DebuggedFlags): Map<RegisterName, bigint> {
  return new Map([...fields].map(([name, field]) => [name, field.read(state, flags)]));
}

/** @returns false for a value that the register cannot have; writing what is there is always right */
export function writeDebugRegister(state: VcpuState, flags: DebuggedFlags, name: RegisterName, value: bigint): boolean {
  const field = fields.get(name);
  if (field === undefined || value < 0n || value >> BigInt(8 * field.bytes) !== 0n) return false;
  if (field.read(state, flags) === value) return true;
  return field.write?.(state, value, flags) ?? false;
}
