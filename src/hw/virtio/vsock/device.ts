import type { TraceValue } from '../../../system/trace.js';
import type { VirtioDevice, VirtioQueues } from '../device-loop.js';
import { type Chain, QueueFault, type Virtqueue } from '../queue.js';
import { VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from '../registers.js';
import { gather, scatter } from '../slices.js';
import type { GuestPacket, Muxer } from './muxer.js';
import { decodeHeader, HEADER_SIZE, PAYLOAD_MAX, type PacketHeader } from './packet.js';

// <linux/virtio_ids.h>
const VIRTIO_ID_VSOCK = 19;
const QUEUE_SIZE = 128;
const RX = 0;
const TX = 1;
const EVENT = 2;
/** struct virtio_vsock_event: VIRTIO_VSOCK_EVENT_TRANSPORT_RESET is id 0. */
const TRANSPORT_RESET = new Uint8Array(4);
/** Chains of a queue served in a row, before sockets and timers get their turn. */
const BATCH = 64;
const CID_MIN = 3;
const CID_MAX = 2 ** 32 - 2;

/** What the transport of a vsock device is made for. Streams only: SEQPACKET is not offered. */
export function vsockLayout(guestCid: number, legacy: boolean) {
  return {
    deviceId: VIRTIO_ID_VSOCK,
    features: VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC | VIRTIO_RING_F_EVENT_IDX,
    queueSizes: [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE],
    config: guestCidConfig(guestCid),
    legacy,
  };
}

/** Whether a guest can have this CID: 0 to 2 are taken, 2^32 - 1 means any. */
export function isGuestCid(cid: number): boolean {
  return Number.isInteger(cid) && cid >= CID_MIN && cid <= CID_MAX;
}

function guestCidConfig(cid: number): Uint8Array {
  const config = new Uint8Array(8);
  new DataView(config.buffer).setBigUint64(0, BigInt(cid), true);
  return config;
}

export interface VsockDeviceOptions {
  readonly queues: VirtioQueues;
  readonly muxer: Muxer;
  /** Runs a callback in a later turn of the event loop, after what sockets and timers have waiting. */
  readonly later: (callback: () => void) => void;
  readonly trace: (what: string, ...values: TraceValue[]) => void;
}

/** virtio-vsock (virtio 1.2, 5.10), the wire side: moves packets between the rings and the muxer. */
export class VsockDevice implements VirtioDevice {
  readonly #options: VsockDeviceOptions;
  #scheduled = false;
  #txWaiting = false;
  #resetWaiting = false;

  constructor(options: VsockDeviceOptions) {
    this.#options = options;
  }

  service(queue: number): void {
    if (queue === TX) this.#serveTx();
    else if (queue === EVENT) this.#serveEvent();
    else this.output();
  }

  reset(): void {
    this.#txWaiting = false;
    this.#resetWaiting = false;
    this.#options.muxer.reset();
  }

  /** The muxer may have packets: they are placed soon. */
  output(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.later(() => {
      this.#scheduled = false;
      if (this.#txWaiting) this.#serveTx();
      this.#serveRx();
    });
  }

  #serveTx(): void {
    const packets: { header: PacketHeader; payload: Uint8Array }[] = [];
    const more = this.#options.queues.use(TX, (queue) => {
      queue.wantNotifications(false);
      for (let count = 0; count < BATCH; count++) {
        const chain = queue.pop();
        if (chain === undefined) return queue.wantNotifications(true);
        const packet = this.#readPacket(chain);
        if (packet !== undefined) packets.push(packet);
        queue.push(chain, 0);
      }
      return true;
    });
    // Out of the queue's lock: answers go to the other queue.
    for (const { header, payload } of packets) this.#options.muxer.receive(header, payload);
    this.#txWaiting = more === true;
    if (this.#txWaiting) this.#schedule();
  }

  /** A copy of the packet: the guest may change its memory at any time. Undefined for what is none. */
  #readPacket(chain: Chain): { header: PacketHeader; payload: Uint8Array } | undefined {
    const { trace } = this.#options;
    if (chain.readableBytes < HEADER_SIZE) {
      trace('packet shorter than its header', chain.readableBytes);
      return undefined;
    }
    const header = decodeHeader(gather(chain.readable, 0, HEADER_SIZE));
    if (header.len > PAYLOAD_MAX || header.len > chain.readableBytes - HEADER_SIZE) {
      trace('packet longer than its buffers', header.len, chain.readableBytes);
      return undefined;
    }
    return { header, payload: gather(chain.readable, HEADER_SIZE, header.len) };
  }

  #serveRx(): void {
    const { queues, muxer } = this.#options;
    if (!muxer.hasOutput) return;
    const more = queues.use(RX, (queue) => {
      queue.wantNotifications(false);
      for (let count = 0; count < BATCH; count++) {
        if (!muxer.hasOutput) return false;
        const chain = queue.popOrListen();
        if (chain === undefined) return false;
        this.#place(queue, chain);
      }
      return true;
    });
    if (more === true) this.#schedule();
  }

  #place(queue: Virtqueue, chain: Chain): void {
    if (chain.writableBytes <= HEADER_SIZE) {
      throw new QueueFault('chain', `a receive buffer of ${chain.writableBytes} bytes`);
    }
    const packet = this.#options.muxer.take(chain.writableBytes - HEADER_SIZE);
    if (packet === undefined) queue.unpop();
    else queue.push(chain, place(chain.writable, packet));
  }

  /** Tells the driver that all connections are gone and that its CID may have changed. */
  transportReset(guestCid: number): void {
    const { queues, muxer } = this.#options;
    muxer.reset(guestCid);
    queues.changeConfig(guestCidConfig(guestCid));
    this.#resetWaiting = true;
    this.#serveEvent();
  }

  #serveEvent(): void {
    if (!this.#resetWaiting) return;
    this.#options.queues.use(EVENT, (queue) => {
      const chain = queue.pop();
      if (chain === undefined) return;
      if (chain.writableBytes < TRANSPORT_RESET.length) {
        throw new QueueFault('chain', `an event buffer of ${chain.writableBytes} bytes`);
      }
      this.#resetWaiting = false;
      queue.push(chain, scatter(chain.writable, 0, TRANSPORT_RESET));
    });
  }
}

function place(slices: readonly Uint8Array[], { header, payload }: GuestPacket): number {
  return scatter(slices, 0, header) + scatter(slices, header.length, payload);
}
