import type { TraceValue } from '../../system/trace.js';
import { type AddressHalf, Status, VIRTIO_F_VERSION_1, type VirtioRegisters } from './registers.js';

// <linux/virtio_mmio.h>
const Reg = {
  magicValue: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendorId: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  guestPageSize: 0x028,
  queueSel: 0x030,
  queueNumMax: 0x034,
  queueNum: 0x038,
  queueAlign: 0x03c,
  queuePfn: 0x040,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDescHigh: 0x084,
  queueDriverLow: 0x090,
  queueDriverHigh: 0x094,
  queueDeviceLow: 0x0a0,
  queueDeviceHigh: 0x0a4,
  shmSel: 0x0ac,
  shmLenLow: 0x0b0,
  shmLenHigh: 0x0b4,
  shmBaseLow: 0x0b8,
  shmBaseHigh: 0x0bc,
  configGeneration: 0x0fc,
} as const;
/** Offset of the register that a queue's index is written to when it has work. */
export const QUEUE_NOTIFY = Reg.queueNotify;
const CONFIG = 0x100;
const MAGIC = 0x74726976;
/** "QEMU", as QEMU's transports have it. */
const VENDOR = 0x554d4551;
const USED_EVENT_SIZE = 2;
/** A holder of a lock that lasts this long is dead; what the guest asked for is then done without it. */
const LOCK_LIMIT_MS = 1_000;

const addressHalves = new Map<number, AddressHalf>([
  [Reg.queueDescLow, 'descLow'],
  [Reg.queueDescHigh, 'descHigh'],
  [Reg.queueDriverLow, 'driverLow'],
  [Reg.queueDriverHigh, 'driverHigh'],
  [Reg.queueDeviceLow, 'deviceLow'],
  [Reg.queueDeviceHigh, 'deviceHigh'],
]);

/** Where a transport reports to, in the thread of the vCPU. */
export interface MmioEvents {
  /** Wakes the device loop: the guest notified a queue, finished its set-up or reset the device. */
  doorbell(): void;
  /** An access that no driver makes: what, offset, size or value. */
  guestError(what: string, ...values: TraceValue[]): void;
}

/**
 * The register window of a virtio-mmio device (virtio 1.2, 4.2), as the vCPU sees it; one object a thread over the same
 * shared registers. Accesses of any offset and size are answered: what no register answers reads as zeros and ignores
 * writes. A reset returns when the device has let go of the rings.
 */
export class VirtioMmio {
  readonly #registers: VirtioRegisters;
  readonly #events: MmioEvents;

  constructor(registers: VirtioRegisters, events: MmioEvents) {
    this.#registers = registers;
    this.#events = events;
  }

  /** Fills `data` with what is read at `offset` from the base. */
  read(offset: number, data: Uint8Array): void {
    data.fill(0);
    this.#locked(() => {
      if (offset >= CONFIG) this.#readConfig(offset - CONFIG, data);
      else if (this.#isRegister('read', offset, data)) viewOf(data).setUint32(0, this.#readRegister(offset), true);
    });
  }

  write(offset: number, data: Uint8Array): void {
    const rings = this.#locked(() => {
      if (offset >= CONFIG) this.#events.guestError('write to the configuration space', offset, data.length);
      else if (this.#isRegister('write', offset, data)) {
        return this.#writeRegister(offset, viewOf(data).getUint32(0, true));
      }
      return false;
    });
    // Outside of the lock: the device may run at once, in this thread.
    if (rings) this.#events.doorbell();
  }

  /** The machine was reset; any thread may call this. */
  reset(): void {
    this.#locked(() => {
      this.#withoutRings(() => this.#registers.reset());
      this.#registers.pageSize = 0;
    });
    this.#events.doorbell();
  }

  #locked<T>(work: () => T): T {
    const { registerLock } = this.#registers;
    const held = registerLock.acquire(LOCK_LIMIT_MS);
    if (!held) this.#events.guestError('register lock was not released in time');
    try {
      return work();
    } finally {
      if (held) registerLock.release();
    }
  }

  #isRegister(what: string, offset: number, data: Uint8Array): boolean {
    if (data.length === 4 && offset % 4 === 0 && offset >= 0) return true;
    this.#events.guestError(`${what} of wrong size or alignment`, offset, data.length);
    return false;
  }

  #readConfig(offset: number, data: Uint8Array): void {
    const { config } = this.#registers;
    if (offset + data.length > config.length)
      this.#events.guestError('read beyond the configuration', offset, data.length);
    data.set(config.subarray(offset, offset + data.length));
  }

  #readRegister(offset: number): number {
    const registers = this.#registers;
    const queue = registers.queueSel;
    switch (offset) {
      case Reg.magicValue:
        return MAGIC;
      case Reg.version:
        return registers.legacy ? 1 : 2;
      case Reg.deviceId:
        return registers.deviceId;
      case Reg.vendorId:
        return VENDOR;
      case Reg.deviceFeatures:
        return this.#offeredPage();
      case Reg.queueNumMax:
        return registers.queueMax(queue);
      case Reg.interruptStatus:
        return registers.interruptStatus;
      case Reg.status:
        return registers.status;
    }
    if (registers.legacy) {
      if (offset === Reg.queuePfn) return registers.queuePfn(queue);
    } else {
      switch (offset) {
        case Reg.queueReady:
          return registers.queueReady(queue) ? 1 : 0;
        case Reg.configGeneration:
          return registers.configGeneration;
        case Reg.shmLenLow:
        case Reg.shmLenHigh:
        case Reg.shmBaseLow:
        case Reg.shmBaseHigh:
          return 0xffffffff;
      }
    }
    this.#events.guestError('read of no readable register', offset);
    return 0;
  }

  #offeredPage(): number {
    const { offered, offeredSel, legacy } = this.#registers;
    const pages = legacy ? 1 : 2;
    return offeredSel < pages ? Number((offered >> BigInt(32 * offeredSel)) & 0xffffffffn) : 0;
  }

  /** @returns whether the device loop must hear of it */
  #writeRegister(offset: number, value: number): boolean {
    const registers = this.#registers;
    switch (offset) {
      case Reg.deviceFeaturesSel:
        registers.offeredSel = value;
        return false;
      case Reg.driverFeaturesSel:
        registers.acceptedSel = value;
        return false;
      case Reg.driverFeatures:
        this.#accept(value);
        return false;
      case Reg.queueSel:
        registers.queueSel = value;
        return false;
      case Reg.queueNum:
        this.#setSize(value);
        return false;
      case Reg.queueNotify:
        return this.#notify(value);
      case Reg.interruptAck:
        registers.acknowledge(value);
        return false;
      case Reg.status:
        return this.#setStatus(value);
      default:
        return registers.legacy ? this.#writeLegacy(offset, value) : this.#writeModern(offset, value);
    }
  }

  #writeModern(offset: number, value: number): boolean {
    const registers = this.#registers;
    const half = addressHalves.get(offset);
    if (half === undefined && offset !== Reg.queueReady && offset !== Reg.shmSel) {
      this.#events.guestError('write to no writable register', offset, value);
    } else if (offset !== Reg.shmSel && this.#queueExists()) {
      const queue = registers.queueSel;
      if (half !== undefined) registers.setQueueAddress(queue, half, value);
      else if ((value & 1) === 0) {
        this.#withoutRings(() => registers.stopQueue(queue));
        return true;
      } else if (!registers.queueReady(queue)) registers.startQueue(queue);
    }
    return false;
  }

  #writeLegacy(offset: number, value: number): boolean {
    const registers = this.#registers;
    if (offset === Reg.guestPageSize) {
      if (isPowerOfTwo(value)) registers.pageSize = value;
      else this.#events.guestError('page size is not a power of two', value);
    } else if (offset === Reg.queueAlign && this.#queueExists()) {
      if (isPowerOfTwo(value)) registers.setQueueAlign(registers.queueSel, value);
      else this.#events.guestError('queue alignment is not a power of two', value);
    } else if (offset === Reg.queuePfn && this.#queueExists()) {
      this.#setPfn(registers.queueSel, value);
      return true;
    } else {
      this.#events.guestError('write to no writable register', offset, value);
    }
    return false;
  }

  /** The legacy layout (virtio 1.2, 2.7.2): table and available ring together, the used ring at the next boundary. */
  #setPfn(queue: number, pfn: number): void {
    const registers = this.#registers;
    this.#withoutRings(() => registers.stopQueue(queue));
    registers.setQueuePfn(queue, pfn);
    if (pfn === 0) return;
    const size = registers.queueSize(queue);
    const align = Math.max(registers.queueAlign(queue), 4);
    const desc = pfn * Math.max(registers.pageSize, 1);
    const driver = desc + 16 * size;
    const device = Math.ceil((driver + 4 + 2 * size + USED_EVENT_SIZE) / align) * align;
    for (const [low, high, value] of [
      ['descLow', 'descHigh', desc],
      ['driverLow', 'driverHigh', driver],
      ['deviceLow', 'deviceHigh', device],
    ] as const) {
      registers.setQueueAddress(queue, low, value % 2 ** 32);
      registers.setQueueAddress(queue, high, Math.floor(value / 2 ** 32));
    }
    registers.startQueue(queue);
  }

  #queueExists(): boolean {
    const exists = this.#registers.queueSel < this.#registers.queueCount;
    if (!exists) this.#events.guestError('no such queue', this.#registers.queueSel);
    return exists;
  }

  #accept(value: number): void {
    const registers = this.#registers;
    const page = registers.acceptedSel;
    if ((registers.status & Status.featuresOk) !== 0 || page > 1) {
      this.#events.guestError('features written too late or out of range', page, value);
      return;
    }
    const shift = BigInt(32 * page);
    const others = registers.accepted & ~(0xffffffffn << shift);
    registers.accepted = others | (BigInt(value) << shift);
  }

  #setSize(size: number): void {
    if (!this.#queueExists()) return;
    const registers = this.#registers;
    const queue = registers.queueSel;
    if (isPowerOfTwo(size) && size <= registers.queueMax(queue) && !registers.queueReady(queue)) {
      registers.setQueueSize(queue, size);
    } else {
      this.#events.guestError('queue size refused', queue, size);
    }
  }

  #notify(value: number): boolean {
    const registers = this.#registers;
    if (value >= registers.queueCount) {
      this.#events.guestError('notification of no queue', value);
      return false;
    }
    registers.notify(value);
    return registers.live;
  }

  #setStatus(value: number): boolean {
    const registers = this.#registers;
    if (value === 0) {
      this.#withoutRings(() => registers.reset());
      return true;
    }
    const { status } = registers;
    let next = value & 0xff;
    if ((next & ~status & Status.featuresOk) !== 0 && !this.#featuresFit()) {
      this.#events.guestError('features refused', registers.accepted);
      next &= ~Status.featuresOk;
    }
    registers.writeStatus(next);
    const started = (next & ~status & Status.driverOk) !== 0;
    if (started) registers.notifyAll();
    return started;
  }

  #featuresFit(): boolean {
    const { accepted, offered, legacy } = this.#registers;
    return (accepted & ~offered) === 0n && (legacy || (accepted & VIRTIO_F_VERSION_1) !== 0n);
  }

  /** Runs `work` while nobody is at the rings. */
  #withoutRings(work: () => void): void {
    const registers = this.#registers;
    registers.claimRings();
    let held = registers.queueLock.acquire(0);
    if (!held) {
      // A device whose rings another process works on keeps them until it is told.
      this.#events.doorbell();
      held = registers.queueLock.acquire(LOCK_LIMIT_MS);
    }
    if (!held) this.#events.guestError('queue lock was not released in time');
    work();
    registers.releaseClaim();
    if (held) registers.queueLock.release();
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}
