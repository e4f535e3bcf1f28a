import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { type Plain, plainCbor } from './attestation.js';

/**
 * An NSM written a second time, after spec nsm.md alone and without the product's code: requests are values here, and
 * become bytes only on their way to the module under test.
 */

/** An unsigned integer, in more bytes than it needs where `width` says so. */
interface Uint {
  readonly uint: number;
  readonly width?: 2 | 4 | 8;
}
type FieldValue = Uint | Uint8Array | string | null | readonly Plain[];
export type Fields = readonly (readonly [string, FieldValue])[];

/** A bare name, a name with fields, or a map that names no command. */
export type Request = string | { readonly name: string; readonly fields: Fields } | { readonly pairs: number };

export const moduleId = 'i-0123456789abcdef0-enc0123456789abcdef';
export const randomByte = 7;
/** The model's attester: a document that says what it was asked for. */
export function plainDocument(locked: readonly number[], parts: readonly (Uint8Array | undefined)[]): Uint8Array {
  return plainCbor([locked, parts.map((part) => part ?? null)]);
}

export function encodeRequest(request: Request): Buffer {
  if (typeof request === 'string') return plainCbor(request);
  if ('pairs' in request) {
    return plainCbor(new Map(Array.from({ length: request.pairs }, (_, i): [Plain, Plain] => [`x${i}`, i])));
  }
  const fields = request.fields.map(([key, value]) => Buffer.concat([plainCbor(key), encodeValue(value)]));
  const map = Buffer.concat([Buffer.from([0xa0 + fields.length]), ...fields]);
  return Buffer.concat([Buffer.from([0xa1]), plainCbor(request.name), map]);
}

function encodeValue(value: FieldValue): Buffer {
  if (value === null || typeof value !== 'object' || !('uint' in value)) return plainCbor(value as Plain);
  if (value.width === undefined) return plainCbor(value.uint);
  const bytes = Buffer.alloc(1 + value.width);
  bytes[0] = { 2: 25, 4: 26, 8: 27 }[value.width];
  bytes.writeUIntBE(value.uint, bytes.length - 2, 2);
  return bytes;
}

class Refused extends Error {}

export class NsmModel {
  readonly #strict: boolean;
  readonly values = Array.from({ length: 32 }, () => Buffer.alloc(48));
  readonly locked = new Set<number>();

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /** The bytes of the response. */
  answer(request: Request): Buffer {
    try {
      return plainCbor(this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return plainCbor(new Map([['Error', error.message]]));
    }
  }

  #answer(request: Request): Plain {
    if (typeof request === 'string') {
      if (request === 'DescribeNSM') return new Map([['DescribeNSM', this.#description()]]);
      if (request === 'GetRandom') return response('GetRandom', [['random', Buffer.alloc(256, randomByte)]]);
      throw new Refused('InvalidOperation');
    }
    if ('pairs' in request) throw new Refused('InvalidOperation');
    const { name, fields } = request;
    const get = (key: string): FieldValue | undefined => fields.find(([field]) => field === key)?.[1];
    switch (name) {
      case 'DescribePCR': {
        const index = register(small(get('index')));
        return response(name, [
          ['data', this.values[index] ?? null],
          ['lock', this.locked.has(index)],
        ]);
      }
      case 'ExtendPCR': {
        const data = get('data');
        if (typeof data !== 'string' && !(data instanceof Uint8Array)) throw new Refused('InvalidOperation');
        const index = this.#unlocked(get('index'));
        const value = createHash('sha384')
          .update(this.values[index] ?? '')
          .update(data)
          .digest();
        this.values[index] = value;
        return response(name, [['data', value]]);
      }
      case 'LockPCR':
        this.locked.add(this.#unlocked(get('index')));
        return name;
      case 'LockPCRs': {
        const range = small(get('range'));
        if (range > 32) throw new Refused('InvalidIndex');
        for (let index = 0; index < range; index++) this.locked.add(index);
        return name;
      }
      case 'Attestation': {
        const limits = { user_data: 512, nonce: 512, public_key: 1024 };
        const parts = Object.entries(limits).map(([key, limit]) => {
          const bytes = optional(get(key));
          if (this.#strict && (bytes?.length ?? 0) > limit) throw new Refused('InputTooLarge');
          return bytes;
        });
        return response(name, [['document', plainDocument(this.#lockedList(), parts)]]);
      }
      default:
        throw new Refused('InvalidOperation');
    }
  }

  #lockedList(): number[] {
    return [...this.locked].sort((a, b) => a - b);
  }

  #description(): Map<Plain, Plain> {
    return new Map<Plain, Plain>([
      ['digest', 'SHA384'],
      ['max_pcrs', 32],
      ['module_id', moduleId],
      ['locked_pcrs', this.#lockedList()],
      ['version_major', 1],
      ['version_minor', 0],
      ['version_patch', 0],
    ]);
  }

  #unlocked(value: FieldValue | undefined): number {
    const index = register(small(value));
    if (this.locked.has(index)) throw new Refused('ReadOnlyIndex');
    return index;
  }
}

function response(name: string, fields: readonly (readonly [Plain, Plain])[]): Plain {
  return new Map([[name, new Map(fields)]]);
}

function small(value: FieldValue | undefined): number {
  if (value === null || typeof value !== 'object' || !('uint' in value)) throw new Refused('InvalidOperation');
  if (value.width !== undefined || value.uint > 255) throw new Refused('InvalidOperation');
  return value.uint;
}

function register(index: number): number {
  if (index > 31) throw new Refused('InvalidIndex');
  return index;
}

function optional(value: FieldValue | undefined): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  throw new Refused('InvalidOperation');
}

const uint: fc.Arbitrary<FieldValue> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 34 }).map((n) => ({ uint: n })) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 65_535 }).map((n) => ({ uint: n })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(2 as const, 4 as const, 8 as const))
      .map(([n, width]) => ({ uint: n, width })),
  },
);
const bytes: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ maxLength: 20 }),
  fc.constantFrom(511, 512, 513, 1024, 1025).map((size) => Buffer.alloc(size, 1)),
);
const other: fc.Arbitrary<FieldValue> = fc.oneof(fc.constant(null), fc.constant([1, 'x']), uint, bytes);
const mostly = (value: fc.Arbitrary<FieldValue>) =>
  fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: other });

/** Fields by name, in any order, one of them perhaps missing, and others that mean nothing. */
function fields(wanted: Record<string, fc.Arbitrary<FieldValue>>): fc.Arbitrary<Fields> {
  const named = Object.entries(wanted).map(([name, value]) => mostly(value).map((v) => [name, v] as const));
  const junk = fc.tuple(fc.constantFrom('other', 'Index', ''), other);
  return fc.tuple(fc.tuple(...named), fc.array(junk, { maxLength: 1 }), fc.nat(20)).chain(([own, extra, dropped]) => {
    const all = [...own.filter((_, index) => index !== dropped), ...extra];
    return fc.shuffledSubarray(all, { minLength: all.length });
  });
}

const map = (name: string, wanted: Record<string, fc.Arbitrary<FieldValue>>): fc.Arbitrary<Request> =>
  fields(wanted).map((chosen) => ({ name, fields: chosen }));

/** Requests of all kinds, most of them sound. ExtendPCR with one pair is InvalidOperation in any case: it lacks a field. */
export const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  map('DescribePCR', { index: uint }),
  map('ExtendPCR', { index: uint, data: bytes }),
  map('ExtendPCR', { index: uint, data: bytes }),
  map('LockPCR', { index: uint }),
  map('LockPCRs', { range: uint }),
  map('Attestation', {
    user_data: fc.oneof(bytes, fc.constant(null)),
    nonce: fc.oneof(bytes, fc.constant(null)),
    public_key: fc.oneof(bytes, fc.constant(null)),
  }),
  fc.constantFrom<Request>('DescribeNSM', 'GetRandom'),
  fc.constantFrom<Request>('DescribePCR', '', { name: 'GetRandom', fields: [] }, { name: 'toString', fields: [] }),
  fc.constantFrom<Request>({ pairs: 0 }, { pairs: 2 }),
);

/** Requests of which some bytes are changed, cut off, put in or plain noise. */
export const damagedRequest: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    anyRequest,
    fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
    fc.nat(300),
    fc.uint8Array({ maxLength: 8 }),
  )
  .map(([request, changes, length, more]) => {
    const encoded = Buffer.concat([encodeRequest(request), more]);
    for (const [at, value] of changes) if (at < encoded.length) encoded[at] = value;
    return new Uint8Array(encoded.subarray(0, Math.max(1, length)));
  });
