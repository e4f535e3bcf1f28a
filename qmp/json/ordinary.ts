import { isJsonObject, type JsonObject, type JsonValue } from '../../src/system/json.js';

const notAnInteger = /[0-9][.eE]/;

// What `members` found besides: an integral number, which may be the double 2.0 in the text.
let integers = false;

/**
 * One object in ASCII, read by JSON.parse where that is sure to give what QEMU's reader would; undefined otherwise, also
 * when the text is wrong. Differences excluded: duplicate keys (the text has then more colons than the value has
 * members), doubles with integral values and integers beyond 2^53, -0, \u escapes of surrogates and noncharacters,
 * nesting deeper than `maxNesting`. Strict JSON is otherwise a subset of QEMU's dialect.
 */
export function parseOrdinary(text: string, maxNesting: number): JsonObject | undefined {
  if (text.includes('\\u')) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  integers = false;
  if (!isJsonObject(value) || members(value, maxNesting) !== colons(text)) return undefined;
  return integers && notAnInteger.test(text) ? undefined : value;
}

/** Members of all objects in `value`, or NaN when something in it calls for the exact reader. */
function members(value: JsonValue, nesting: number): number {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return 0;
    integers = true;
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? 0 : Number.NaN;
  }
  if (typeof value !== 'object' || value === null) return 0;
  if (nesting === 0) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += members(item, nesting - 1);
  } else {
    const object = value as JsonObject;
    for (const key in object) count += 1 + members(object[key] as JsonValue, nesting - 1);
  }
  return count;
}

function colons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) count++;
  return count;
}
