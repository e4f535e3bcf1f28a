import { GuestMemory } from '../../src/system/guest-memory.js';
import type { GuestRam } from '../../src/system/guest-ram.js';
import { MemoryRam } from './memory-ram.js';

/** Guest RAM from address `base` on, and a place to take pieces from, as a kernel's page allocator would give. */
export class Guest {
  readonly memory: GuestMemory;
  readonly base: number;
  readonly size: number;
  #next: number;

  constructor({
    size = 4 << 20,
    base = 0,
    windowSize = 1 << 30,
    ram = new MemoryRam(size, windowSize),
  }: { size?: number; base?: number; windowSize?: number; ram?: GuestRam } = {}) {
    this.memory = new GuestMemory([{ base, ram, offset: 0, size }]);
    this.base = base;
    this.size = size;
    this.#next = base + 4096;
  }

  alloc(bytes: number, alignment = 16): number {
    const at = Math.ceil(this.#next / alignment) * alignment;
    this.#next = at + bytes;
    if (this.#next > this.base + this.size) throw new Error('the guest of the test is out of memory');
    return at;
  }

  u16(at: number): number {
    return view(this.memory.read(at, 2)).getUint16(0, true);
  }

  u32(at: number): number {
    return view(this.memory.read(at, 4)).getUint32(0, true);
  }

  put16(at: number, value: number): void {
    scratch.setUint16(0, value, true);
    this.memory.write(at, scratchBytes.subarray(0, 2));
  }

  put32(at: number, value: number): void {
    scratch.setUint32(0, value, true);
    this.memory.write(at, scratchBytes.subarray(0, 4));
  }

  put64(at: number, value: bigint): void {
    scratch.setBigUint64(0, value, true);
    this.memory.write(at, scratchBytes);
  }
}

const scratchBytes = new Uint8Array(8);
const scratch = new DataView(scratchBytes.buffer);

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export interface RingLayout {
  desc: number;
  avail: number;
  used: number;
}

export interface UsedBuffer {
  /** What add() was given as its token. */
  token: unknown;
  /** The used length. */
  length: number;
  /** The bytes of the writable buffers, joined and cut at `length`. */
  bytes: Uint8Array;
}

interface InFlight {
  token: unknown;
  descriptors: number[];
  writable: { at: number; length: number }[];
}

/** The driver's end of a split virtqueue, after the algorithm of Linux's virtio_ring. */
export class DriverQueue {
  readonly guest: Guest;
  readonly size: number;
  readonly ring: RingLayout;
  readonly indirect: boolean;
  readonly eventIndex: boolean;
  readonly #free: number[];
  readonly #inFlight = new Map<number, InFlight>();
  #availIndex = 0;
  #kicked = 0;
  #lastUsed = 0;

  constructor(guest: Guest, size: number, { indirect = false, eventIndex = false, ring = layOut(guest, size) } = {}) {
    this.guest = guest;
    this.size = size;
    this.ring = ring;
    this.indirect = indirect;
    this.eventIndex = eventIndex;
    this.#free = Array.from({ length: size }, (_, i) => i);
  }

  get freeDescriptors(): number {
    return this.#free.length;
  }

  /** Makes buffers available: `readable` placed in guest RAM, then room for `writable` bytes each. False when full. */
  add(token: unknown, readable: readonly Uint8Array[], writable: readonly number[]): boolean {
    const buffers = [
      ...readable.map((bytes) => {
        const at = this.guest.alloc(bytes.length);
        this.guest.memory.write(at, bytes);
        return { at, length: bytes.length, flags: 0 };
      }),
      ...writable.map((length) => ({ at: this.guest.alloc(length), length, flags: 2 })),
    ];
    return this.addPlaced(token, buffers);
  }

  /** As add() for buffers that lie in guest RAM already; flags 2 is writable. */
  addPlaced(token: unknown, buffers: readonly { at: number; length: number; flags: number }[]): boolean {
    const indirect = this.indirect && buffers.length > 1;
    const needed = indirect ? 1 : buffers.length;
    if (this.#free.length < needed) return false;
    const descriptors = this.#free.splice(0, needed);
    const [head = 0] = descriptors;
    if (indirect) {
      const table = this.guest.alloc(16 * buffers.length);
      for (const [i, buffer] of buffers.entries()) this.#write(table, i, buffer, i + 1, i + 1 < buffers.length);
      this.#write(this.ring.desc, head, { at: table, length: 16 * buffers.length, flags: 4 }, 0, false);
    } else {
      for (const [i, buffer] of buffers.entries()) {
        this.#write(this.ring.desc, descriptors[i] ?? 0, buffer, descriptors[i + 1] ?? 0, i + 1 < buffers.length);
      }
    }
    this.#inFlight.set(head, { token, descriptors, writable: buffers.filter(({ flags }) => (flags & 2) !== 0) });
    this.guest.put16(this.ring.avail + 4 + 2 * (this.#availIndex % this.size), head);
    this.#availIndex = (this.#availIndex + 1) % 65536;
    this.guest.put16(this.ring.avail + 2, this.#availIndex);
    return true;
  }

  #write(
    table: number,
    index: number,
    { at, length, flags }: { at: number; length: number; flags: number },
    next: number,
    more: boolean,
  ): void {
    const entry = table + 16 * index;
    this.guest.put64(entry, BigInt(at));
    this.guest.put32(entry + 8, length);
    this.guest.put16(entry + 12, more ? flags | 1 : flags);
    this.guest.put16(entry + 14, more ? next : 0);
  }

  /** Whether the device wants to hear of what was added since the last time this was asked (vring_need_event). */
  kickNeeded(): boolean {
    const old = this.#kicked;
    const now = this.#availIndex;
    this.#kicked = now;
    if (!this.eventIndex) return now !== old && (this.guest.u16(this.ring.used) & 1) === 0;
    const event = this.guest.u16(this.ring.used + 4 + 8 * this.size);
    return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
  }

  /** The next used buffer. @throws Error when the device gives back what it does not hold */
  take(): UsedBuffer | undefined {
    if (this.guest.u16(this.ring.used + 2) === this.#lastUsed) return undefined;
    const entry = this.ring.used + 4 + 8 * (this.#lastUsed % this.size);
    const id = this.guest.u32(entry);
    const length = this.guest.u32(entry + 4);
    const inFlight = this.#inFlight.get(id);
    if (inFlight === undefined) throw new Error(`used id ${id} is not in flight`);
    this.#inFlight.delete(id);
    this.#free.push(...inFlight.descriptors);
    this.#lastUsed = (this.#lastUsed + 1) % 65536;
    if (this.eventIndex) this.guest.put16(this.ring.avail + 4 + 2 * this.size, this.#lastUsed);
    const parts = inFlight.writable.map(({ at, length }) => this.guest.memory.read(at, length));
    return { token: inFlight.token, length, bytes: new Uint8Array(Buffer.concat(parts).subarray(0, length)) };
  }

  takeAll(): UsedBuffer[] {
    const all: UsedBuffer[] = [];
    for (let used = this.take(); used !== undefined; used = this.take()) all.push(used);
    return all;
  }
}

/** The three parts where a modern driver may put them: each on its own, aligned as it must be. */
export function layOut(guest: Guest, size: number): RingLayout {
  // Zeroed: the memory may have been something else before.
  const part = (bytes: number, alignment: number) => {
    const at = guest.alloc(bytes, alignment);
    guest.memory.write(at, new Uint8Array(bytes));
    return at;
  };
  return { desc: part(16 * size, 16), avail: part(6 + 2 * size, 2), used: part(6 + 8 * size, 4) };
}

/** What a transport answers to loads and stores, as VirtioMmio does. */
export interface MmioWindow {
  read(offset: number, data: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
}

export interface ProbeOptions {
  /** Features that the driver knows besides VERSION_1. */
  features?: bigint;
  queues?: number;
  /** Upper limit of the queue sizes. */
  size?: number;
}

/** Drives a transport as Linux's virtio_mmio does, version 1 and 2. */
export class MmioDriver {
  readonly guest: Guest;
  readonly window: MmioWindow;
  queues: DriverQueue[] = [];
  features = 0n;

  constructor(guest: Guest, window: MmioWindow) {
    this.guest = guest;
    this.window = window;
  }

  get(offset: number): number {
    const data = new Uint8Array(4);
    this.window.read(offset, data);
    return view(data).getUint32(0, true);
  }

  put(offset: number, value: number): void {
    const data = new Uint8Array(4);
    view(data).setUint32(0, value, true);
    this.window.write(offset, data);
  }

  config(offset: number, length: number): Uint8Array {
    const data = new Uint8Array(length);
    this.window.read(0x100 + offset, data);
    return data;
  }

  /** Probe to DRIVER_OK. @throws Error where Linux would give up */
  start({ features = (1n << 28n) | (1n << 29n), queues = 1, size = 256 }: ProbeOptions = {}): void {
    if (this.get(0) !== 0x74726976) throw new Error('wrong magic value');
    const version = this.get(4);
    if (version !== 1 && version !== 2) throw new Error(`version ${version}`);
    if (version === 1) this.put(0x28, 4096);
    this.put(0x70, 0);
    this.put(0x70, 1);
    this.put(0x70, 3);
    this.put(0x14, 1);
    const high = BigInt(this.get(0x10));
    this.put(0x14, 0);
    const offered = BigInt(this.get(0x10)) | (high << 32n);
    if (version === 2 && (offered & (1n << 32n)) === 0n) throw new Error('no VERSION_1');
    this.features = offered & (features | (version === 2 ? 1n << 32n : 0n));
    this.put(0x24, 1);
    this.put(0x20, Number(this.features >> 32n));
    this.put(0x24, 0);
    this.put(0x20, Number(this.features & 0xffffffffn));
    if (version === 2) {
      this.put(0x70, 11);
      if ((this.get(0x70) & 8) === 0) throw new Error('the device refused the features');
    }
    this.queues = Array.from({ length: queues }, (_, i) => this.#setUp(i, size, version === 1));
    this.put(0x70, this.get(0x70) | 4);
  }

  #setUp(index: number, limit: number, legacy: boolean): DriverQueue {
    this.put(0x30, index);
    if (this.get(legacy ? 0x40 : 0x44) !== 0) throw new Error(`queue ${index} is in use`);
    const size = Math.min(this.get(0x34), limit);
    if (size === 0) throw new Error(`no queue ${index}`);
    this.put(0x38, size);
    const ring = legacy ? this.#layOutLegacy(size) : layOut(this.guest, size);
    if (legacy) {
      this.put(0x3c, 4096);
      this.put(0x40, ring.desc / 4096);
    } else {
      for (const [at, address] of [
        [0x80, ring.desc],
        [0x90, ring.avail],
        [0xa0, ring.used],
      ] as const) {
        this.put(at, address % 2 ** 32);
        this.put(at + 4, Math.floor(address / 2 ** 32));
      }
      this.put(0x44, 1);
    }
    const has = (bit: bigint) => (this.features & (1n << bit)) !== 0n;
    return new DriverQueue(this.guest, size, { indirect: has(28n), eventIndex: has(29n), ring });
  }

  /** vring_init of <linux/virtio_ring.h> */
  #layOutLegacy(size: number): RingLayout {
    const usedOffset = Math.ceil((16 * size + 2 * (3 + size)) / 4096) * 4096;
    const desc = this.guest.alloc(usedOffset + 6 + 8 * size, 4096);
    return { desc, avail: desc + 16 * size, used: desc + usedOffset };
  }

  queue(index: number): DriverQueue {
    const queue = this.queues[index];
    if (queue === undefined) throw new Error(`no queue ${index}`);
    return queue;
  }

  /** Rings for `index` if the device wants to hear of it. */
  kick(index: number): void {
    if (this.queue(index).kickNeeded()) this.put(0x50, index);
  }

  /** What the interrupt handler does first: reads the reasons and acknowledges them. */
  acknowledge(): number {
    const reasons = this.get(0x60);
    this.put(0x64, reasons);
    return reasons;
  }
}

/** An interrupt line that counts edges. */
export class CountingIrq {
  pulses = 0;

  pulse(): void {
    this.pulses += 1;
  }

  raise(): void {
    throw new Error('virtio-mmio interrupts are edges');
  }

  lower(): void {
    throw new Error('virtio-mmio interrupts are edges');
  }
}
