import type { MessagePort } from 'node:worker_threads';
import type { BellRope } from '../../system/doorbell.js';
import type { IoBus } from '../../system/io-bus.js';
import type { IrqLine } from '../../system/irq.js';

/** A device that vCPUs touch synchronously, as each vCPU thread opens it. Structured-cloneable. */
export interface BoardDevice {
  /** Name of the device model: `serial`, `i8042`, `rtc`, `virtio-mmio`, `ged`. */
  readonly model: string;
  /** Port number or guest-physical address. */
  readonly base: number;
  readonly gsi?: number | undefined;
  /** Its registers, shared by all threads. */
  readonly registers: SharedArrayBuffer;
  /** Wakes the thread that has the device's backend; each vCPU thread has a rope of its own. */
  readonly bell?: BellRope | undefined;
}

/** All synchronous devices of a machine, for one vCPU thread. */
export interface BoardPlan {
  readonly ports: readonly BoardDevice[];
  readonly mmio: readonly BoardDevice[];
}

/** The address spaces of a machine in the calling thread. */
export interface Board {
  readonly ports: IoBus;
  readonly mmio: IoBus;
}

/**
 * @param asked by an access that is being made the guest asks for its reset or end; the vCPU should not go on meanwhile,
 *   as Linux tries its next way of doing so after a millisecond
 */
export type OpenBoard = (plan: BoardPlan, irq: (gsi: number) => IrqLine, asked?: () => void) => Board;

/** What goes into the transfer list when the plan is sent to a thread: the ports of its ropes, each once. */
export function boardPorts({ ports, mmio }: BoardPlan): MessagePort[] {
  return [...new Set([...ports, ...mmio].flatMap(({ bell }) => (bell === undefined ? [] : [bell.port])))];
}
