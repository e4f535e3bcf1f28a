import type { CodeMode, Disassembled } from '../../../src/system/machine.js';
import type { Operand, Shape, SizeKind } from './operands.js';
import type { Row } from './row.js';
import { attName } from './spelling.js';
import { decisionTrees, type Encoding, selectors } from './table.js';

/** An instruction taken apart. */
export interface Decoded {
  readonly row: Row;
  readonly shape: Shape;
  readonly mode: CodeMode;
  /** Operand size in bytes, for operands that have none of their own. */
  readonly size: number;
  readonly isMemory: boolean;
  readonly opcode: number;
  readonly wide: boolean;
}

const MAX_LENGTH = 15;
const [OPSIZE, ADDRSIZE, LOCK, REPNE, REP] = [0x66, 0x67, 0xf0, 0xf2, 0xf3];
const segmentPrefixes: Readonly<Record<number, string>> = {
  38: 'es',
  46: 'cs',
  54: 'ss',
  62: 'ds',
  100: 'fs',
  101: 'gs',
};
const words = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const bytesOfRegisters = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'];
/** Base and index of 16-bit addresses by ModRM.rm. */
const shortAddresses = ['%bx,%si', '%bx,%di', '%bp,%si', '%bp,%di', '%si', '%di', '%bp', '%bx'];

class EndOfBytes extends Error {}

/** Reads the bytes of one instruction. */
class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.subarray(0, MAX_LENGTH);
  }

  peek(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new EndOfBytes();
    return byte;
  }

  next(): number {
    const byte = this.peek();
    this.at += 1;
    return byte;
  }

  unsigned(size: number): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(this.next()) << BigInt(8 * i);
    return value;
  }

  signed(size: number): bigint {
    return BigInt.asIntN(8 * size, this.unsigned(size));
  }
}

let trees: ReturnType<typeof decisionTrees> | undefined;

function hex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function registerName(index: number, size: number, rex: boolean): string {
  const legacy = words[index];
  if (size === 1) {
    if (legacy === undefined) return `%r${index}b`;
    return rex && index >= 4 ? `%${legacy}l` : `%${bytesOfRegisters[index]}`;
  }
  const suffix = { 2: 'w', 4: 'd', 8: '' }[size] ?? '';
  if (legacy === undefined) return `%r${index}${suffix}`;
  return `%${{ 2: '', 4: 'e', 8: 'r' }[size] ?? ''}${legacy}`;
}

/** The state of taking one instruction apart. */
class Instruction {
  readonly #reader: Reader;
  readonly #mode: CodeMode;
  readonly #address: bigint;
  #prefixes = new Set<number>();
  #segment: string | undefined;
  #rex = 0;
  #hasRex = false;
  #opcode = 0;
  #modrm = 0;
  #memory = '';

  constructor(reader: Reader, address: bigint, mode: CodeMode) {
    this.#reader = reader;
    this.#mode = mode;
    this.#address = address;
  }

  get #wide(): boolean {
    return (this.#rex & 8) !== 0;
  }

  get #addressSize(): number {
    const other = this.#prefixes.has(ADDRSIZE);
    if (this.#mode === 64) return other ? 4 : 8;
    return (this.#mode === 32) === other ? 2 : 4;
  }

  get #mod(): number {
    return this.#modrm >> 6;
  }

  #takePrefixes(): void {
    for (;;) {
      const byte = this.#reader.peek();
      const segment = segmentPrefixes[byte];
      if (segment !== undefined) this.#segment = segment;
      else if (byte === OPSIZE || byte === ADDRSIZE || byte === LOCK || byte === REPNE || byte === REP)
        this.#prefixes.add(byte);
      else break;
      this.#reader.next();
    }
    if (this.#mode !== 64 || this.#reader.peek() >> 4 !== 4) return;
    this.#rex = this.#reader.next();
    this.#hasRex = true;
  }

  #takeOpcode(): number {
    let map = 0;
    this.#opcode = this.#reader.next();
    if (this.#opcode === 0x0f) {
      map = 1;
      this.#opcode = this.#reader.next();
      if (this.#opcode === 0x38 || this.#opcode === 0x3a) {
        map = this.#opcode === 0x38 ? 2 : 3;
        this.#opcode = this.#reader.next();
      }
    }
    // NOP is XCHG of RAX with itself; with REX.B it is not.
    if (map === 0 && this.#opcode === 0x90 && (this.#rex & 1) !== 0) return 0x91;
    return 256 * map + this.#opcode;
  }

  #mandatory(): number {
    if (this.#prefixes.has(REPNE)) return 3;
    if (this.#prefixes.has(REP)) return 2;
    return this.#prefixes.has(OPSIZE) ? 1 : 0;
  }

  #find(tree: ReturnType<typeof decisionTrees>[number]): Encoding | undefined {
    let node = tree;
    while (node !== undefined && !('row' in node)) {
      const name = selectors[node.selector]?.name;
      if (name === 'reg' || name === 'mod' || name === 'rm') this.#modrm = this.#reader.peek();
      const answers = {
        mode: this.#mode === 64 ? 0 : 1,
        prefix: this.#mandatory(),
        reg: (this.#modrm >> 3) & 7,
        mod: this.#mod === 3 ? 1 : 0,
        rm: this.#modrm & 7,
        wide: this.#wide ? 1 : 0,
      };
      node = node.answers[name === undefined ? 0 : answers[name]];
    }
    return node;
  }

  #operandSize(kind: SizeKind, row: Row): number {
    const small = this.#prefixes.has(OPSIZE) && row.prefix !== '66' ? this.#mode !== 16 : this.#mode === 16;
    const plain = small ? 2 : 4;
    switch (kind) {
      case 'b':
        return 1;
      case 'w':
        return 2;
      case 'd':
        return 4;
      case 'q':
        return this.#mode === 64 ? 8 : 4;
      case 'y':
        return this.#wide ? 8 : 4;
      case 'z':
        return this.#wide ? 4 : plain;
      case 'v':
        return this.#wide ? 8 : plain;
      case 'stack':
        return this.#mode === 64 ? (small && !this.#wide ? 2 : 8) : plain;
      case 'branch':
        return this.#mode === 64 ? 8 : plain;
    }
  }

  /** ModRM, SIB and displacement; the text of a memory operand. */
  #takeModrm(): void {
    this.#modrm = this.#reader.next();
    if (this.#mod === 3) return;
    const segment = this.#segment === undefined ? '' : `%${this.#segment}:`;
    this.#memory = segment + (this.#addressSize === 2 ? this.#shortAddress() : this.#longAddress());
  }

  #shortAddress(): string {
    const rm = this.#modrm & 7;
    if (this.#mod === 0 && rm === 6) return hex(this.#reader.unsigned(2));
    const displacement = this.#mod === 0 ? '' : hex(this.#reader.signed(this.#mod));
    return `${displacement}(${shortAddresses[rm]})`;
  }

  #longAddress(): string {
    const size = this.#addressSize;
    let rm = this.#modrm & 7;
    let index = '';
    let sib = false;
    if (rm === 4) {
      sib = true;
      const byte = this.#reader.next();
      rm = byte & 7;
      const number = ((byte >> 3) & 7) | ((this.#rex & 2) << 2);
      const scale = 1 << (byte >> 6);
      const none = size === 8 ? '%riz' : '%eiz';
      if (number !== 4) index = `,${registerName(number, size, false)},${scale}`;
      else if (scale !== 1 || (rm !== 4 && !(rm === 5 && this.#mod === 0))) index = `,${none},${scale}`;
    }
    const baseless = rm === 5 && this.#mod === 0;
    const bytes = baseless ? 4 : ([0, 1, 4][this.#mod] ?? 0);
    const displacement = bytes === 0 ? undefined : this.#reader.signed(bytes);
    if (baseless && !sib && this.#mode === 64) return `${hex(displacement ?? 0n)}(${size === 8 ? '%rip' : '%eip'})`;
    const text = displacement === undefined ? '' : hex(displacement);
    const absolute = () => hex(BigInt.asUintN(this.#mode === 64 ? 64 : 32, displacement ?? 0n));
    if (baseless) return index === '' ? absolute() : `${text}(${index})`;
    return `${text}(${registerName(rm | ((this.#rex & 1) << 3), size, false)}${index})`;
  }

  #register(operand: Operand, number: number, size: number): string {
    switch (operand.registers) {
      case 'xmm':
        return `%xmm${number}`;
      case 'mmx':
        return `%mm${number & 7}`;
      case 'number': {
        if (operand.text.startsWith('S')) return `%${segmentNames[number & 7]}`;
        if (operand.text.startsWith('C')) return `%cr${number}`;
        if (operand.text.startsWith('D')) return `%db${number}`;
        return `%st(${number & 7})`;
      }
      default:
        return registerName(number, size, this.#hasRex);
    }
  }

  #operand(operand: Operand, size: number): string {
    const own =
      operand.registers === 'general' && operand.bytes !== undefined
        ? operand.bytes
        : operand.size === undefined
          ? size
          : this.#operandSize(operand.size === 'v' ? 'v' : operand.size, this.#row);
    const bytes = operand.size === 'v' ? size : own;
    if (operand.fixed !== undefined) {
      return operand.registers === 'number' ? `%${segmentNames[operand.fixed]}` : registerName(0, bytes, false);
    }
    switch (operand.place) {
      case 'E':
        if (operand.inOpcode) return registerName((this.#opcode & 7) | ((this.#rex & 1) << 3), bytes, this.#hasRex);
        if (this.#mod !== 3) return this.#memory;
        return this.#register(operand, (this.#modrm & 7) | ((this.#rex & 1) << 3), bytes);
      case 'G':
        return this.#register(operand, ((this.#modrm >> 3) & 7) | ((this.#rex & 4) << 1), bytes);
      case 'C':
        return operand.text === 'CL' ? '%cl' : '(%dx)';
      case 'O': {
        const segment = this.#segment === undefined ? '' : `%${this.#segment}:`;
        return segment + hex(this.#reader.unsigned(this.#addressSize));
      }
      case 'A': {
        const offset = this.#reader.unsigned(size);
        return `$${hex(this.#reader.unsigned(2))},$${hex(offset)}`;
      }
      case 'J': {
        const small = this.#mode !== 64 && size === 2;
        const distance = this.#reader.signed(operand.immediate === 'jb' ? 1 : small ? 2 : 4);
        const bits = this.#mode === 64 ? 64 : small ? 16 : 32;
        return hex(BigInt.asUintN(bits, this.#address + BigInt(this.#reader.at) + distance));
      }
      case 'I':
        return this.#immediate(operand, size);
    }
  }

  #immediate(operand: Operand, size: number): string {
    switch (operand.immediate) {
      case 'one':
        return '';
      case 'iw':
        return `$${hex(this.#reader.unsigned(2))}`;
      case 'iv':
        return `$${hex(BigInt.asUintN(8 * size, this.#reader.signed(size)))}`;
      case 'iz':
        return `$${hex(BigInt.asUintN(8 * size, this.#reader.signed(Math.min(size, 4))))}`;
      default: {
        const value = this.#reader.signed(1);
        return `$${hex(BigInt.asUintN(this.#extendsImmediate ? 8 * size : 8, value))}`;
      }
    }
  }

  /** Eight bits for a wider operand: sign-extended where they are a number, not a count or a selection. */
  get #extendsImmediate(): boolean {
    return /^(add|or|adc|sbb|and|sub|xor|cmp|imul|push)$/.test(this.#row.name);
  }

  #encoding: Encoding | undefined;
  get #row(): Row {
    if (this.#encoding === undefined) throw new EndOfBytes();
    return this.#encoding.row;
  }

  /** @returns undefined for what the table does not have */
  text(): string | undefined {
    trees ??= decisionTrees();
    this.#takePrefixes();
    const found = this.#find(trees[this.#takeOpcode()]);
    if (found === undefined || found.row.name === 'invalid') return undefined;
    this.#encoding = found;
    const { row, shape } = found;
    if (shape.modrm) this.#takeModrm();
    const size = this.#operandSize(shape.size, row);
    const operands = shape.operands.map((operand) => this.#operand(operand, size));
    const decoded = { row, shape, mode: this.#mode, size, opcode: this.#opcode, wide: this.#wide };
    const spelling = attName({ ...decoded, isMemory: shape.modrm && this.#mod !== 3 }, operands, {
      segment: this.#segment,
      addressSize: this.#addressSize,
    });
    const lock = this.#prefixes.has(LOCK) ? 'lock ' : '';
    const names = spelling.operands.filter((operand) => operand !== '').join(', ');
    return `${lock}${this.#repeat(row)}${spelling.name}${names === '' ? '' : ` ${names}`}`;
  }

  #repeat(row: Row): string {
    if (!/^(movs|cmps|stos|lods|scas|ins|outs)$/.test(row.name)) return '';
    const compares = row.name === 'cmps' || row.name === 'scas';
    if (this.#prefixes.has(REPNE)) return 'repnz ';
    return this.#prefixes.has(REP) ? (compares ? 'repz ' : 'rep ') : '';
  }
}

/**
 * The first instruction of some bytes, by the table that the CPU decodes by.
 *
 * @param bytes at most 15 count
 * @param address where they are: branch targets depend on it
 */
export function disassemble(bytes: Uint8Array, address: bigint, mode: CodeMode): Disassembled {
  const reader = new Reader(bytes);
  try {
    const text = new Instruction(reader, address, mode).text();
    if (text !== undefined) return { length: reader.at, text };
  } catch (error) {
    if (!(error instanceof EndOfBytes)) throw error;
  }
  return { length: Math.min(1, bytes.length), text: `.byte ${hex(BigInt(bytes[0] ?? 0))}` };
}
