/**
 * JSON as QEMU's monitor knows it. Integers within +-(2^53 - 1) are `number`, larger ones up to the range
 * [-2^63, 2^64) are `bigint`; a `number` that is an integer is written without a fraction. A double is a `number` when
 * its value has a fraction; a literal such as 2.0, 1E2 or 2^64 that reads as a double with an integral value is a QFloat.
 */
export type JsonValue = null | boolean | number | bigint | string | QFloat | JsonValue[] | JsonObject;
export type JsonObject = { [member: string]: JsonValue };

/** A double whose value is integral: it is a number to `number` properties, but not an integer (QEMU: qnum.c). */
export class QFloat {
  constructor(readonly value: number) {}
}

/** The JSON shape of a double. */
export function float(value: number): number | QFloat {
  return Number.isInteger(value) ? new QFloat(value) : value;
}

/** A 64-bit integer in its JSON shape: `number` when exact, else `bigint`. */
export type Int64 = number | bigint;

/** The JSON shape of a 64-bit integer. */
export function int64(value: bigint): Int64 {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof QFloat);
}
