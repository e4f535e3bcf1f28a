import type { Int64, JsonObject, JsonValue } from '../system/json.js';

/**
 * QAPI types as values: one declaration gives the TypeScript type (`Infer`), the input check (visitor.ts) and the
 * introspection entry of query-qmp-schema. Names are QEMU's (qapi/*.json).
 */
export type QapiType<T = unknown> = BuiltinType<T> | EnumType<T> | ObjectType<T> | ListType<T> | AlternateType<T>;

/** Carries the TypeScript type of a declaration; has no value at run time. */
interface Typed<T> {
  readonly _infer?: T;
}

export type BuiltinName =
  | 'str'
  | 'int'
  | 'number'
  | 'bool'
  | 'null'
  | 'any'
  | 'size'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64';

export interface BuiltinType<T = unknown> extends Typed<T> {
  readonly meta: 'builtin';
  readonly name: BuiltinName;
}

export interface EnumType<T = unknown> extends Typed<T> {
  readonly meta: 'enum';
  readonly name: string;
  readonly values: readonly string[];
  /** Introspection features of single values. */
  readonly features?: Readonly<Record<string, readonly string[]>>;
}

export interface Member {
  readonly type: QapiType;
  readonly optional: boolean;
  readonly features?: readonly string[];
}

/** A struct, or a flat union when `variants` is there: members of the variant named by `tag` join the common ones. */
export interface ObjectType<T = unknown> extends Typed<T> {
  readonly meta: 'object';
  readonly name: string;
  readonly members: Readonly<Record<string, Member>>;
  readonly tag?: string;
  readonly variants?: Readonly<Record<string, ObjectType>>;
  readonly features?: readonly string[];
}

export interface ListType<T = unknown> extends Typed<T> {
  readonly meta: 'array';
  readonly element: QapiType;
}

/** One of several types told apart by the JSON type of the value. */
export interface AlternateType<T = unknown> extends Typed<T> {
  readonly meta: 'alternate';
  readonly name: string;
  readonly types: readonly QapiType[];
}

export type Infer<Q> = Q extends Typed<infer T> ? T : never;

type MemberSpec = QapiType | Member;
type OptionalMember<T> = Member & { readonly type: QapiType<T>; readonly optional: true };
type MembersOf<M extends Record<string, MemberSpec>> = {
  [K in keyof M as M[K] extends { optional: true } ? never : K]: Infer<M[K]>;
} & {
  [K in keyof M as M[K] extends { optional: true } ? K : never]?: M[K] extends { type: QapiType<infer T> } ? T : never;
};
type Simplify<T> = { [K in keyof T]: T[K] };

function builtin<T>(name: BuiltinName): BuiltinType<T> {
  return { meta: 'builtin', name };
}

export const str = builtin<string>('str');
export const bool = builtin<boolean>('bool');
export const int = builtin<Int64>('int');
export const number = builtin<number>('number');
export const size = builtin<Int64>('size');
export const int8 = builtin<number>('int8');
export const int16 = builtin<number>('int16');
export const int32 = builtin<number>('int32');
export const int64 = builtin<Int64>('int64');
export const uint8 = builtin<number>('uint8');
export const uint16 = builtin<number>('uint16');
export const uint32 = builtin<number>('uint32');
export const uint64 = builtin<Int64>('uint64');
export const any = builtin<JsonValue>('any');
export const nil = builtin<null>('null');

export function enumeration<const V extends readonly string[]>(
  name: string,
  values: V,
  features?: Readonly<Record<string, readonly string[]>>,
): EnumType<V[number]> {
  return { meta: 'enum', name, values, ...(features === undefined ? {} : { features }) };
}

export function list<T>(element: QapiType<T>): ListType<T[]> {
  return { meta: 'array', element };
}

/** A member that may be absent; `features` are its introspection features (`deprecated`, `unstable`). */
export function optional<T>(type: QapiType<T>, features?: readonly string[]): OptionalMember<T> {
  return { type, optional: true, ...(features === undefined ? {} : { features }) };
}

function isMember(spec: MemberSpec): spec is Member {
  return 'optional' in spec;
}

function members(specs: Record<string, MemberSpec>): Record<string, Member> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, isMember(spec) ? spec : { type: spec, optional: false }]),
  );
}

export function struct<const M extends Record<string, MemberSpec>>(
  name: string,
  specs: M,
  features?: readonly string[],
): ObjectType<Simplify<MembersOf<M>>> {
  return { meta: 'object', name, members: members(specs), ...(features === undefined ? {} : { features }) };
}

/** A flat union: `tag` names a member of enum type among `common`; values without a variant have no further members. */
export function union<T = JsonObject>(
  name: string,
  common: Record<string, MemberSpec>,
  tag: string,
  variants: Record<string, ObjectType>,
): ObjectType<T> {
  return { meta: 'object', name, members: members(common), tag, variants };
}

export function alternate<T>(name: string, types: readonly QapiType[]): AlternateType<T> {
  return { meta: 'alternate', name, types };
}

/** The empty struct of commands and events without data (QEMU's internal name). */
export const empty = struct('q_empty', {});

export const OnOffAuto = enumeration('OnOffAuto', ['auto', 'on', 'off']);
