import { QemuError } from '../../src/system/errors.js';

/** The QemuError that `work` ends with; anything else it does is an error. */
export async function thrown(work: () => unknown): Promise<QemuError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof QemuError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
