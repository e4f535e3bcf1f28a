import { randomBytes } from 'node:crypto';
import { type AttesterConfig, createAttester } from '../../attestation/attester.js';
import { FaultBoard } from '../../attestation/faults.js';
import { NitroSecureModule } from '../../attestation/nsm.js';
import { PCR_COUNT } from '../../attestation/pcr-bank.js';

/** What a Nitro Secure Module is made of. Structured-cloneable. */
export interface NsmMindPlan {
  readonly moduleId: string;
  /** AWS's limits on attestation requests; without them QEMU's behaviour, which has none. */
  readonly strict: boolean;
  /** Contents of registers after each reset of the machine, 48 bytes each; the others are zero. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Registers below this are locked then. */
  readonly locked: number;
  readonly attester: AttesterConfig;
  /** What is to go wrong: FaultBoard.buffer. */
  readonly faults?: SharedArrayBuffer | undefined;
}

/** One register as a monitor shows it. */
export interface PcrState {
  readonly value: Uint8Array;
  readonly locked: boolean;
}

/** The state machine behind a virtio-nsm device, which starts anew with each reset of the machine. */
export class NsmMind {
  readonly #plan: NsmMindPlan;
  readonly #module: NitroSecureModule;

  constructor(plan: NsmMindPlan) {
    const { moduleId, strict } = plan;
    const faults = new FaultBoard(plan.faults);
    const attest = createAttester(plan.attester, faults);
    this.#plan = plan;
    this.#module = new NitroSecureModule({ moduleId, strict, attest, random: randomBytes, faults });
    this.reset();
  }

  reset(): void {
    const { pcrs } = this.#module;
    pcrs.reset();
    for (const [index, value] of this.#plan.pcrs) pcrs.load(index, value);
    for (let index = 0; index < this.#plan.locked; index++) pcrs.lock(index);
  }

  /** Answers one request of the guest; never throws. */
  handle(request: Uint8Array): Promise<Uint8Array> {
    return this.#module.handle(request);
  }

  /** All registers in order. */
  state(): PcrState[] {
    const { pcrs } = this.#module;
    return Array.from({ length: PCR_COUNT }, (_, index) => ({
      value: pcrs.value(index),
      locked: pcrs.isLocked(index),
    }));
  }
}
