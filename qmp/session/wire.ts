import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { writeJson } from '../json/writer.js';
import type { RequestError } from './envelope.js';

/** A message as the line or lines that are sent. Every line ends in CR LF. */
export function messageText(message: JsonObject, pretty: boolean): string {
  return pretty ? `${writeJson(message, true).replaceAll('\n', '\r\n')}\r\n` : `${writeJson(message)}\r\n`;
}

/** A successful reply; `id` follows `return`. */
export function returnText(result: JsonValue, id: JsonValue | undefined, pretty: boolean): string {
  if (pretty) return messageText(id === undefined ? { return: result } : { return: result, id }, true);
  const text = `{"return": ${writeJson(result)}`;
  return id === undefined ? `${text}}\r\n` : `${text}, "id": ${writeJson(id)}}\r\n`;
}

/** A failed reply; `id` precedes `error`. */
export function errorText(error: RequestError, id: JsonValue | undefined, pretty: boolean): string {
  const body = { class: error.errorClass, desc: error.message };
  return messageText(id === undefined ? { error: body } : { id, error: body }, pretty);
}

/** A message for many sessions, written once in each form. */
export class Broadcast {
  readonly #message: JsonObject;
  #compact: string | undefined;
  #pretty: string | undefined;
  #notification: string | undefined;

  constructor(message: JsonObject) {
    this.#message = message;
  }

  text(pretty: boolean): string {
    if (pretty) {
      this.#pretty ??= messageText(this.#message, true);
      return this.#pretty;
    }
    this.#compact ??= messageText(this.#message, false);
    return this.#compact;
  }

  /** An event as a notification of JSON-RPC 2.0: its name is the method. */
  notification(): string {
    const { event = '', data = {}, timestamp = {} } = this.#message;
    this.#notification ??= writeJson({ jsonrpc: '2.0', method: event, params: { data, timestamp } });
    return this.#notification;
  }
}
