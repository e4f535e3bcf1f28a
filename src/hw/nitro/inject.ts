import type { FaultBoard, FaultName } from '../../attestation/faults.js';
import { QemuError } from '../../system/errors.js';

/** FaultBoard.set for users. @throws QemuError for a value or a count out of range */
export function turnOn(faults: FaultBoard, name: FaultName, value?: number, count?: number): void {
  try {
    faults.set(name, value, count);
  } catch (error) {
    if (error instanceof RangeError) throw new QemuError(error.message);
    throw error;
  }
}
