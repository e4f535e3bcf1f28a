import * as s from '../../accel/tcg/core/state.js';
import { type CoreExports, createMemory, instantiateCore } from '../../accel/tcg/core.js';

/** Where test/support/native-cpu.c has code and data. */
export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const WINDOW = 256;
export const WINDOW_START = DATA + 4096 - WINDOW / 2;
export const READ_ONLY = 0x20002000;

/** A struct state of native-cpu.c: 16 GPRs, RFLAGS, RIP, an FXSAVE image, the window. */
export const STATE_SIZE = 18 * 8 + 512 + WINDOW;
/** struct test: code, entry, state. struct result: signal, trap, error, address, state. */
export const TEST_SIZE = 24 + STATE_SIZE;
export const RESULT_SIZE = 32 + STATE_SIZE;

const RAM = 4 * 2 ** 20;
const PML4 = 0x1000;
const CODE_RAM = 0x100000;
const DATA_RAM = 0x110000;

/** The software CPU as native-cpu.c uses the host's: single instructions of user code in the 64-bit mode. */
export class CoreCpu {
  readonly #core: CoreExports;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor() {
    const memory = createMemory(RAM);
    this.#view = new DataView(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    const fail = () => {
      throw new Error('user code reached a device');
    };
    this.#core = instantiateCore(memory, {
      portIn: fail,
      portOut: fail,
      mmioRead: fail,
      mmioWrite: fail,
      poll: () => 1,
      takeInterrupt: () => -1,
      cpuid: fail,
      readMsr: fail,
      writeMsr: fail,
      tsc: () => 0,
      random: fail,
      getTaskPriority: () => 0,
      setTaskPriority: fail,
    });
    this.#core.initialize();
    this.#view.setBigUint64(s.RAM_LOW, BigInt(RAM), true);
    this.#view.setUint32(s.SLICE, 1000, true);
    this.#pageTables();
    this.#machineState();
  }

  #ram(address: number, value: bigint): void {
    this.#view.setBigUint64(s.RAM_BASE + address, value, true);
  }

  #pageTables(): void {
    const [user, readOnly] = [0x7n, 0x5n];
    this.#ram(PML4, BigInt(PML4 + 0x1000) | user);
    this.#ram(PML4 + 0x1000, BigInt(PML4 + 0x2000) | user);
    this.#ram(PML4 + 0x2000 + (CODE / 2 ** 21) * 8, BigInt(PML4 + 0x3000) | user);
    this.#ram(PML4 + 0x2000 + (DATA / 2 ** 21) * 8, BigInt(PML4 + 0x4000) | user);
    for (let page = 0; page < 3; page++) {
      this.#ram(PML4 + 0x3000 + page * 8, BigInt(CODE_RAM + page * 4096) | user);
      this.#ram(PML4 + 0x4000 + page * 8, BigInt(DATA_RAM + page * 4096) | (page === 2 ? readOnly : user));
    }
  }

  #machineState(): void {
    const view = this.#view;
    view.setBigUint64(s.CR0, 0x80010033n, true);
    view.setBigUint64(s.CR3, BigInt(PML4), true);
    view.setBigUint64(s.CR4, 0x40620n, true);
    view.setBigUint64(s.XCR0, 3n, true);
    view.setBigUint64(s.EFER, 0xd01n, true);
    view.setUint32(s.CPL, 3, true);
    view.setUint32(s.SEGMENTS + s.SEGMENT_SIZE + s.SEG_SELECTOR, 0x33, true);
    view.setUint32(s.SEGMENTS + s.SEGMENT_SIZE + s.SEG_ATTRIBUTES, 0xa0fb, true);
    view.setUint32(s.SEGMENTS + 2 * s.SEGMENT_SIZE + s.SEG_SELECTOR, 0x2b, true);
    view.setUint32(s.SEGMENTS + 2 * s.SEGMENT_SIZE + s.SEG_ATTRIBUTES, 0xc0f3, true);
    view.setUint32(s.TRAPS, s.TRAP_EXCEPTIONS, true);
    this.#core.updateMode();
  }

  /** Runs one struct test. @returns its struct result, whose signal is 0; `trap` is the vector, -1 when the core stopped otherwise */
  run(test: Buffer): Buffer {
    const view = this.#view;
    const code = this.#bytes.subarray(s.RAM_BASE + CODE_RAM, s.RAM_BASE + CODE_RAM + 3 * 4096);
    const data = this.#bytes.subarray(s.RAM_BASE + DATA_RAM, s.RAM_BASE + DATA_RAM + 2 * 4096);
    const entry = Number(test.readBigUInt64LE(16));
    for (let page = 0; page < 3; page++) this.#core.codeWritten(s.RAM_BASE + CODE_RAM + page * 4096, 4096);
    code.fill(0xcc);
    code.set(test.subarray(0, 16), entry);
    data.fill(0);
    const state = test.subarray(24);
    for (let i = 0; i < 16; i++) view.setBigUint64(s.GPR + 8 * i, state.readBigUInt64LE(8 * i), true);
    const rflags = state.readBigUInt64LE(128);
    this.#core.setFlags(rflags);
    view.setUint32(s.EFLAGS, (Number(rflags) & ~0x8d5) | 2, true);
    view.setBigUint64(s.RIP, BigInt(CODE + entry), true);
    this.#loadFpu(state.subarray(144, 144 + 512));
    const window = data.subarray(4096 - WINDOW / 2, 4096 + WINDOW / 2);
    window.set(state.subarray(656, 656 + WINDOW));
    view.setUint32(s.BUDGET, 1000, true);
    view.setUint32(s.EXIT, 0, true);
    this.#core.run();

    const result = Buffer.alloc(RESULT_SIZE);
    const exception = view.getUint32(s.EXIT, true) === s.EXIT_EXCEPTION;
    result.writeBigInt64LE(exception ? BigInt(view.getUint32(s.EXC_VECTOR, true)) : -1n, 8);
    result.writeBigUInt64LE(BigInt(view.getUint32(s.EXC_ERROR, true)), 16);
    result.writeBigUInt64LE(view.getBigUint64(s.CR2, true), 24);
    const after = result.subarray(32);
    for (let i = 0; i < 16; i++) after.writeBigUInt64LE(view.getBigUint64(s.GPR + 8 * i, true), 8 * i);
    after.writeBigUInt64LE(this.#core.getFlags() | BigInt(view.getUint32(s.EFLAGS, true)), 128);
    after.writeBigUInt64LE(view.getBigUint64(s.RIP, true), 136);
    this.#storeFpu(after.subarray(144, 144 + 512));
    after.set(window, 656);
    return result;
  }

  #loadFpu(image: Buffer): void {
    const view = this.#view;
    const fsw = image.readUInt16LE(2);
    const top = (fsw >> 11) & 7;
    view.setUint16(s.FCW, image.readUInt16LE(0), true);
    view.setUint16(s.FSW, fsw, true);
    view.setUint8(s.FTW, image.readUInt8(4));
    view.setUint16(s.FOP, image.readUInt16LE(6), true);
    view.setBigUint64(s.FIP, image.readBigUInt64LE(8), true);
    view.setBigUint64(s.FDP, image.readBigUInt64LE(16), true);
    view.setUint32(s.MXCSR, image.readUInt32LE(24), true);
    for (let i = 0; i < 8; i++) this.#bytes.set(image.subarray(32 + 16 * i, 42 + 16 * i), s.FPR + 16 * ((top + i) & 7));
    this.#bytes.set(image.subarray(160, 416), s.XMM);
  }

  #storeFpu(image: Buffer): void {
    const view = this.#view;
    const fsw = view.getUint16(s.FSW, true);
    const top = (fsw >> 11) & 7;
    image.writeUInt16LE(view.getUint16(s.FCW, true), 0);
    image.writeUInt16LE(fsw, 2);
    image.writeUInt8(view.getUint8(s.FTW), 4);
    image.writeUInt32LE(view.getUint32(s.MXCSR, true), 24);
    for (let i = 0; i < 8; i++) {
      const at = s.FPR + 16 * ((top + i) & 7);
      image.set(this.#bytes.slice(at, at + 10), 32 + 16 * i);
    }
    image.set(this.#bytes.slice(s.XMM, s.XMM + 256), 160);
  }
}
