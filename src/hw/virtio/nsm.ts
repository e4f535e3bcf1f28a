import type { VirtioDevice, VirtioQueues } from './device-loop.js';
import { type Chain, QueueFault, type Virtqueue } from './queue.js';
import { VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from './registers.js';
import { gather, scatter } from './slices.js';

/** VIRTIO_ID_NITRO_SEC_MOD */
const VIRTIO_ID_NSM = 33;
const QUEUE = 0;
/** The driver puts two chains per command, and one command at a time. */
const QUEUE_SIZE = 2;
/** The longest request that the NSM takes; a longer one reaches the handler cut to one byte more. */
export const NSM_REQUEST_MAX = 0x1000;
/** The driver's response buffer is of exactly this size. */
export const NSM_RESPONSE_SIZE = 0x3000;

/** What the transport of an NSM is made for (spec/nsm.md, section 1). */
export function nsmLayout(legacy: boolean) {
  return {
    deviceId: VIRTIO_ID_NSM,
    features: VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC | VIRTIO_RING_F_EVENT_IDX,
    queueSizes: [QUEUE_SIZE],
    config: new Uint8Array(0),
    legacy,
  };
}

/**
 * Answers one request; both are CBOR.
 *
 * @param request 1 to NSM_REQUEST_MAX + 1 bytes, a copy
 * @returns at most NSM_RESPONSE_SIZE bytes
 */
export type NsmHandler = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

interface Command {
  readonly queue: Virtqueue;
  readonly request: Chain;
  readonly response: Chain;
  readonly bytes: Uint8Array;
  /** The response, or why there is none; undefined while the handler works. */
  outcome?: Uint8Array | string;
}

/** virtio-nsm, the wire side: a readable chain with the request, then a writable one for the response. */
export class NsmDevice implements VirtioDevice {
  readonly #queues: VirtioQueues;
  readonly #handle: NsmHandler;
  /** The command that is not given back yet. */
  #running: Command | undefined;

  constructor(queues: VirtioQueues, handle: NsmHandler) {
    this.#queues = queues;
    this.#handle = handle;
  }

  service(): void {
    if (this.#running === undefined) {
      const command = this.#queues.use(QUEUE, takeCommand);
      if (command === undefined) return;
      this.#running = command;
      void this.#answer(command);
    } else if (this.#running.outcome !== undefined) {
      this.#finish(this.#running, this.#running.outcome);
    }
  }

  reset(): void {
    this.#running = undefined;
  }

  async #answer(command: Command): Promise<void> {
    try {
      const response = await this.#handle(command.bytes);
      command.outcome = response.length > NSM_RESPONSE_SIZE ? 'a response that is too long' : response;
    } catch (error) {
      command.outcome = error instanceof Error ? error.message : String(error);
    }
    // Else a reset came between: the rings are gone.
    if (this.#running === command) this.service();
  }

  /** Gives both chains back, now or, while the machine is paused, at the next service(). */
  #finish(command: Command, outcome: Uint8Array | string): void {
    const isDone = this.#queues.use(QUEUE, (queue) => {
      this.#running = undefined;
      if (queue !== command.queue) return true;
      if (typeof outcome === 'string') throw new QueueFault('chain', outcome);
      // Linux fetches both at the first interrupt, the request first.
      queue.push(command.request, 0);
      queue.push(command.response, scatter(command.response.writable, 0, outcome));
      return true;
    });
    if (isDone) this.service();
  }
}

/** The next command, or undefined when there is none. @throws QueueFault for one that is not made of two proper chains */
function takeCommand(queue: Virtqueue): Command | undefined {
  const request = queue.popOrListen();
  if (request === undefined) return undefined;
  if (request.readableBytes === 0) throw new QueueFault('chain', 'an NSM request without bytes');
  const response = queue.popOrListen();
  if (response === undefined) {
    // The driver is about to add it.
    queue.unpop();
    return undefined;
  }
  if (response.writableBytes !== NSM_RESPONSE_SIZE) {
    throw new QueueFault('chain', `an NSM response buffer of ${response.writableBytes} bytes`);
  }
  queue.wantNotifications(true);
  const length = Math.min(request.readableBytes, NSM_REQUEST_MAX + 1);
  return { queue, request, response, bytes: gather(request.readable, 0, length) };
}
