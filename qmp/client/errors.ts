/** The connection could not be made, broke, or its other end does not speak QMP; `cause` has the system's error. */
export class QmpConnectionError extends Error {
  override readonly name = 'QmpConnectionError';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** The server refused a command; the message is its sentence. */
export class QmpCommandError extends Error {
  override readonly name = 'QmpCommandError';

  /**
   * @param command the command's name
   * @param errorClass QMP's error class: `GenericError`, `CommandNotFound`, `DeviceNotFound`, ...
   * @param desc the server's sentence
   */
  constructor(
    readonly command: string,
    readonly errorClass: string,
    readonly desc: string,
  ) {
    super(desc);
  }
}

/** Something took longer than its caller allowed. */
export class QmpTimeoutError extends Error {
  override readonly name = 'QmpTimeoutError';

  constructor(
    what: string,
    readonly timeoutMs: number,
  ) {
    super(`${what} took longer than ${timeoutMs} ms`);
  }
}
