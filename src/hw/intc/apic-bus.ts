import type { LocalApic } from './apic.js';
import { Delivery, type InterruptMessage } from './delivery.js';

/** Destination shorthands of the interrupt command (SDM volume 3, 11.6.1). */
const Shorthand = { none: 0, self: 1, all: 2, others: 3 } as const;

/** The interrupt command register's words as a message to the CPUs they name. */
export function sendCommand(apics: readonly LocalApic[], from: LocalApic, low: number, high: number): void {
  const mode = (low >> 8) & 7;
  const level = (low & 0x8000) !== 0;
  const asserts = (low & 0x4000) !== 0;
  // INIT level de-assert does nothing since the Pentium 4.
  if (mode === Delivery.init && level && !asserts) return;
  const vector = low & 0xff;
  const shorthand = (low >> 18) & 3;
  if (shorthand === Shorthand.none) {
    deliver(apics, { vector, mode, logical: (low & 0x800) !== 0, destination: high, level: false });
    return;
  }
  for (const apic of apics) {
    const self = apic === from;
    if (shorthand === Shorthand.self ? self : !self || shorthand === Shorthand.all) apic.receive(mode, vector, false);
  }
}

/** Hands a message to the local APICs it is for. */
export function deliver(apics: readonly LocalApic[], message: InterruptMessage): void {
  const { vector, mode, logical, destination, level } = message;
  if (mode === Delivery.lowestPriority) {
    arbitrate(apics, logical, destination)?.receive(mode, vector, level);
    return;
  }
  for (const apic of apics) if (apic.matches(logical, destination)) apic.receive(mode, vector, level);
}

/** The APIC of lowest priority; of equal ones the first. */
function arbitrate(apics: readonly LocalApic[], logical: boolean, destination: number): LocalApic | undefined {
  let chosen: LocalApic | undefined;
  for (const apic of apics) {
    if (!apic.takesInterrupts || !apic.matches(logical, destination)) continue;
    if (chosen === undefined || apic.ppr < chosen.ppr) chosen = apic;
  }
  return chosen;
}
