import { eventfdTake } from '../../host/fd.js';
import { watch } from '../../host/reactor.js';
import { answerBell, type BellRope } from '../../system/doorbell.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import { openIrqLines } from '../intc/irq-lines.js';
import { type Model, openModel } from './device-models.js';
import type { DeviceEvent, DevicePlan, DeviceState, DeviceThreadPlan } from './device-plan.js';
import { EventLimiter } from './event-limiter.js';
import { GuestTimers } from './guest-timers.js';
import { VirtioMmio } from './mmio.js';
import { VirtioRegisters } from './registers.js';

/** Faults, traces and heartbeats that a second may bring to the main thread. */
const EVENTS_PER_SECOND = 200;

interface Hosted {
  readonly model: Model;
  /** For resets of the machine. */
  readonly mmio: VirtioMmio;
}

/** The virtio devices of a machine in the thread that serves their queues; device-thread.ts is its other end. */
export class DeviceHost {
  readonly #timers = new GuestTimers({ paused: true });
  readonly #limiter: EventLimiter;
  readonly #emit: (event: DeviceEvent) => void;
  readonly #devices: readonly Hosted[];
  readonly #closers: (() => void)[] = [];

  /** Made paused, as a machine is. @param emit told at most a few hundred events a second */
  constructor(plan: DeviceThreadPlan, memory: GuestMemory, emit: (event: DeviceEvent) => void) {
    this.#emit = emit;
    this.#limiter = new EventLimiter(EVENTS_PER_SECOND, (count) => emit({ type: 'suppressed', count }));
    const line = openIrqLines(plan.irqs);
    this.#devices = plan.devices.map((device, index) => {
      const registers = new VirtioRegisters(device.registers);
      const trace = (what: string, ...values: (string | number | bigint)[]) =>
        this.#event({ type: 'trace', device: index, what, values });
      const model = openModel(device.device, {
        registers,
        memory,
        ram: plan.ram,
        irq: line(device.gsi),
        events: { fault: (message) => this.#event({ type: 'fault', device: index, message }) },
        timers: this.#timers,
        notifiers: device.notifiers,
        heartbeat: (byte) => this.#event({ type: 'heartbeat', device: index, byte }),
        trace,
      });
      if (model.takesNotifiers !== true) this.#watchNotifiers(device, registers, model);
      return { model, mmio: new VirtioMmio(registers, { doorbell: () => model.end.poll(), guestError: trace }) };
    });
  }

  #event(event: DeviceEvent): void {
    if (this.#limiter.pass()) this.#emit(event);
  }

  #watchNotifiers({ notifiers = [] }: DevicePlan, registers: VirtioRegisters, { end }: Model): void {
    for (const { queue, eventfd } of notifiers) {
      const notifier = watch(eventfd, { readable: true }, () => {
        eventfdTake(eventfd);
        registers.notify(queue);
        end.poll();
      });
      this.#closers.push(() => notifier.close());
    }
  }

  /** Opens the host's side of all devices. @throws QemuError; close() follows */
  async start(): Promise<void> {
    for (const { model } of this.#devices) await model.start?.();
  }

  /** Answers one more thread that rings for these devices. */
  addBell(bell: BellRope): void {
    answerBell(bell, () => {
      for (const { model } of this.#devices) model.end.poll();
    });
    this.#closers.push(() => bell.port.close());
  }

  async pause(): Promise<void> {
    this.#timers.pause();
    await Promise.all(this.#devices.map(({ model }) => model.end.pause()));
  }

  resume(): void {
    this.#timers.resume();
    for (const { model } of this.#devices) model.end.resume();
  }

  /** The machine, which is paused, was reset: every device is as after power-on. */
  reset(): void {
    for (const { mmio, model } of this.#devices) {
      mmio.reset();
      model.machineReset?.();
    }
  }

  /** @param device in the order of the plan, one of kind `vsock` */
  setGuestCid(device: number, cid: number): void {
    this.#devices[device]?.model.setGuestCid?.(cid);
  }

  get state(): DeviceState[] {
    return this.#devices.map(({ model }) => ({ ...model.end.state, ...model.state?.() }));
  }

  /** Drops all connections and stops listening; nothing keeps the thread alive then. */
  close(): void {
    for (const { model } of this.#devices) model.close?.();
    for (const close of this.#closers.splice(0)) close();
    this.#timers.clear();
  }
}
