import { compiledRoot } from '../../system/layout.js';
import type { System } from '../../system/system.js';
import { defineGed } from '../acpi/ged-device.js';
import { defineI8042 } from '../input/i8042/device.js';
import { definePvPanic } from '../misc/pvpanic-device.js';
import { defineRtc } from '../rtc/mc146818/device.js';
import { defineChips } from './chip-devices.js';

export { GuestMemory } from '../../system/guest-memory.js';
export { openIrqLines, SharedIrqWords } from '../intc/irq-lines.js';
export { HEARTBEAT_BYTE } from '../nitro/heartbeat-protocol.js';
export { RtcDevice } from '../rtc/mc146818/device.js';
export { boardPorts } from './board.js';
export { BoardHost } from './board-host.js';
export { addEnclaveBoard, type EnclaveBoard } from './enclave-board.js';
export { EnclaveMachine, enclaveProperties } from './enclave-options.js';
export { type LoadedGuest, loadGuest } from './load-kernel.js';
export { ramRanges } from './memory-layout.js';

/** The module with openBoard and openIrqLines for vCPU threads of accelerators from outside the tree. */
export const vcpuParts = new URL('src/hw/i386/vcpu-parts.worker.js', compiledRoot);

/** The devices that a machine of this architecture has besides those of its buses; the types of room `isa` are there. */
export function defineBoardTypes(system: System): void {
  defineChips(system);
  defineI8042(system);
  defineRtc(system);
  defineGed(system);
  definePvPanic(system);
}
