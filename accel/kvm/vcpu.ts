import { ioctl, tryIoctl } from '../../src/host/fd.js';
import { Errno, strerror } from '../../src/host/libc.js';
import { addressOf, Mapping } from '../../src/host/memory.js';
import type { Board } from '../../src/hw/i386/board.js';
import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { IoBus } from '../../src/system/io-bus.js';
import {
  Exit,
  KVM_EXIT_IO_OUT,
  KVM_GET_DEBUGREGS,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_LAPIC,
  KVM_GET_MP_STATE,
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_KVMCLOCK_CTRL,
  KVM_NMI,
  KVM_RUN,
  KVM_SET_DEVICE_ATTR,
  KVM_TRANSLATE,
  Run,
  Size,
  SystemEvent,
  tscOffsetAttr,
} from './abi.js';
import { failureText, type GuestFailure } from './failure.js';
import { LVT_LINT1, PowerOnState } from './power-on.js';
import { decodeRegisters } from './registers.js';

/** Guest RAM, as addresses. */
export interface RamPiece {
  /** Guest-physical address. */
  readonly base: number;
  readonly size: number;
  /** Host virtual address. */
  readonly address: bigint;
}

/** What a vCPU is made of, in its thread. */
export interface VcpuParts {
  readonly fd: number;
  /** struct kvm_run, mapped. */
  readonly run: { readonly address: bigint; readonly size: number };
  readonly ram: readonly RamPiece[];
  /** Indices of the MSRs that make up its state. */
  readonly msrs: readonly number[];
}

/** Why a vCPU does not go on by itself. */
export type VcpuStop =
  | { readonly type: 'reset' }
  /** Lines for the user. */
  | { readonly type: 'internal-error'; readonly text: string };

const LVT_MASKED = 0x10000;
const LVT_MODE = 0x700;
const LVT_MODE_NMI = 0x400;
const MMIO_MAX = 8;

/** A vCPU in the thread that runs it. */
export class Vcpu {
  readonly #fd: number;
  readonly #ram: readonly RamPiece[];
  readonly #powerOn: PowerOnState;
  readonly #ports: IoBus;
  readonly #mmio: IoBus;
  readonly #run: Mapping;
  // Views of kvm_run, made once: an exit allocates nothing.
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;
  /** The data of an MMIO exit, by length. */
  readonly #mmioData: readonly Uint8Array[];
  /** The data of a port exit of one item, by its size; KVM always puts it at the same place. */
  #ioData: readonly Uint8Array[] = [];
  #ioOffset = -1;

  constructor({ fd, run, ram, msrs }: VcpuParts, board: Board) {
    this.#fd = fd;
    this.#ram = ram;
    this.#ports = board.ports;
    this.#mmio = board.mmio;
    this.#run = new Mapping(run.address, run.size);
    const [bytes] = [...this.#run.windows()];
    if (bytes === undefined) throw new RangeError('kvm_run is empty');
    this.#bytes = bytes;
    this.#halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.#mmioData = this.#dataViews(Run.mmio_data, MMIO_MAX);
    this.#powerOn = new PowerOnState(fd, msrs);
  }

  #dataViews(offset: number, max: number): Uint8Array[] {
    return Array.from({ length: max + 1 }, (_, length) => this.#bytes.subarray(offset, offset + length));
  }

  /**
   * Runs the guest until a kick (undefined) or until it can't go on. Whatever an exit asked for has been done by then:
   * KVM completes an access before it looks at immediate_exit.
   */
  run(): VcpuStop | undefined {
    for (;;) {
      const result = tryIoctl(this.#fd, KVM_RUN, undefined);
      if (result < 0) {
        if (result === -Errno.EINTR) {
          // Before the caller looks for messages: whoever sends one sets it after sending.
          Atomics.store(this.#bytes, Run.immediate_exit, 0);
          return undefined;
        }
        // A vCPU that INIT or SIPI has just moved on.
        if (result === -Errno.EAGAIN) continue;
        const entryFailed = this.#exitReason === Exit.FAIL_ENTRY;
        return this.#failure(entryFailed ? this.#entryFailure() : { kind: 'run', reason: strerror(-result) });
      }
      switch (this.#exitReason) {
        case Exit.IO:
          this.#io();
          break;
        case Exit.MMIO:
          this.#access(this.#mmio, this.#mmioAddress(), this.#bytes[Run.mmio_is_write] === 1, this.#mmioBytes());
          break;
        case Exit.INTR:
          break;
        default:
          return this.#stop(this.#exitReason);
      }
    }
  }

  get #exitReason(): number {
    return this.#words[Run.exit_reason >> 2] ?? 0;
  }

  #io(): void {
    const size = this.#bytes[Run.io_size] ?? 1;
    const count = this.#words[Run.io_count >> 2] ?? 0;
    const offset = this.#words[Run.io_data_offset >> 2] ?? 0;
    const port = this.#halves[Run.io_port >> 1] ?? 0;
    const out = this.#bytes[Run.io_direction] === KVM_EXIT_IO_OUT;
    if (count === 1) {
      if (offset !== this.#ioOffset) {
        this.#ioOffset = offset;
        this.#ioData = this.#dataViews(offset, 4);
      }
      this.#access(this.#ports, port, out, this.#ioData[size] ?? new Uint8Array(size));
      return;
    }
    for (let at = offset; at < offset + count * size; at += size) {
      this.#access(this.#ports, port, out, this.#bytes.subarray(at, at + size));
    }
  }

  #access(bus: IoBus, address: number, write: boolean, data: Uint8Array): void {
    if (write) bus.write(address, data);
    else bus.read(address, data);
  }

  #mmioAddress(): number {
    const low = this.#words[Run.mmio_phys_addr >> 2] ?? 0;
    const high = this.#words[(Run.mmio_phys_addr >> 2) + 1] ?? 0;
    return high * 2 ** 32 + low;
  }

  #mmioBytes(): Uint8Array {
    return this.#mmioData[this.#words[Run.mmio_len >> 2] ?? 0] ?? new Uint8Array();
  }

  #stop(reason: number): VcpuStop {
    const word = (offset: number) => this.#words[offset >> 2] ?? 0;
    switch (reason) {
      case Exit.SHUTDOWN:
        return { type: 'reset' };
      case Exit.SYSTEM_EVENT:
        if (word(Run.system_event_type) === SystemEvent.RESET) return { type: 'reset' };
        return this.#failure({ kind: 'system-event', type: word(Run.system_event_type) });
      case Exit.FAIL_ENTRY:
        return this.#failure(this.#entryFailure());
      case Exit.INTERNAL_ERROR:
        return this.#failure({
          kind: 'internal',
          suberror: word(Run.internal_suberror),
          data: this.#long(Run.internal_data, word(Run.internal_ndata)),
        });
      default:
        return this.#failure({ kind: 'exit', reason });
    }
  }

  #entryFailure(): GuestFailure {
    const [reason = 0n] = this.#long(Run.fail_entry_reason, 1);
    return { kind: 'entry', reason };
  }

  #long(offset: number, count: number): bigint[] {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + offset);
    return Array.from({ length: Math.min(count, 16) }, (_, i) => view.getBigUint64(8 * i, true));
  }

  #failure(failure: GuestFailure): VcpuStop {
    const text = failureText(failure, this.registers(), (address) => this.#byte(address));
    return { type: 'internal-error', text };
  }

  /** A byte of guest memory by its virtual address. */
  #byte(address: bigint): number | undefined {
    const physical = this.translate(address);
    if (physical === undefined) return undefined;
    const at = Number(physical);
    const piece = this.#ram.find(({ base, size }) => at >= base && at < base + size);
    if (piece === undefined) return undefined;
    const [bytes] = [...new Mapping(piece.address + BigInt(at - piece.base), 1).windows()];
    return bytes?.[0];
  }

  /** @throws HostError */
  registers(): CpuRegisters {
    const get = (request: number, size: number) => {
      const state = Buffer.alloc(size);
      ioctl(this.#fd, request, state);
      return state;
    };
    return decodeRegisters(
      get(KVM_GET_REGS, Size.kvm_regs),
      get(KVM_GET_SREGS, Size.kvm_sregs),
      get(KVM_GET_DEBUGREGS, Size.kvm_debugregs),
      get(KVM_GET_MP_STATE, Size.kvm_mp_state).readUInt32LE(),
    );
  }

  /** Guest-physical address of a virtual one, undefined where nothing is mapped. @throws HostError */
  translate(address: bigint): bigint | undefined {
    // struct kvm_translation: linear_address 0, physical_address 8, valid 16.
    const translation = Buffer.alloc(Size.kvm_translation);
    translation.writeBigUInt64LE(BigInt.asUintN(64, address), 0);
    ioctl(this.#fd, KVM_TRANSLATE, translation);
    return translation.readUInt8(16) === 0 ? undefined : translation.readBigUInt64LE(8);
  }

  /** Pulls LINT1, as the chipset does: what comes of it is up to the local vector table. @throws HostError */
  nmi(): void {
    const lapic = Buffer.alloc(Size.kvm_lapic_state);
    ioctl(this.#fd, KVM_GET_LAPIC, lapic);
    const lvt = lapic.readUInt32LE(LVT_LINT1);
    if ((lvt & LVT_MASKED) === 0 && (lvt & LVT_MODE) === LVT_MODE_NMI) ioctl(this.#fd, KVM_NMI, undefined);
  }

  /** @param boot as of PowerOnState.restore. @throws HostError */
  reset(boot: CpuState | undefined): void {
    this.#powerOn.restore(boot);
  }

  /**
   * Takes the time that the guest stood still out of its clocks.
   *
   * @param ticks of the time stamp counter; 0 leaves it alone
   */
  skipTime(ticks: bigint): void {
    // Fails where the guest has no kvmclock; else it tells the guest's watchdog.
    tryIoctl(this.#fd, KVM_KVMCLOCK_CTRL, undefined);
    if (ticks === 0n) return;
    const offset = Buffer.alloc(8);
    const attr = tscOffsetAttr(addressOf(offset));
    // Linux before 5.16 has no such attribute: the counter then runs on.
    if (tryIoctl(this.#fd, KVM_GET_DEVICE_ATTR, attr) < 0) return;
    offset.writeBigInt64LE(BigInt.asIntN(64, offset.readBigInt64LE() - ticks));
    ioctl(this.#fd, KVM_SET_DEVICE_ATTR, attr);
  }
}
