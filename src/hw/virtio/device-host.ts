import { randomFillSync } from 'node:crypto';
import { eventfdTake } from '../../host/fd.js';
import { watch } from '../../host/reactor.js';
import { answerBell, type BellRope } from '../../system/doorbell.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import type { TraceValue } from '../../system/trace.js';
import { openIrqLines } from '../intc/irq-lines.js';
import { VirtioDeviceLoop } from './device-loop.js';
import type { DeviceEvent, DeviceKind, DevicePlan, DeviceState, DeviceThreadPlan } from './device-plan.js';
import { EventLimiter } from './event-limiter.js';
import { GuestTimers } from './guest-timers.js';
import { VirtioMmio } from './mmio.js';
import { NsmDevice } from './nsm.js';
import { NsmMind } from './nsm-mind.js';
import { VirtioRegisters } from './registers.js';
import { RngDevice } from './rng.js';
import { openBackend } from './vsock/backends.js';
import { VsockDevice } from './vsock/device.js';
import { HeartbeatBackend } from './vsock/heartbeat.js';
import { Muxer } from './vsock/muxer.js';

/** Faults, traces and heartbeats that a second may bring to the main thread. */
const EVENTS_PER_SECOND = 200;

/** What a device model needs of the thread. */
interface Surroundings {
  readonly loop: VirtioDeviceLoop;
  readonly timers: GuestTimers;
  readonly heartbeat: (byte: number) => void;
  readonly trace: (what: string, ...values: TraceValue[]) => void;
}

/** A device model with what lies behind it; the parts that a kind has no use for are absent. */
interface Model {
  /** Opens what the host's side listens on. @throws QemuError */
  start?(): Promise<void>;
  /** The machine was reset, after the device was. */
  machineReset?(): void;
  state?(): Pick<DeviceState, 'vsock' | 'pcrs'>;
  close?(): void;
}

interface Hosted {
  readonly loop: VirtioDeviceLoop;
  readonly mmio: VirtioMmio;
  readonly model: Model;
}

/** The virtio devices of a machine in the thread that serves their queues; device-thread.ts is its other end. */
export class DeviceHost {
  readonly #timers = new GuestTimers({ paused: true });
  readonly #limiter: EventLimiter;
  readonly #emit: (event: DeviceEvent) => void;
  readonly #devices: readonly Hosted[];
  readonly #closers: (() => void)[] = [];

  /** Made paused, as a machine is. @param emit told at most a few hundred events a second */
  constructor(
    { devices, irqs }: Omit<DeviceThreadPlan, 'ram'>,
    memory: GuestMemory,
    emit: (event: DeviceEvent) => void,
  ) {
    this.#emit = emit;
    this.#limiter = new EventLimiter(EVENTS_PER_SECOND, (count) => emit({ type: 'suppressed', count }));
    const line = openIrqLines(irqs);
    this.#devices = devices.map((plan, index) => {
      const registers = new VirtioRegisters(plan.registers);
      const events = { fault: (message: string) => this.#event({ type: 'fault', device: index, message }) };
      const loop = new VirtioDeviceLoop(registers, memory, line(plan.gsi), events);
      loop.pause();
      this.#watchNotifiers(plan, registers, loop);
      return { loop, mmio: this.#window(registers, loop, index), model: this.#open(plan.device, loop, index) };
    });
  }

  #event(event: DeviceEvent): void {
    if (this.#limiter.pass()) this.#emit(event);
  }

  #watchNotifiers(plan: DevicePlan, registers: VirtioRegisters, loop: VirtioDeviceLoop): void {
    for (const { queue, eventfd } of plan.notifiers ?? []) {
      const notifier = watch(eventfd, { readable: true }, () => {
        eventfdTake(eventfd);
        registers.notify(queue);
        loop.poll();
      });
      this.#closers.push(() => notifier.close());
    }
  }

  #tracer(device: number): (what: string, ...values: TraceValue[]) => void {
    return (what, ...values) => this.#event({ type: 'trace', device, what, values });
  }

  #window(registers: VirtioRegisters, loop: VirtioDeviceLoop, index: number): VirtioMmio {
    return new VirtioMmio(registers, { doorbell: () => loop.poll(), guestError: this.#tracer(index) });
  }

  #open(device: DeviceKind, loop: VirtioDeviceLoop, index: number): Model {
    const surroundings: Surroundings = {
      loop,
      timers: this.#timers,
      heartbeat: (byte) => this.#event({ type: 'heartbeat', device: index, byte }),
      trace: this.#tracer(index),
    };
    switch (device.kind) {
      case 'vsock':
        return openVsock(device, surroundings);
      case 'nsm':
        return openNsm(device, surroundings);
      case 'rng':
        return openRng(surroundings);
    }
  }

  /** Opens what the devices listen on. @throws QemuError; close() follows */
  async start(): Promise<void> {
    for (const { model } of this.#devices) await model.start?.();
  }

  /** Answers one more thread that rings for these devices. */
  addBell(bell: BellRope): void {
    answerBell(bell, () => {
      for (const { loop } of this.#devices) loop.poll();
    });
    this.#closers.push(() => bell.port.close());
  }

  pause(): void {
    this.#timers.pause();
    for (const { loop } of this.#devices) loop.pause();
  }

  resume(): void {
    this.#timers.resume();
    for (const { loop } of this.#devices) loop.resume();
  }

  /** The machine was reset: every device is as after power-on. */
  reset(): void {
    for (const { mmio, model } of this.#devices) {
      mmio.reset();
      model.machineReset?.();
    }
  }

  get state(): DeviceState[] {
    return this.#devices.map(({ loop, model }) => ({ ...loop.state, ...model.state?.() }));
  }

  /** Drops all connections and stops listening; nothing keeps the thread alive then. */
  close(): void {
    this.pause();
    for (const { model } of this.#devices) model.close?.();
    for (const close of this.#closers.splice(0)) close();
    this.#timers.clear();
  }
}

function openVsock(device: DeviceKind & { kind: 'vsock' }, surroundings: Surroundings): Model {
  const { loop, timers, heartbeat, trace } = surroundings;
  const { guestCid, limits = {} } = device;
  const inner = openBackend(device.backend);
  const backend = device.heartbeat ? new HeartbeatBackend(inner, heartbeat) : inner;
  const { after } = timers;
  const muxer: Muxer = new Muxer({ guestCid, backend, limits, after, output: () => wire.output(), trace });
  const wire = new VsockDevice({ queues: loop, muxer, later: setImmediate, trace });
  loop.attach(wire);
  return {
    start: () => backend.listen(muxer),
    state: () => ({ vsock: { guestCid, ...muxer.size } }),
    close() {
      backend.close();
      muxer.close();
    },
  };
}

function openNsm(device: DeviceKind & { kind: 'nsm' }, { loop }: Surroundings): Model {
  const mind = new NsmMind(device.mind);
  loop.attach(new NsmDevice(loop, (request) => mind.handle(request)));
  return { machineReset: () => mind.reset(), state: () => ({ pcrs: mind.state() }) };
}

function openRng({ loop }: Surroundings): Model {
  loop.attach(new RngDevice(loop, randomFillSync, setImmediate));
  return {};
}
