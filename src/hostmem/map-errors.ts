import { QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import { smallPagesHint } from './hints.js';

/** A process has 2^47 bytes of addresses on x86-64, 2^48 on arm64. */
const ADDRESS_SPACE = 2 ** 48;

export const cannotMap = 'unable to map backing store for guest RAM';

/** Refuses files that could not be mapped as mmap would, before they are made. @throws QemuError */
export function checkAddressSpace(bytes: number): void {
  if (bytes > ADDRESS_SPACE) {
    throw new QemuError(`${cannotMap}: Cannot allocate memory`, { hint: smallPagesHint(bytes) });
  }
}

/** Runs one host call; its failure becomes a QemuError `SENTENCE: strerror`. */
export function step<T>(sentence: string, call: () => T, hint?: () => string | undefined): T {
  try {
    return call();
  } catch (error) {
    const text = hint?.();
    throw new QemuError(`${sentence}: ${osErrorText(error)}`, {
      cause: error,
      ...(text === undefined ? {} : { hint: text }),
    });
  }
}
