import type { System } from '../../system/system.js';
import { defineGed } from '../acpi/ged-device.js';
import { defineI8042 } from '../input/i8042/device.js';
import { defineRtc } from '../rtc/mc146818/device.js';
import { defineChips } from './chip-devices.js';

export { GuestMemory } from '../../system/guest-memory.js';
export { openIrqLines } from '../intc/irq-lines.js';
export { HEARTBEAT_BYTE } from '../nitro/heartbeat-protocol.js';
export { RtcDevice } from '../rtc/mc146818/device.js';
export { BoardHost } from './board-host.js';
export { addLocalApic } from './chip-devices.js';
export { addEnclaveBoard, type EnclaveBoard } from './enclave-board.js';
export { EnclaveMachine, enclaveProperties } from './enclave-options.js';
export { type LoadedGuest, loadGuest } from './load-kernel.js';
export { ramRanges } from './memory-layout.js';

/** The devices that a machine of this architecture has besides those of its buses; the types of room `isa` are there. */
export function defineBoardTypes(system: System): void {
  defineChips(system);
  defineI8042(system);
  defineRtc(system);
  defineGed(system);
}
