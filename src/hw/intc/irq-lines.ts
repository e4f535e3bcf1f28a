import { eventfdAdd, ioctl } from '../../host/fd.js';
import type { IrqLine } from '../../system/irq.js';

/** How a thread reaches the interrupt controller of a virtual machine. Structured-cloneable. */
export type IrqPlan =
  /** KVM's chips: KVM_IRQ_LINE on the descriptor, and an eventfd (irqfd) where a line has one. */
  | { readonly kind: 'kvm'; readonly vmFd: number; readonly irqfds: Readonly<Record<number, number>> }
  /** Chips of our own: see SharedIrqWords. */
  | { readonly kind: 'shared'; readonly words: SharedArrayBuffer };

/** <linux/kvm.h>, spec/kvm.md section 1 */
const KVM_IRQ_LINE = 0x4008ae61;

/** Global system interrupts of the chips that a machine here has. */
export const GSI_COUNT = 24;

// Words of a shared plan: levels and edges are bit masks of GSIs; `kick` is what the CPU thread looks at and waits on.
const LEVELS = 0;
const EDGES = 1;
const KICK = 2;
const WORDS = 3;

/** The lines of all GSIs as words of shared memory, between devices in any thread and the thread that has the chips. */
export class SharedIrqWords {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  raise(gsi: number): void {
    Atomics.or(this.#words, LEVELS, 1 << gsi);
    this.pulse(gsi);
  }

  lower(gsi: number): void {
    Atomics.and(this.#words, LEVELS, ~(1 << gsi));
    this.kick();
  }

  pulse(gsi: number): void {
    Atomics.or(this.#words, EDGES, 1 << gsi);
    this.kick();
  }

  /** Wakes the CPU thread and makes it look. */
  kick(): void {
    if (Atomics.exchange(this.#words, KICK, 1) === 0) Atomics.notify(this.#words, KICK);
  }

  /** The word that is not 0 when there is something to look at; the CPU thread may wait on it. */
  get kickWord(): Int32Array {
    return this.#words.subarray(KICK, KICK + 1);
  }

  /** What changed: the lines that are up, and those that had an edge since the last call. Clears the kick first. */
  take(): { readonly levels: number; readonly edges: number } {
    Atomics.store(this.#words, KICK, 0);
    return { levels: Atomics.load(this.#words, LEVELS), edges: Atomics.exchange(this.#words, EDGES, 0) };
  }
}

/** Opens a plan in the calling thread. @returns the line of a GSI, 0 to GSI_COUNT - 1 */
export function openIrqLines(plan: IrqPlan): (gsi: number) => IrqLine {
  if (plan.kind === 'shared') {
    const words = new SharedIrqWords(plan.words);
    return (gsi) => ({ raise: () => words.raise(gsi), lower: () => words.lower(gsi), pulse: () => words.pulse(gsi) });
  }
  return (gsi) => {
    const set = (level: number) => {
      ioctl(plan.vmFd, KVM_IRQ_LINE, new Uint8Array(new Uint32Array([gsi, level]).buffer));
    };
    const irqfd = plan.irqfds[gsi];
    return {
      raise: () => set(1),
      lower: () => set(0),
      pulse() {
        if (irqfd !== undefined) return eventfdAdd(irqfd);
        set(1);
        set(0);
      },
    };
  };
}
