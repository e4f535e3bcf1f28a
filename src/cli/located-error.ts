import { QemuError } from '../system/errors.js';
import type { Location } from '../system/report.js';

/** A QemuError that knows which option or file line it is about: `PROGRAM: -m x: SENTENCE`. */
export class LocatedError extends QemuError {
  readonly location: Location;

  constructor(error: QemuError, location: Location) {
    super(error.message, {
      errorClass: error.errorClass,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
    this.location = location;
  }
}

/** What `work` returns; a QemuError it throws gets `location`, unless it has one already. */
export function locate<T>(location: Location, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof QemuError && !(error instanceof LocatedError)) throw new LocatedError(error, location);
    throw error;
  }
}
