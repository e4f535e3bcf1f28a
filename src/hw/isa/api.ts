import type { System } from '../../system/system.js';
import { defineIsaBus } from './bus.js';
import { defineIsaSerial } from './serial.js';

export function defineIsaTypes(system: System): void {
  defineIsaBus(system);
  defineIsaSerial(system);
}
