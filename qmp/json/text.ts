import { QemuError } from '../../src/system/errors.js';
import type { JsonValue } from '../../src/system/json.js';
import { JsonReader, JsonSyntaxError } from './reader.js';

/** One JSON value in the monitor's dialect. @throws QemuError `JSON parse error, ...` */
export function parseJson(text: string): JsonValue {
  const reader = new JsonReader();
  // A number at the end is complete only when something follows.
  reader.push(Buffer.from(`${text} `));
  const value = reader.next();
  if (value === undefined || value instanceof JsonSyntaxError) {
    throw new QemuError(value?.desc ?? 'JSON parse error, premature EOI');
  }
  return value;
}
