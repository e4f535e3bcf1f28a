/** QMP error classes (QEMU qapi/error.json, QapiErrorClass). */
export type ErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound' | 'KVMMissingCap';

/**
 * An error meant for the user: one sentence (QEMU's own where QEMU has one: clients match on it) and optional hint
 * lines with the cause and the fix. The command line prints both, QMP carries the sentence.
 */
export class QemuError extends Error {
  override readonly name = 'QemuError';
  readonly errorClass: ErrorClass;
  readonly hint: string | undefined;

  constructor(message: string, options: { errorClass?: ErrorClass; hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.errorClass = options.errorClass ?? 'GenericError';
    this.hint = options.hint;
  }

  /** The same error with `prefix` put before its sentence; class, hint and cause stay. */
  prefixed(prefix: string): QemuError {
    return new QemuError(`${prefix}${this.message}`, {
      errorClass: this.errorClass,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      cause: this,
    });
  }
}

/** A QemuError of class DeviceNotFound with QEMU's text. */
export function deviceNotFound(name: string): QemuError {
  return new QemuError(`Device '${name}' not found`, {
    errorClass: 'DeviceNotFound',
  });
}

/** Any thrown value as an Error; keeps Errors as they are. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
