import { address, type GuestMemory } from '../../system/guest-memory.js';
import { RingArea } from './ring-area.js';

// <linux/virtio_ring.h>
const DESC_SIZE = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;
const USED_F_NO_NOTIFY = 1;
const RING_IDX = 2;
const RING_ENTRIES = 4;
const USED_ENTRY_SIZE = 8;
/** Queue sizes are powers of two up to this (virtio 1.2, 2.7). */
export const QUEUE_SIZE_MAX = 32768;
const CHAIN_BYTES_MAX = 2 ** 32 - 1;

/** What is wrong with a ring. */
export type QueueFaultKind =
  | 'size'
  | 'alignment'
  | 'ring-address'
  | 'avail-index'
  | 'head'
  | 'in-flight'
  | 'next'
  | 'loop'
  | 'order'
  | 'buffer-address'
  | 'length'
  | 'indirect'
  | 'chain';

/** The guest broke the rules of the ring: the device stops and asks to be reset (DEVICE_NEEDS_RESET). */
export class QueueFault extends Error {
  override readonly name = 'QueueFault';
  readonly kind: QueueFaultKind;

  constructor(kind: QueueFaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Where the driver put a queue: its size in entries and the guest-physical addresses of its three parts. */
export interface QueueAddresses {
  readonly size: number;
  readonly desc: bigint;
  /** Available ring. */
  readonly driver: bigint;
  /** Used ring. */
  readonly device: bigint;
}

/** The negotiated features that change how a ring is read. */
export interface QueueFeatures {
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIndex: boolean;
}

/** The buffers of one request, as views of guest RAM: the guest may change them at any time. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Uint8Array[];
  readonly readableBytes: number;
  readonly writable: readonly Uint8Array[];
  readonly writableBytes: number;
}

interface Descriptor {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
  readonly next: number;
}

/** Where the device stands in a queue. */
export interface QueueIndices {
  /** The next available index to be popped. */
  readonly avail: number;
  /** The next used index to be written. */
  readonly used: number;
  /** Chains popped and not given back. */
  readonly inFlight: number;
}

/** The device's side of a split virtqueue (virtio 1.2, 2.7). Used by one thread; the guest works on the same memory. */
export class Virtqueue {
  readonly size: number;
  readonly #memory: GuestMemory;
  readonly #features: QueueFeatures;
  readonly #desc: RingArea;
  readonly #avail: RingArea;
  readonly #used: RingArea;
  #nextAvail = 0;
  #nextUsed = 0;
  #signalledUsed = 0;
  #inFlight = 0;

  /** @throws QueueFault when size, alignment or addresses cannot be */
  constructor(memory: GuestMemory, { size, desc, driver, device }: QueueAddresses, features: QueueFeatures) {
    if (size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new QueueFault('size', `queue size ${size} is not a power of two up to ${QUEUE_SIZE_MAX}`);
    }
    this.size = size;
    this.#memory = memory;
    this.#features = features;
    this.#desc = ring(memory, 'descriptor table', desc, DESC_SIZE * size, 16);
    this.#avail = ring(memory, 'available ring', driver, RING_ENTRIES + 2 * size + 2, 2);
    this.#used = ring(memory, 'used ring', device, RING_ENTRIES + USED_ENTRY_SIZE * size + 2, 4);
  }

  /** As x-query-virtio-queue-status shows them. */
  get indices(): QueueIndices {
    return { avail: this.#nextAvail, used: this.#nextUsed, inFlight: this.#inFlight };
  }

  /** Whether the driver has made a chain available that was not popped. */
  get available(): boolean {
    return this.#avail.load16(RING_IDX) !== this.#nextAvail;
  }

  /**
   * The next available chain, or undefined when there is none.
   *
   * @throws QueueFault; the queue must not be used any more
   */
  pop(): Chain | undefined {
    const waiting = (this.#avail.load16(RING_IDX) - this.#nextAvail) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > this.size) {
      throw new QueueFault('avail-index', `${waiting} chains made available in a queue of ${this.size}`);
    }
    if (this.#inFlight === this.size) {
      throw new QueueFault('in-flight', `a chain made available while all ${this.size} are in use`);
    }
    const head = this.#avail.get16(RING_ENTRIES + 2 * (this.#nextAvail & (this.size - 1)));
    const chain = this.#walk(head);
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    this.#inFlight += 1;
    return chain;
  }

  /** As pop(); when there is no chain, the driver shall ring for the next one. */
  popOrListen(): Chain | undefined {
    return this.pop() ?? (this.wantNotifications(true) ? this.pop() : undefined);
  }

  /** Puts the chain popped last back: it will be popped again. Only right after its pop(). */
  unpop(): void {
    this.#nextAvail = (this.#nextAvail - 1) & 0xffff;
    this.#inFlight -= 1;
  }

  /** Gives a chain back to the driver. @param written bytes placed in its writable part, from the start */
  push(chain: Chain, written: number): void {
    const entry = RING_ENTRIES + USED_ENTRY_SIZE * (this.#nextUsed & (this.size - 1));
    this.#used.set32(entry, chain.head);
    this.#used.set32(entry + 4, written);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    this.#inFlight -= 1;
    // A release: the guest sees the entry before the index that covers it.
    this.#used.store16(RING_IDX, this.#nextUsed);
  }

  /** Whether the driver wants an interrupt for what was pushed since this was asked last. */
  takeInterrupt(): boolean {
    const old = this.#signalledUsed;
    const now = this.#nextUsed;
    if (old === now) return false;
    this.#signalledUsed = now;
    if (!this.#features.eventIndex) return (this.#avail.load16(0) & AVAIL_F_NO_INTERRUPT) === 0;
    const usedEvent = this.#avail.load16(RING_ENTRIES + 2 * this.size);
    return ((now - usedEvent - 1) & 0xffff) < ((now - old) & 0xffff);
  }

  /**
   * Says whether the driver shall ring for new chains. Advice: a driver may ring anyway.
   *
   * @returns after switching on, whether a chain came in meanwhile, for which no ring may follow
   */
  wantNotifications(on: boolean): boolean {
    if (this.#features.eventIndex) {
      // Without an event index to say "never", one just passed is as good: it comes round after 65,535 chains.
      const event = on ? this.#nextAvail : this.#nextAvail - 1;
      this.#used.store16(RING_ENTRIES + USED_ENTRY_SIZE * this.size, event & 0xffff);
    } else {
      this.#used.store16(0, on ? 0 : USED_F_NO_NOTIFY);
    }
    return on && this.available;
  }

  #walk(head: number): Chain {
    if (head >= this.size) throw new QueueFault('head', `chain head ${head} in a queue of ${this.size}`);
    const chain = new ChainBuilder(this.#memory, head);
    let table: RingArea = this.#desc;
    let count = this.size;
    let index = head;
    for (let steps = 0; ; steps++) {
      if (steps === this.size) throw new QueueFault('loop', `a chain of more than ${this.size} descriptors`);
      const descriptor = readDescriptor(table, index);
      if ((descriptor.flags & DESC_F_INDIRECT) !== 0) {
        if (table !== this.#desc) throw new QueueFault('indirect', 'an indirect table inside an indirect table');
        table = this.#indirect(descriptor);
        count = table.size / DESC_SIZE;
        index = 0;
        // The table is not a buffer; only what it lists counts towards the length of the chain.
        steps -= 1;
        continue;
      }
      chain.add(descriptor);
      if ((descriptor.flags & DESC_F_NEXT) === 0) return chain;
      index = descriptor.next;
      if (index >= count) throw new QueueFault('next', `next descriptor ${index} in a table of ${count}`);
    }
  }

  #indirect({ addr, len, flags }: Descriptor): RingArea {
    if (!this.#features.indirect) throw new QueueFault('indirect', 'an indirect table that was not negotiated');
    if ((flags & DESC_F_NEXT) !== 0) throw new QueueFault('indirect', 'an indirect table with a next descriptor');
    if (len === 0 || len % DESC_SIZE !== 0) {
      throw new QueueFault('indirect', `an indirect table of ${len} bytes`);
    }
    const at = address(addr);
    const slices = at === undefined ? undefined : this.#memory.slices(at, len);
    if (slices === undefined) throw outside('indirect', 'indirect table', addr, len);
    return new RingArea(slices);
  }
}

/** Collects the buffers of a chain, checking each. */
class ChainBuilder implements Chain {
  readonly head: number;
  readonly readable: Uint8Array[] = [];
  readonly writable: Uint8Array[] = [];
  readableBytes = 0;
  writableBytes = 0;
  readonly #memory: GuestMemory;
  #sawWritable = false;

  constructor(memory: GuestMemory, head: number) {
    this.#memory = memory;
    this.head = head;
  }

  add({ addr, len, flags }: Descriptor): void {
    const at = address(addr);
    const slices = at === undefined ? undefined : this.#memory.slices(at, len);
    if (slices === undefined) throw outside('buffer-address', 'buffer', addr, len);
    if (this.readableBytes + this.writableBytes + len > CHAIN_BYTES_MAX) {
      throw new QueueFault('length', 'a chain of 4 GiB or more');
    }
    if ((flags & DESC_F_WRITE) !== 0) {
      this.#sawWritable = true;
      this.writableBytes += len;
      for (const slice of slices) this.writable.push(slice);
    } else {
      if (this.#sawWritable) throw new QueueFault('order', 'a readable descriptor after a writable one');
      this.readableBytes += len;
      for (const slice of slices) this.readable.push(slice);
    }
  }
}

/** Reads each field once: the guest may change them meanwhile. */
function readDescriptor(table: RingArea, index: number): Descriptor {
  const at = DESC_SIZE * index;
  return { addr: table.get64(at), len: table.get32(at + 8), flags: table.get16(at + 12), next: table.get16(at + 14) };
}

function ring(memory: GuestMemory, what: string, addr: bigint, size: number, alignment: number): RingArea {
  if (addr % BigInt(alignment) !== 0n) {
    throw new QueueFault('alignment', `${what} at 0x${addr.toString(16)} is not aligned to ${alignment}`);
  }
  const at = address(addr);
  const slices = at === undefined ? undefined : memory.slices(at, size);
  if (slices === undefined) throw outside('ring-address', what, addr, size);
  return new RingArea(slices);
}

function outside(kind: QueueFaultKind, what: string, addr: bigint, size: number): QueueFault {
  return new QueueFault(kind, `${what} of ${size} bytes at 0x${addr.toString(16)} is not in guest RAM`);
}
