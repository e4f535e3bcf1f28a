/** Delivery modes of redirection entries, local vectors and the interrupt command (SDM volume 3, 11.6.1). */
export const Delivery = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startUp: 6,
  extInt: 7,
} as const;

/** An interrupt message on its way to local APICs. */
export interface InterruptMessage {
  /** 0 to 255; of ExtINT the PIC gives it. */
  readonly vector: number;
  /** One of `Delivery`. */
  readonly mode: number;
  /** Whether `destination` is matched with logical APIC ids. */
  readonly logical: boolean;
  /** 0 to 255. */
  readonly destination: number;
  readonly level: boolean;
}
