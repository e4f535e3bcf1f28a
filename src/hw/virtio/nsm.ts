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
}

/** virtio-nsm, the wire side: a readable chain with the request, then a writable one for the response. */
export class NsmDevice implements VirtioDevice {
  readonly #queues: VirtioQueues;
  readonly #handle: NsmHandler;
  /** The command that the handler has. */
  #running: Command | undefined;

  constructor(queues: VirtioQueues, handle: NsmHandler) {
    this.#queues = queues;
    this.#handle = handle;
  }

  service(): void {
    if (this.#running !== undefined) return;
    const command = this.#queues.use(QUEUE, takeCommand);
    if (command === undefined) return;
    this.#running = command;
    void this.#run(command);
  }

  reset(): void {
    this.#running = undefined;
  }

  async #run(command: Command): Promise<void> {
    let response: Uint8Array | undefined;
    let failure = 'a response that is too long';
    try {
      response = await this.#handle(command.bytes);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    // A reset came between: the rings are gone.
    if (this.#running !== command) return;
    this.#running = undefined;
    this.#queues.use(QUEUE, (queue) => {
      if (queue !== command.queue) return;
      if (response === undefined || response.length > NSM_RESPONSE_SIZE) throw new QueueFault('chain', failure);
      // Linux fetches both at the first interrupt, the request first.
      queue.push(command.request, 0);
      queue.push(command.response, scatter(command.response.writable, 0, response));
    });
    this.service();
  }
}

/** The next command, or undefined when there is none. @throws QueueFault for one that is not made of two proper chains */
function takeCommand(queue: Virtqueue): Command | undefined {
  const request = queue.pop() ?? (queue.wantNotifications(true) ? queue.pop() : undefined);
  if (request === undefined) return undefined;
  if (request.readableBytes === 0) throw new QueueFault('chain', 'an NSM request without bytes');
  const response = queue.pop();
  if (response === undefined) throw new QueueFault('chain', 'an NSM request without a response buffer');
  if (response.writableBytes !== NSM_RESPONSE_SIZE) {
    throw new QueueFault('chain', `an NSM response buffer of ${response.writableBytes} bytes`);
  }
  queue.wantNotifications(true);
  const length = Math.min(request.readableBytes, NSM_REQUEST_MAX + 1);
  return { queue, request, response, bytes: gather(request.readable, 0, length) };
}
