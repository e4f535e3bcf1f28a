import { type Cbor, CborError, cbor, member, readCbor } from './cbor.js';
import { type PartName, partLimits } from './document.js';
import type { FaultBoard } from './faults.js';
import { PCR_COUNT, PcrBank } from './pcr-bank.js';

/** Error names on the wire, by their number from 1 (aws-nitro-enclaves-nsm-api, ErrorCode). */
export const nsmErrors = [
  'InvalidArgument',
  'InvalidIndex',
  'InvalidResponse',
  'ReadOnlyIndex',
  'InvalidOperation',
  'BufferTooSmall',
  'InputTooLarge',
  'InternalError',
] as const;
export type NsmError = (typeof nsmErrors)[number];

/** What an attestation document is made of besides the module's own state; absent parts are null in the document. */
export interface AttestationRequest {
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
  readonly publicKey: Uint8Array | undefined;
}

export interface NsmOptions {
  /** Instance and enclave: `i-1234567890abcdef0-enc0123456789abcdef`. */
  readonly moduleId: string;
  /** Makes the document from the module's state; may take its time. */
  readonly attest: (nsm: NitroSecureModule, request: AttestationRequest) => Uint8Array | Promise<Uint8Array>;
  /** Random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** What is to go wrong, for tests of clients. */
  readonly faults?: FaultBoard;
  /** AWS's limits on the parts of an attestation request; without them QEMU's behaviour, which has none. */
  readonly strict: boolean;
}

/** Longest request, bytes (NSM_REQUEST_MAX_SIZE). */
export const REQUEST_LIMIT = 0x1000;
/** Longest response, bytes (NSM_RESPONSE_MAX_SIZE). */
export const RESPONSE_LIMIT = 0x3000;
const RANDOM_SIZE = 256;
const version = { major: 1, minor: 0, patch: 0 } as const;

class Refusal extends Error {
  constructor(readonly code: NsmError) {
    super(code);
  }
}

type Handler = (fields: Cbor) => Uint8Array | Promise<Uint8Array>;

/**
 * The Nitro Secure Module as a state machine: CBOR requests in, CBOR responses out. Parser rules and the order of keys in
 * responses are those of QEMU's virtio-nsm (spec nsm.md, sections 3 to 6).
 */
export class NitroSecureModule {
  readonly pcrs = new PcrBank();
  readonly moduleId: string;
  readonly #options: NsmOptions;

  constructor(options: NsmOptions) {
    this.moduleId = options.moduleId;
    this.#options = options;
  }

  /** Answers one request. Never throws; whatever goes wrong is an error response. */
  async handle(request: Uint8Array): Promise<Uint8Array> {
    const { faults } = this.#options;
    const delay = faults?.take('slow-answer');
    if (delay !== undefined) await new Promise((resolve) => setTimeout(resolve, delay));
    const error = faults?.take('nsm-error');
    if (error !== undefined) return errorResponse(nsmErrors[error - 1] ?? 'InternalError');
    try {
      const response = await this.#dispatch(request);
      return response.length > RESPONSE_LIMIT ? errorResponse('BufferTooSmall') : response;
    } catch (error) {
      return errorResponse(error instanceof Refusal ? error.code : 'InternalError');
    }
  }

  #dispatch(request: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (request.length > REQUEST_LIMIT) throw new Refusal('InputTooLarge');
    const root = decode(request);
    if (root.type === 'text') {
      const handler = Object.hasOwn(this.#bare, root.value) ? this.#bare[root.value] : undefined;
      if (handler === undefined) throw new Refusal('InvalidOperation');
      return handler();
    }
    if (root.type !== 'map' || root.entries.length !== 1) throw new Refusal('InvalidOperation');
    const [name, fields] = root.entries[0] ?? [];
    const handler =
      name?.type === 'text' && Object.hasOwn(this.#withFields, name.value) ? this.#withFields[name.value] : undefined;
    if (handler === undefined || fields?.type !== 'map') throw new Refusal('InvalidOperation');
    return handler(fields);
  }

  readonly #bare: Readonly<Record<string, () => Uint8Array>> = {
    DescribeNSM: () =>
      named('DescribeNSM', [
        ['digest', cbor.text('SHA384')],
        ['max_pcrs', cbor.uint(PCR_COUNT)],
        ['module_id', cbor.text(this.moduleId)],
        ['locked_pcrs', cbor.array(this.pcrs.lockedIndices().map((index) => cbor.uint(index)))],
        ['version_major', cbor.uint(version.major)],
        ['version_minor', cbor.uint(version.minor)],
        ['version_patch', cbor.uint(version.patch)],
      ]),
    GetRandom: () => {
      if (this.#options.faults?.take('entropy-starvation') !== undefined) throw new Refusal('InternalError');
      return named('GetRandom', [['random', cbor.bytes(this.#options.random(RANDOM_SIZE))]]);
    },
  };

  readonly #withFields: Readonly<Record<string, Handler>> = {
    DescribePCR: (fields) => {
      const index = this.#index(fields);
      return named('DescribePCR', [
        ['data', cbor.bytes(this.pcrs.value(index))],
        ['lock', cbor.bool(this.pcrs.isLocked(index))],
      ]);
    },
    ExtendPCR: (fields) => {
      const data = member(fields, 'data');
      if (data?.type !== 'bytes' && data?.type !== 'text') throw new Refusal('InvalidOperation');
      const index = this.#writable(fields);
      const bytes = data.type === 'bytes' ? data.value : Buffer.from(data.value, 'utf8');
      return named('ExtendPCR', [['data', cbor.bytes(this.pcrs.extend(index, bytes))]]);
    },
    LockPCR: (fields) => {
      this.pcrs.lock(this.#writable(fields));
      return cbor.text('LockPCR');
    },
    LockPCRs: (fields) => {
      const range = smallUint(fields, 'range');
      if (range > PCR_COUNT) throw new Refusal('InvalidIndex');
      for (let index = 0; index < range; index++) this.pcrs.lock(index);
      return cbor.text('LockPCRs');
    },
    Attestation: async (fields) => {
      const part = (name: PartName): Uint8Array | undefined => {
        const bytes = optionalBytes(fields, name);
        if (this.#options.strict && bytes !== undefined && bytes.length > partLimits[name]) {
          throw new Refusal('InputTooLarge');
        }
        return bytes;
      };
      const request = { userData: part('user_data'), nonce: part('nonce'), publicKey: part('public_key') };
      return named('Attestation', [['document', cbor.bytes(await this.#options.attest(this, request))]]);
    },
  };

  #index(fields: Cbor): number {
    const index = smallUint(fields, 'index');
    if (!this.pcrs.has(index)) throw new Refusal('InvalidIndex');
    return index;
  }

  #writable(fields: Cbor): number {
    const index = this.#index(fields);
    if (this.pcrs.isLocked(index)) throw new Refusal('ReadOnlyIndex');
    return index;
  }
}

function decode(request: Uint8Array): Cbor {
  try {
    return readCbor(request).item;
  } catch (error) {
    if (error instanceof CborError) throw new Refusal('InvalidOperation');
    throw error;
  }
}

/** An unsigned integer that takes one byte after the initial one at most; QEMU takes no wider encoding. */
function smallUint(fields: Cbor, name: string): number {
  const value = member(fields, name);
  if (value?.type !== 'uint' || value.width > 1) throw new Refusal('InvalidOperation');
  return Number(value.value);
}

function optionalBytes(fields: Cbor, name: string): Uint8Array | undefined {
  const value = member(fields, name);
  if (value === undefined || value.type === 'null') return undefined;
  if (value.type === 'bytes') return value.value;
  if (value.type === 'text') return Buffer.from(value.value, 'utf8');
  throw new Refusal('InvalidOperation');
}

function named(name: string, fields: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const map = cbor.map(fields.map(([key, value]) => [cbor.text(key), value]));
  return cbor.map([[cbor.text(name), map]]);
}

function errorResponse(code: NsmError): Uint8Array {
  return cbor.map([[cbor.text('Error'), cbor.text(code)]]);
}
