import { GuestMemory } from '../../src/system/guest-memory.js';
import { MemoryRam } from './memory-ram.js';

/** Guest RAM from address `base` on, and a place to take pieces from, as a kernel's page allocator would give. */
export class Guest {
  readonly memory: GuestMemory;
  readonly base: number;
  readonly size: number;
  #next: number;

  constructor({ size = 4 << 20, base = 0, windowSize = 1 << 30 } = {}) {
    this.memory = new GuestMemory([{ base, ram: new MemoryRam(size, windowSize), offset: 0, size }]);
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
    const bytes = new Uint8Array(2);
    view(bytes).setUint16(0, value, true);
    this.memory.write(at, bytes);
  }

  put32(at: number, value: number): void {
    const bytes = new Uint8Array(4);
    view(bytes).setUint32(0, value, true);
    this.memory.write(at, bytes);
  }

  put64(at: number, value: bigint): void {
    const bytes = new Uint8Array(8);
    view(bytes).setBigUint64(0, value, true);
    this.memory.write(at, bytes);
  }
}

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
  return {
    desc: guest.alloc(16 * size, 16),
    avail: guest.alloc(6 + 2 * size, 2),
    used: guest.alloc(6 + 8 * size, 4),
  };
}
