/** What can be made to go wrong, for tests of verifiers and clients (docs/fault-injection.md). Off until asked for. */
export const faultNames = [
  'leaf-expired',
  'leaf-not-yet-valid',
  'other-root',
  'broken-signature',
  'truncated-document',
  'wrong-pcr',
  'replayed-nonce',
  'clock-jump',
  'nsm-error',
  'slow-answer',
  'entropy-starvation',
  'heartbeat-lost',
  'vsock-reset',
] as const;
export type FaultName = (typeof faultNames)[number];

/** What a fault's value means, for those that have one. */
interface FaultValue {
  readonly meaning: string;
  readonly least: number;
  readonly most: number;
  readonly default: number;
}

/** Faults without an entry here take no value. */
export const faultValues: Readonly<Partial<Record<FaultName, FaultValue>>> = {
  'truncated-document': { meaning: 'bytes missing at the end', least: 1, most: 12_288, default: 1 },
  'wrong-pcr': { meaning: 'index of the register', least: 0, most: 31, default: 0 },
  'clock-jump': { meaning: 'seconds, negative for the past', least: -(2 ** 31), most: 2 ** 31 - 1, default: 86_400 },
  // As the enumeration of aws-nitro-enclaves-nsm-api counts them; 8 is InternalError.
  'nsm-error': { meaning: 'number of the error', least: 1, most: 8, default: 8 },
  'slow-answer': { meaning: 'milliseconds', least: 1, most: 600_000, default: 1000 },
};

/** A fault that is on. */
export interface ActiveFault {
  readonly name: FaultName;
  readonly value: number;
  /** How many times it still strikes; undefined until it is turned off. */
  readonly remaining: number | undefined;
}

/** Slots of a fault: how many times it still strikes, and its value. */
const SLOTS = 2;
const UNTIL_OFF = -1;

/**
 * The faults of a machine, in memory that its threads share: monitors turn them on, devices ask for them. Nothing is
 * locked; a value is in place before its fault is on.
 */
export class FaultBoard {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** @param buffer that of another thread's board */
  constructor(buffer = new SharedArrayBuffer(faultNames.length * SLOTS * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  /**
   * Turns a fault on.
   *
   * @param value default as faultValues says
   * @param count how many times it strikes, from 1; undefined until it is turned off
   * @throws RangeError for a value or a count out of its range, or a value for a fault that takes none
   */
  set(name: FaultName, value?: number, count?: number): void {
    const range = faultValues[name];
    if (range === undefined && value !== undefined) throw new RangeError(`fault '${name}' takes no value`);
    const chosen = value ?? range?.default ?? 0;
    if (range !== undefined && !(Number.isInteger(chosen) && chosen >= range.least && chosen <= range.most)) {
      throw new RangeError(
        `the value of fault '${name}' (${range.meaning}) is ${chosen}, not ${range.least} to ${range.most}`,
      );
    }
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= 2 ** 31 - 1)) {
      throw new RangeError(`fault '${name}' cannot strike ${count} times`);
    }
    const slot = slotOf(name);
    Atomics.store(this.#cells, slot, 0);
    Atomics.store(this.#cells, slot + 1, chosen);
    Atomics.store(this.#cells, slot, count ?? UNTIL_OFF);
  }

  off(name: FaultName): void {
    Atomics.store(this.#cells, slotOf(name), 0);
  }

  /** Whether the fault strikes now; one of its times is used up then. @returns its value */
  take(name: FaultName): number | undefined {
    const slot = slotOf(name);
    for (;;) {
      const remaining = Atomics.load(this.#cells, slot);
      if (remaining === 0) return undefined;
      const value = Atomics.load(this.#cells, slot + 1);
      if (remaining === UNTIL_OFF) return value;
      if (Atomics.compareExchange(this.#cells, slot, remaining, remaining - 1) === remaining) return value;
    }
  }

  /** The faults that are on. */
  active(): ActiveFault[] {
    return faultNames.flatMap((name) => {
      const slot = slotOf(name);
      const remaining = Atomics.load(this.#cells, slot);
      if (remaining === 0) return [];
      const value = Atomics.load(this.#cells, slot + 1);
      return [{ name, value, remaining: remaining === UNTIL_OFF ? undefined : remaining }];
    });
  }
}

function slotOf(name: FaultName): number {
  return faultNames.indexOf(name) * SLOTS;
}
