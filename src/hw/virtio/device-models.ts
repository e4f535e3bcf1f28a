import { randomFillSync } from 'node:crypto';
import { FaultBoard } from '../../attestation/faults.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import type { IrqLine } from '../../system/irq.js';
import type { TraceValue } from '../../system/trace.js';
import { type LoopEvents, type TransportEnd, VirtioDeviceLoop } from './device-loop.js';
import type { DeviceKind, DevicePlan, DeviceRam, DeviceState } from './device-plan.js';
import type { GuestTimers } from './guest-timers.js';
import { NsmDevice } from './nsm.js';
import { NsmMind } from './nsm-mind.js';
import type { VirtioRegisters } from './registers.js';
import { RngDevice } from './rng.js';
import { openBackend } from './vsock/backends.js';
import { VsockDevice } from './vsock/device.js';
import { FaultyBackend } from './vsock/faulty.js';
import { HeartbeatBackend } from './vsock/heartbeat.js';
import { Muxer } from './vsock/muxer.js';
import { VhostUserVsock } from './vsock/vhost-user.js';

/** What a device of the thread is made with. */
export interface Surroundings {
  readonly registers: VirtioRegisters;
  readonly memory: GuestMemory;
  readonly ram: readonly DeviceRam[];
  readonly irq: IrqLine;
  readonly events: LoopEvents;
  readonly timers: GuestTimers;
  readonly notifiers: DevicePlan['notifiers'];
  readonly heartbeat: (byte: number) => void;
  readonly trace: (what: string, ...values: TraceValue[]) => void;
}

/** A device with all that lies behind it. What a kind has no use for is absent. */
export interface Model {
  /** Made paused. */
  readonly end: TransportEnd;
  /** It takes notifications by eventfd itself. */
  readonly takesNotifiers?: true;
  /** Opens the host's side. @throws QemuError */
  start?(): Promise<void>;
  /** The machine was reset, after the device was. */
  machineReset?(): void;
  /** Another CID for the guest; all its connections are dropped. */
  setGuestCid?(cid: number): void;
  state?(): Pick<DeviceState, 'vsock' | 'pcrs'>;
  close?(): void;
}

export function openModel(device: DeviceKind, surroundings: Surroundings): Model {
  switch (device.kind) {
    case 'vsock':
      return openVsock(device, surroundings);
    case 'vhost-user-vsock':
      return openVhostUserVsock(device.socket, surroundings);
    case 'nsm': {
      const loop = openLoop(surroundings);
      const mind = new NsmMind(device.mind);
      loop.attach(new NsmDevice(loop, (request) => mind.handle(request)));
      return { end: loop, machineReset: () => mind.reset(), state: () => ({ pcrs: mind.state() }) };
    }
    case 'rng': {
      const loop = openLoop(surroundings);
      loop.attach(new RngDevice(loop, randomFillSync, setImmediate));
      return { end: loop };
    }
  }
}

function openLoop({ registers, memory, irq, events }: Surroundings): VirtioDeviceLoop {
  const loop = new VirtioDeviceLoop(registers, memory, irq, events);
  loop.pause();
  return loop;
}

function openVsock(device: DeviceKind & { kind: 'vsock' }, surroundings: Surroundings): Model {
  const { heartbeat, trace } = surroundings;
  const { guestCid, limits = {} } = device;
  const { after } = surroundings.timers;
  const loop = openLoop(surroundings);
  const inner = openBackend(device.backend);
  const beating = device.heartbeat ? new HeartbeatBackend(inner, heartbeat) : inner;
  const backend = device.faults === undefined ? beating : new FaultyBackend(beating, new FaultBoard(device.faults));
  const muxer: Muxer = new Muxer({ guestCid, backend, limits, after, output: () => wire.output(), trace });
  const wire = new VsockDevice({ queues: loop, muxer, later: setImmediate, trace });
  loop.attach(wire);
  return {
    end: loop,
    start: () => backend.listen(muxer),
    setGuestCid: (cid) => wire.transportReset(cid),
    state: () => ({ vsock: { guestCid: muxer.guestCid, ...muxer.size } }),
    close() {
      backend.close();
      muxer.close();
    },
  };
}

function openVhostUserVsock(socket: number, surroundings: Surroundings): Model {
  const end = new VhostUserVsock({ ...surroundings, socket });
  return { end, takesNotifiers: true, start: () => end.connect(), close: () => end.close() };
}
