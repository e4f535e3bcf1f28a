import { answerBell, type BellRope, createBell } from '../../system/doorbell.js';
import type { IrqLine, IrqPin } from '../../system/irq.js';
import type { BoardDevice, BoardPlan } from './board.js';

/** A device that vCPUs touch synchronously, as the main thread has it. */
export interface BoardPart {
  readonly space: keyof BoardPlan;
  readonly device: BoardDevice;
  /** Its interrupt, where the main thread uses it. */
  readonly pin?: IrqPin;
  /** The guest did something that the main thread must see to. */
  poll?(): void;
  /** A rope of another thread's bell, instead of `poll`. */
  rope?(): BellRope;
  /** The machine was reset. */
  reset?(): void;
  /** Ends timers, and gives out what is left to give out. */
  close?(): void;
}

/** The main thread's side of a machine's synchronous devices. */
export class BoardHost {
  readonly #parts: readonly BoardPart[];
  readonly #listeners: BellRope[] = [];

  constructor(parts: readonly BoardPart[]) {
    this.#parts = parts;
  }

  /** The devices for one vCPU thread, which gets ropes of its own. */
  plan(): BoardPlan {
    const of = (space: keyof BoardPlan) =>
      this.#parts.filter((part) => part.space === space).map((part) => ({ ...part.device, bell: this.#rope(part) }));
    return { ports: of('ports'), mmio: of('mmio') };
  }

  #rope(part: BoardPart): BellRope | undefined {
    if (part.poll === undefined) return part.rope?.();
    const { rope, listener } = createBell();
    answerBell(listener, () => part.poll?.());
    this.#listeners.push(listener);
    return rope;
  }

  /** There is an interrupt controller now. */
  connect(line: (gsi: number) => IrqLine): void {
    for (const { pin, device } of this.#parts) if (device.gsi !== undefined) pin?.connect(line(device.gsi));
  }

  /** The guest stands still: does what it has asked for so far. */
  poll(): void {
    for (const part of this.#parts) part.poll?.();
  }

  reset(): void {
    for (const part of this.#parts) part.reset?.();
  }

  close(): void {
    for (const part of this.#parts) part.close?.();
    for (const { port } of this.#listeners.splice(0)) port.close();
  }
}
