import type { ErrorClass } from '../../src/system/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/system/json.js';

/** A request whose envelope is in order. */
export interface Request {
  readonly command: string;
  readonly args: JsonObject;
  /** Asked for with `exec-oob`. */
  readonly oob: boolean;
}

/** What an error reply says. An Error would cost five times as much, and a client can make a million of these a second. */
export class RequestError {
  constructor(
    readonly message: string,
    readonly errorClass: ErrorClass = 'GenericError',
  ) {}
}

/** `exec-oob` without `execute`: answered at once, also when what follows is an error. */
export function isOutOfBand(message: JsonValue): boolean {
  return isJsonObject(message) && 'exec-oob' in message && !('execute' in message);
}

/**
 * Checks the members of a request (qapi/qmp-dispatch.c). Of several faults the first in the text is told.
 *
 * @param oobEnabled whether `exec-oob` is a known member
 */
export function checkEnvelope(message: JsonValue, oobEnabled: boolean): Request | RequestError {
  if (!isJsonObject(message)) return new RequestError('QMP input must be a JSON object');
  let command: string | undefined;
  let oob = false;
  let args: JsonObject = {};
  for (const key in message) {
    const value = message[key];
    if (key === 'execute' || (key === 'exec-oob' && oobEnabled)) {
      if (typeof value !== 'string') return new RequestError(`QMP input member '${key}' must be a string`);
      if (command !== undefined) return new RequestError("QMP input member 'execute' clashes with 'exec-oob'");
      command = value;
      oob = key === 'exec-oob';
    } else if (key === 'arguments') {
      if (!isJsonObject(value)) return new RequestError("QMP input member 'arguments' must be an object");
      args = value;
    } else if (key !== 'id') {
      return new RequestError(`QMP input member '${key}' is unexpected`);
    }
  }
  if (command === undefined) return new RequestError("QMP input lacks member 'execute'");
  return { command, args, oob };
}
