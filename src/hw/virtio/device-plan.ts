import type { BellRope } from '../../system/doorbell.js';
import type { TraceValue } from '../../system/trace.js';
import type { IrqPlan } from '../intc/irq-lines.js';
import type { LoopState } from './device-loop.js';
import type { NsmMindPlan, PcrState } from './nsm-mind.js';
import type { VsockBackendPlan } from './vsock/backends.js';
import type { MuxerLimits } from './vsock/muxer.js';

// Everything here is sent between threads: structured-cloneable.

/** Guest RAM as the device thread maps it (VmRam of accel/accel.ts fits). */
export interface DeviceRam {
  /** Guest-physical address. */
  readonly base: number;
  /** Bytes. */
  readonly size: number;
  /** Host virtual address of the first byte. */
  readonly address: bigint;
  /** The file behind it, which a vhost-user back end maps too. */
  readonly file?: { readonly fd: number; readonly offset: number } | undefined;
}

/** What kind of device lies behind a transport, and all that it needs. */
export type DeviceKind =
  | {
      readonly kind: 'vsock';
      readonly guestCid: number;
      /** The host's side; without one nothing but the heartbeat answers. */
      readonly backend?: VsockBackendPlan | undefined;
      /** Answer the enclave's heartbeat where the backend does not. */
      readonly heartbeat: boolean;
      readonly limits?: Partial<MuxerLimits> | undefined;
      /** What is to go wrong: FaultBoard.buffer. */
      readonly faults?: SharedArrayBuffer | undefined;
    }
  | {
      /** Vsock of another process (QEMU's vhost-user-vsock); its registers are made for CID 0. */
      readonly kind: 'vhost-user-vsock';
      /** A connected unix socket, from start() on the thread's. */
      readonly socket: number;
    }
  | { readonly kind: 'nsm'; readonly mind: NsmMindPlan }
  | { readonly kind: 'rng' };

/** One virtio device of the thread. */
export interface DevicePlan {
  /** Of its transport: VirtioRegisters.buffer. */
  readonly registers: SharedArrayBuffer;
  readonly gsi: number;
  readonly device: DeviceKind;
  /** Eventfds that stand for writes of QueueNotify (Vm.addNotifier); they stay the caller's. */
  readonly notifiers?: readonly { readonly queue: number; readonly eventfd: number }[] | undefined;
}

export interface DeviceThreadPlan {
  readonly ram: readonly DeviceRam[];
  readonly irqs: IrqPlan;
  readonly devices: readonly DevicePlan[];
}

/** What a vsock device has. */
export interface VsockState {
  readonly guestCid: number;
  readonly connections: number;
  /** Streams that only deliver what a socket of the guest left behind. */
  readonly lingering: number;
}

/** One device as the monitor asks for it. */
export interface DeviceState extends LoopState {
  readonly vsock?: VsockState;
  /** Registers of an NSM. */
  readonly pcrs?: readonly PcrState[];
}

/** What happens in the thread. `device` counts in the order of the plan. */
export type DeviceEvent =
  /** What the guest did stopped a device until it resets it. */
  | { readonly type: 'fault'; readonly device: number; readonly message: string }
  /** The built-in heartbeat answered. */
  | { readonly type: 'heartbeat'; readonly device: number; readonly byte: number }
  /** Something odd that a guest or a peer did. */
  | { readonly type: 'trace'; readonly device: number; readonly what: string; readonly values: readonly TraceValue[] }
  /** Events were left out because there were too many. */
  | { readonly type: 'suppressed'; readonly count: number };

/** Commands to the thread, all awaited by its owner. */
export interface DeviceCommands {
  /** Makes the devices and opens what they listen on; the first command. */
  start(plan: DeviceThreadPlan): void;
  /** Takes a bell; rings until then are kept. */
  bell(bell: BellRope): void;
  /** After it no guest memory is touched, until resume. */
  pause(): void;
  resume(): void;
  /** The machine was reset: every device is as after power-on. */
  reset(): void;
  /** Gives a vsock device another CID; its connections are dropped, and the driver is told. */
  setGuestCid(device: number, cid: number): void;
  state(): readonly DeviceState[];
  /** Ends the thread; there is no answer. */
  close(): void;
}

export type CommandName = keyof DeviceCommands;

/** To the thread. */
export interface DeviceRequest {
  readonly id: number;
  readonly name: CommandName;
  readonly args: Parameters<DeviceCommands[CommandName]>;
}

/** From the thread: an event, or the answer to a request. */
export type DeviceMessage =
  | { readonly event: DeviceEvent }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly hint: string | undefined } };
