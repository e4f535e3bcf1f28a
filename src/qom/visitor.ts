import { QemuError } from '../system/errors.js';
import { int64, isJsonObject, type JsonObject, type JsonValue, QFloat } from '../system/json.js';
import { parseBool, parseInteger, parseSize } from '../system/numbers.js';
import type { BuiltinType, Member, ObjectType, QapiType } from './qapi.js';

/**
 * `json`: values carry their JSON types (QMP, JSON syntax on the command line). `keyval`: scalars are text, as
 * `key=value` options and HMP give them (QEMU: qapi/qobject-input-visitor.c). `opts`: text as -object and other flat
 * option groups give it, with texts of their own; a key given several times is an array, of which a scalar takes the last
 * (QEMU: qapi/opts-visitor.c).
 */
export type InputMode = 'json' | 'keyval' | 'opts';

/**
 * Checks `value` against a QAPI type and returns it in JSON shape (text converted in keyval mode, integers normalised).
 *
 * @param name dotted path used in error texts
 * @throws QemuError with QEMU's sentence
 */
export function visit(type: QapiType, given: JsonValue, name: string, mode: InputMode = 'json'): JsonValue {
  const value = mode === 'opts' && Array.isArray(given) && type.meta !== 'array' ? (given.at(-1) ?? '') : given;
  switch (type.meta) {
    case 'builtin':
      return visitBuiltin(type, value, name, mode);
    case 'enum': {
      const text = visitString(value, name);
      if (!type.values.includes(text))
        throw new QemuError(`Parameter '${ownName(name)}' does not accept value '${text}'`);
      return text;
    }
    case 'array':
      return visitList(type.element, value, name, mode);
    case 'alternate': {
      const branch = type.types.find((candidate) => jsonTypeMatches(candidate, value, mode));
      if (branch === undefined) throw wrongType(name, type.name);
      return visit(branch, value, name, mode);
    }
    case 'object':
      return visitObject(type, value, name, mode);
  }
}

/** `visit` for the arguments of a command or the options of an object: members are named without a prefix. */
export function visitMembers(type: ObjectType, value: JsonObject, mode: InputMode = 'json'): JsonObject {
  return visitObject(type, value, '', mode);
}

/**
 * The last part of a path; list elements have no name. QEMU names values that are out of their range so, without the way
 * to them (qapi/qapi-visit-core.c).
 */
function ownName(path: string): string {
  return /(?:\]|\.\d+)$/.test(path) ? 'null' : path.slice(path.lastIndexOf('.') + 1);
}

function wrongType(name: string, expected: string): QemuError {
  return new QemuError(`Invalid parameter type for '${name}', expected: ${expected}`);
}

function badValue(name: string, expected: string, hint?: string): QemuError {
  return new QemuError(`Parameter '${name}' expects ${expected}`, hint === undefined ? {} : { hint });
}

function visitString(value: JsonValue, name: string): string {
  if (typeof value !== 'string') throw wrongType(name, 'string');
  return value;
}

const unsignedBits = { uint8: 8, uint16: 16, uint32: 32 } as const;
const signedBits = { int8: 8, int16: 16, int32: 32 } as const;

function visitBuiltin(type: BuiltinType, value: JsonValue, name: string, mode: InputMode): JsonValue {
  switch (type.name) {
    case 'str':
      return visitString(value, name);
    case 'bool':
      return visitBool(value, name, mode);
    case 'any':
      return value;
    case 'null':
      if (value !== null && !(mode !== 'json' && value === '')) throw wrongType(name, 'null');
      return null;
    case 'number':
      return visitNumber(value, name, mode);
    case 'int':
    case 'int64':
      return int64(visitInt64(value, name, mode));
    case 'uint64':
      return int64(visitUint64(value, name, mode));
    case 'size':
      return int64(mode === 'json' ? visitUint64(value, name, mode) : visitSizeText(value, name, mode));
    case 'uint8':
    case 'uint16':
    case 'uint32': {
      const wide = visitUint64(value, name, mode);
      if (wide >> BigInt(unsignedBits[type.name]) !== 0n) throw badValue(ownName(name), `${type.name}_t`);
      return Number(wide);
    }
    case 'int8':
    case 'int16':
    case 'int32': {
      const wide = visitInt64(value, name, mode);
      if (BigInt.asIntN(signedBits[type.name], wide) !== wide) throw badValue(ownName(name), `${type.name}_t`);
      return Number(wide);
    }
  }
}

function visitBool(value: JsonValue, name: string, mode: InputMode): boolean {
  if (mode === 'json') {
    if (typeof value !== 'boolean') throw wrongType(name, 'boolean');
    return value;
  }
  const parsed = parseBool(visitString(value, name));
  if (parsed === undefined) throw badValue(name, "'on' or 'off'");
  return parsed;
}

function visitNumber(value: JsonValue, name: string, mode: InputMode): number {
  if (mode !== 'json') {
    const text = visitString(value, name);
    const parsed = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(parsed)) throw badValue(name, 'a number');
    return parsed;
  }
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof QFloat) return value.value;
  throw wrongType(name, 'number');
}

/** An integer literal, as opposed to a double with an integral value, which is a QFloat. */
function integer(value: JsonValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
}

function visitInt64(value: JsonValue, name: string, mode: InputMode): bigint {
  if (mode !== 'json') {
    const parsed = parseInteger(visitString(value, name));
    if (parsed === undefined || BigInt.asIntN(64, parsed) !== parsed)
      throw badValue(name, mode === 'opts' ? 'an int64 value' : 'integer');
    return parsed;
  }
  const parsed = integer(value);
  if (parsed === undefined || BigInt.asIntN(64, parsed) !== parsed) throw wrongType(name, 'integer');
  return parsed;
}

function visitUint64(value: JsonValue, name: string, mode: InputMode): bigint {
  const parsed = mode === 'json' ? integer(value) : parseInteger(visitString(value, name));
  const lowest = mode === 'opts' ? 0n : -(1n << 63n);
  if (parsed === undefined || parsed >= 1n << 64n || parsed < lowest)
    throw badValue(name, mode === 'opts' ? 'a uint64 value' : 'uint64');
  return BigInt.asUintN(64, parsed);
}

function visitSizeText(value: JsonValue, name: string, mode: InputMode): bigint {
  const parsed = parseSize(visitString(value, name));
  if (parsed === undefined) throw badValue(name, mode === 'opts' ? 'a size value' : 'size');
  return parsed;
}

/** Numbers that one `-object` range such as `0-2` may stand for (OPTS_VISITOR_RANGE_MAX). */
const RANGE_MAX = 65_536;

function visitList(element: QapiType, value: JsonValue, name: string, mode: InputMode): JsonValue[] {
  if (mode === 'opts') {
    return (Array.isArray(value) ? value : [value]).flatMap((item) => visitRange(element, item, name));
  }
  if (!Array.isArray(value)) throw wrongType(name, 'array');
  return value.map((item, i) => visit(element, item, mode === 'keyval' ? `${name}.${i}` : `${name}[${i}]`, mode));
}

/** One item of a list of unsigned integers in option text: a number or `FROM-TO`; other element types as they are. */
function visitRange(element: QapiType, value: JsonValue, name: string): JsonValue[] {
  if (element.meta !== 'builtin' || !element.name.startsWith('uint')) return [visit(element, value, name, 'opts')];
  const [, from = '', to = from] = /^([^-]+)(?:-(.+))?$/.exec(visitString(value, name)) ?? [];
  const [first, last] = [parseInteger(from), parseInteger(to)];
  if (first === undefined || last === undefined || last < first || last - first >= BigInt(RANGE_MAX)) {
    throw badValue(name, 'a uint64 value or range');
  }
  return Array.from({ length: Number(last - first) + 1 }, (_, i) => visit(element, int64(first + BigInt(i)), name));
}

function visitObject(type: ObjectType, value: JsonValue, name: string, mode: InputMode): JsonObject {
  if (!isJsonObject(value)) throw wrongType(name, 'object');
  const prefix = name === '' ? '' : `${name}.`;
  const result: JsonObject = {};
  const taken = takeMembers(type, value, prefix, mode, result);
  let given = 0;
  for (const _ in value) given++;
  if (given === taken) return result;
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(result, key)) ?? '';
  throw new QemuError(
    mode === 'opts' ? `Invalid parameter '${prefix}${unknown}'` : `Parameter '${prefix}${unknown}' is unexpected`,
  );
}

/** Visits the members that `type` declares, those of the chosen variant too. @returns how many `value` has */
function takeMembers(type: ObjectType, value: JsonObject, prefix: string, mode: InputMode, result: JsonObject): number {
  let taken = 0;
  const { members } = type;
  for (const key in members) {
    const { type: memberType, optional } = members[key] as Member;
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    if (given !== undefined) {
      result[key] = visit(memberType, given, prefix + key, mode);
      taken++;
    } else if (!optional) throw new QemuError(`Parameter '${prefix}${key}' is missing`);
  }
  if (type.tag === undefined) return taken;
  const tag = result[type.tag];
  const variant = typeof tag === 'string' ? type.variants?.[tag] : undefined;
  return variant === undefined ? taken : taken + takeMembers(variant, value, prefix, mode, result);
}

function jsonTypeMatches(type: QapiType, value: JsonValue, mode: InputMode): boolean {
  switch (type.meta) {
    case 'object':
      return isJsonObject(value);
    case 'array':
      return Array.isArray(value);
    case 'enum':
      return typeof value === 'string' && type.values.includes(value);
    case 'alternate':
      return type.types.some((inner) => jsonTypeMatches(inner, value, mode));
    case 'builtin':
      if (mode !== 'json') return typeof value === 'string' && (type.name === 'str' || scalarFits(type, value));
      if (type.name === 'str') return typeof value === 'string';
      if (type.name === 'bool') return typeof value === 'boolean';
      if (type.name === 'null') return value === null;
      return type.name === 'any' || typeof value === 'number' || typeof value === 'bigint' || value instanceof QFloat;
  }
}

function scalarFits(type: BuiltinType, text: string): boolean {
  try {
    visitBuiltin(type, text, '', 'keyval');
    return true;
  } catch {
    return false;
  }
}
