import { asError } from '../../src/system/errors.js';
import { isJsonObject, type JsonValue } from '../../src/system/json.js';
import { parseJson } from '../json/text.js';

/** Requests of one batch. */
export const maxBatch = 100;

/** What JSON.parse would not give exactly: integers beyond 2^53, doubles with an integral value. */
const inexact = /\d{16}|\d[.eE]|-0/;

/** A message read, or why it is none; `code` is JSON-RPC's. */
export type Received = { readonly requests: JsonValue } | { readonly code: -32700 | -32600; readonly why: string };

/**
 * Reads a message: strict JSON, integers exact as in QMP. Elements that are no requests become `{}` or, with a good id,
 * `{ id }`, for the server to refuse each in its place.
 */
export function readMessage(message: Uint8Array): Received {
  let value: JsonValue;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(message);
    value = JSON.parse(text) as JsonValue;
    if (inexact.test(text)) value = parseJson(text);
  } catch (error) {
    return { code: -32700, why: `Parse error: ${asError(error).message}` };
  }
  if (!Array.isArray(value)) return { requests: checked(value) };
  if (value.length > maxBatch)
    return { code: -32600, why: `Invalid Request: a batch has at most ${maxBatch} requests` };
  return { requests: value.map(checked) };
}

function checked(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return {};
  const { id, method, params } = value;
  const goodId = id === undefined || id === null || ['string', 'number', 'bigint'].includes(typeof id);
  const goodParams = params === undefined || (typeof params === 'object' && params !== null);
  if (goodId && goodParams && typeof method === 'string') return value;
  return goodId && id !== undefined ? { id } : {};
}
