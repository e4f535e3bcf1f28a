import type { VirtioDevice, VirtioQueues } from './device-loop.js';
import { VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from './registers.js';

// <linux/virtio_ids.h>
const VIRTIO_ID_RNG = 4;
const QUEUE = 0;
/** As QEMU's. */
const QUEUE_SIZE = 8;
/** A guest may offer gigabytes: it gets this much of a request, and asks again. */
export const RNG_BYTES_MAX = 64 * 1024;
/** Requests served in a row, before other devices get their turn. */
const BATCH = 16;

/** What the transport of a virtio-rng is made for (virtio 1.2, 5.4). */
export function rngLayout(legacy: boolean) {
  return {
    deviceId: VIRTIO_ID_RNG,
    features: VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC | VIRTIO_RING_F_EVENT_IDX,
    queueSizes: [QUEUE_SIZE],
    config: new Uint8Array(0),
    legacy,
  };
}

/** virtio-rng: fills what the driver offers with random bytes. */
export class RngDevice implements VirtioDevice {
  readonly #queues: VirtioQueues;
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #later: (callback: () => void) => void;

  /**
   * @param fill overwrites all of `bytes`
   * @param later runs a callback in a later turn of the event loop
   */
  constructor(queues: VirtioQueues, fill: (bytes: Uint8Array) => void, later: (callback: () => void) => void) {
    this.#queues = queues;
    this.#fill = fill;
    this.#later = later;
  }

  service(): void {
    const more = this.#queues.use(QUEUE, (queue) => {
      for (let count = 0; count < BATCH; count++) {
        const chain = queue.pop();
        if (chain === undefined) return queue.wantNotifications(true);
        let left = RNG_BYTES_MAX;
        for (const slice of chain.writable) {
          const piece = slice.subarray(0, left);
          this.#fill(piece);
          left -= piece.length;
        }
        queue.push(chain, RNG_BYTES_MAX - left);
      }
      return true;
    });
    if (more === true) this.#later(() => this.service());
  }

  reset(): void {}
}
