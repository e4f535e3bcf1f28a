import type { GuestMemory } from '../../system/guest-memory.js';
import type { IrqLine } from '../../system/irq.js';
import { QueueFault, type QueueFeatures, type QueueIndices, Virtqueue } from './queue.js';
import { Interrupt, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, type VirtioRegisters } from './registers.js';

/** The thread that keeps a lock this long is dead; the work is then left undone. */
export const LOCK_LIMIT_MS = 1_000;

/** A device model as the loop drives it. It reaches its queues through VirtioQueues. */
export interface VirtioDevice {
  /** The driver has made chains available in `queue`, or has just finished its set-up. */
  service(queue: number): void;
  /** The guest reset the device: everything is as after power-on. */
  reset(): void;
}

/** The way of a device model to its queues. */
export interface VirtioQueues {
  /**
   * Runs `work` on a queue while nobody can take it away; short, and never waiting for anything. Interrupts follow after
   * it. A QueueFault thrown by it stops the device (NEEDS_RESET).
   *
   * @returns undefined, without having run `work`, when the machine is paused, the driver has not finished or the queue
   * is not set up; service() follows when that has changed
   */
  use<T>(queue: number, work: (queue: Virtqueue) => T): T | undefined;
  /** Replaces the configuration space and tells the driver. */
  changeConfig(bytes: Uint8Array): void;
}

/** The device's end of a transport as the thread drives it. */
export interface TransportEnd {
  /** Does what the guest asked for since the last call. Cheap when that is nothing. */
  poll(): void;
  /** After it no guest memory is touched; what the guest asks for waits for resume(). */
  pause(): void | Promise<void>;
  resume(): void;
  readonly state: LoopState;
}

/** Where a loop reports to. */
export interface LoopEvents {
  /** A device has stopped because of what the guest did. */
  fault(message: string): void;
}

export interface LoopState {
  /** Times the device stopped because of what the guest did. */
  readonly faults: number;
  /** By index; undefined while the device has not touched the queue. */
  readonly queues: readonly (QueueIndices | undefined)[];
}

interface LiveQueue {
  readonly generation: number;
  readonly queue: Virtqueue;
}

/** The device's end of one transport, in the thread that serves its queues. The thread calls poll() at every doorbell. */
export class VirtioDeviceLoop implements TransportEnd, VirtioQueues {
  readonly #registers: VirtioRegisters;
  readonly #memory: GuestMemory;
  readonly #irq: IrqLine;
  readonly #events: LoopEvents;
  readonly #queues: (LiveQueue | undefined)[] = [];
  #device: VirtioDevice | undefined;
  #resets: number;
  #paused = false;
  #faults = 0;

  constructor(registers: VirtioRegisters, memory: GuestMemory, irq: IrqLine, events: LoopEvents) {
    this.#registers = registers;
    this.#memory = memory;
    this.#irq = irq;
    this.#events = events;
    this.#resets = registers.resets;
  }

  /** Joins the device model, which needs the loop to be made first. */
  attach(device: VirtioDevice): void {
    this.#device = device;
  }

  poll(): void {
    this.#checkReset();
    if (this.#paused || !this.#registers.live) return;
    const notified = this.#registers.takeNotified();
    for (let queue = 0; queue < this.#registers.queueCount; queue++) {
      if ((notified & (1 << queue)) !== 0) this.#device?.service(queue);
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    // Work that came in meanwhile was turned away.
    if (this.#registers.live) this.#registers.notifyAll();
    this.poll();
  }

  get state(): LoopState {
    const queues = Array.from({ length: this.#registers.queueCount }, (_, i) => this.#queues[i]?.queue.indices);
    return { faults: this.#faults, queues };
  }

  #checkReset(): void {
    const { resets } = this.#registers;
    if (resets === this.#resets) return;
    this.#resets = resets;
    this.#queues.length = 0;
    this.#device?.reset();
  }

  use<T>(index: number, work: (queue: Virtqueue) => T): T | undefined {
    if (this.#paused) return undefined;
    const { queueLock } = this.#registers;
    if (!queueLock.acquire(LOCK_LIMIT_MS)) return undefined;
    let interrupt = false;
    try {
      const queue = this.#live(index);
      if (queue === undefined) return undefined;
      const result = work(queue);
      interrupt = queue.takeInterrupt();
      if (interrupt) this.#registers.setInterrupt(Interrupt.usedBuffer);
      return result;
    } catch (error) {
      if (!(error instanceof QueueFault)) throw error;
      interrupt = this.#stop(error);
      return undefined;
    } finally {
      queueLock.release();
      if (interrupt) this.#irq.pulse();
    }
  }

  /** The queue as the driver has set it up, unless a reset that the device has not seen yet came between. */
  #live(index: number): Virtqueue | undefined {
    const registers = this.#registers;
    if (!registers.live || registers.resets !== this.#resets || !registers.queueReady(index)) return undefined;
    const generation = registers.queueGeneration(index);
    const known = this.#queues[index];
    if (known?.generation === generation) return known.queue;
    const queue = new Virtqueue(this.#memory, registers.queueAddresses(index), queueFeatures(registers));
    this.#queues[index] = { generation, queue };
    return queue;
  }

  /** @returns whether to interrupt */
  #stop(fault: QueueFault): boolean {
    if (!this.#registers.setNeedsReset()) return false;
    this.#faults += 1;
    this.#events.fault(fault.message);
    return true;
  }

  changeConfig(bytes: Uint8Array): void {
    this.#registers.changeConfig(bytes, LOCK_LIMIT_MS);
    if (!this.#registers.live) return;
    this.#registers.setInterrupt(Interrupt.configChange);
    this.#irq.pulse();
  }
}

export function queueFeatures({ negotiated }: VirtioRegisters): QueueFeatures {
  return {
    indirect: (negotiated & VIRTIO_RING_F_INDIRECT_DESC) !== 0n,
    eventIndex: (negotiated & VIRTIO_RING_F_EVENT_IDX) !== 0n,
  };
}
