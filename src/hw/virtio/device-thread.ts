import { type MessagePort, Worker } from 'node:worker_threads';
import { type BellRope, createBell } from '../../system/doorbell.js';
import { QemuError } from '../../system/errors.js';
import { compiledRoot } from '../../system/layout.js';
import type {
  CommandName,
  DeviceCommands,
  DeviceEvent,
  DeviceMessage,
  DeviceRequest,
  DeviceState,
  DeviceThreadPlan,
} from './device-plan.js';

/** The thread never waits for anything but a connection to be made; one that takes longer than this is lost. */
const COMMAND_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 2_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** What the thread tells. */
export interface DeviceThreadEvents {
  event(event: DeviceEvent): void;
  /** The thread has ended by itself: a defect of this program. No command is answered any more. */
  failed(error: Error): void;
}

/**
 * The thread that serves the queues of a machine's virtio devices and has the host's side of them. Made on the main
 * thread: ropes first (the vCPU threads need them), then start() with the rest. The devices begin paused.
 */
export class DeviceThread {
  readonly #events: DeviceThreadEvents;
  readonly #bells: BellRope[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #worker: Worker | undefined;
  #started = false;
  #closing = false;
  #lastId = 0;

  /** Starts the thread, which takes its time: the plan may come later. */
  constructor(events: DeviceThreadEvents) {
    this.#events = events;
    const worker = new Worker(new URL('src/hw/virtio/device-thread.worker.js', compiledRoot));
    this.#worker = worker;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#fail(new Error('the device thread has ended'));
        resolve();
      });
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('message', (message: DeviceMessage) => this.#take(message));
  }

  /** A rope for one thread that rings for any of the devices (BoardDevice.bell); before or after start(). */
  rope(): BellRope {
    const { rope, listener } = createBell();
    if (this.#started) this.#addBell(listener);
    else this.#bells.push(listener);
    return rope;
  }

  #addBell(listener: BellRope): void {
    this.#command('bell', [listener], [listener.port]).catch(() => {});
  }

  /** Makes the devices and opens what they listen on. @throws QemuError; the thread is closed then */
  async start(plan: DeviceThreadPlan): Promise<void> {
    this.#started = true;
    const started = this.#command('start', [plan]);
    for (const bell of this.#bells.splice(0)) this.#addBell(bell);
    try {
      await started;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Resolves when no device touches guest memory any more; guest time stands still for them until resume(). */
  async pause(): Promise<void> {
    await this.#command('pause', []);
  }

  async resume(): Promise<void> {
    await this.#command('resume', []);
  }

  /** The machine was reset, its vCPUs are paused: every device is as after power-on, all connections are gone. */
  async reset(): Promise<void> {
    await this.#command('reset', []);
  }

  /**
   * Gives a guest another CID while it runs: all its connections are dropped, and its driver is told (transport reset).
   *
   * @param device a vsock device, in the order of the plan
   * @param cid as isGuestCid() allows
   */
  async setGuestCid(device: number, cid: number): Promise<void> {
    await this.#command('setGuestCid', [device, cid]);
  }

  /** Of each device, in the order of the plan. */
  async state(): Promise<readonly DeviceState[]> {
    return await this.#command('state', []);
  }

  /** Drops all connections and ends the thread; safe to call twice and before start(). */
  async close(): Promise<void> {
    const worker = this.#worker;
    for (const { port } of this.#bells.splice(0)) port.close();
    if (worker === undefined) return;
    if (!this.#closing) {
      this.#closing = true;
      this.#command('close', []).catch(() => {});
    }
    const late = setTimeout(() => void worker.terminate(), CLOSE_LIMIT_MS);
    await this.#exited;
    clearTimeout(late);
  }

  #command<N extends CommandName>(
    name: N,
    args: Parameters<DeviceCommands[N]>,
    transfer: readonly MessagePort[] = [],
  ): Promise<ReturnType<DeviceCommands[N]>> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.reject(new Error('the device thread does not run'));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new QemuError(`the device thread did not answer '${name}' within ${COMMAND_LIMIT_MS / 1000} seconds`));
      }, COMMAND_LIMIT_MS);
      this.#waiting.set(id, {
        resolve(result) {
          clearTimeout(timer);
          resolve(result as ReturnType<DeviceCommands[N]>);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      worker.postMessage({ id, name, args } satisfies DeviceRequest, transfer);
    });
  }

  #take(message: DeviceMessage): void {
    if ('event' in message) {
      this.#events.event(message.event);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ('result' in message) waiting?.resolve(message.result);
    else waiting?.reject(asQemuError(message.error));
  }

  #fail(error: Error): void {
    const wasRunning = this.#worker !== undefined && !this.#closing;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    if (wasRunning) this.#events.failed(error);
  }
}

function asQemuError({ message, hint }: { message: string; hint: string | undefined }): QemuError {
  return new QemuError(message, hint === undefined ? {} : { hint });
}
