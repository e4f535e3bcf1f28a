/**
 * JSON as QEMU's monitor knows it. Integers within +-(2^53 - 1) are `number`, larger ones up to the range
 * [-2^63, 2^64) are `bigint`; a `number` that is an integer is written without a fraction.
 */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject;
export type JsonObject = { [member: string]: JsonValue };

/** A 64-bit integer in its JSON shape: `number` when exact, else `bigint`. */
export type Int64 = number | bigint;

/** The JSON shape of a 64-bit integer. */
export function int64(value: bigint): Int64 {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
