import { type Cbor, cbor } from './cbor.js';
import { decodeWhole, ShapeError } from './cose.js';
import { PCR_COUNT } from './pcr-bank.js';

/** The payload of an attestation document (spec nsm.md, section 7). */
export interface AttestationDocument {
  /** Instance and enclave, such as `i-1234567890abcdef0-enc0123456789abcdef`. */
  readonly moduleId: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** The locked registers, by index. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** DER of the certificate whose key has signed the document. */
  readonly certificate: Uint8Array;
  /** DER of the certificates above it, the root first. */
  readonly cabundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | undefined;
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
}

/** Bytes of what an attestation request may carry (AWS's checks). */
export const partLimits = { user_data: 512, nonce: 512, public_key: 1024 } as const;
export type PartName = keyof typeof partLimits;

const DIGEST = 'SHA384';
const CERTIFICATE_LIMIT = 1024;
const registerSizes: readonly number[] = [32, 48, 64];
const keys = ['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle', ...Object.keys(partLimits)];

/** Writes the payload with keys in the order of AWS and QEMU; parts that are absent are null. */
export function encodeDocument(document: AttestationDocument): Buffer {
  const { moduleId, timestamp, pcrs, certificate, cabundle, publicKey, userData, nonce } = document;
  const registers = [...pcrs].sort(([a], [b]) => a - b).map(([index, value]) => [cbor.uint(index), cbor.bytes(value)]);
  const part = (bytes: Uint8Array | undefined): Buffer => (bytes === undefined ? cbor.null : cbor.bytes(bytes));
  const fields: [string, Buffer][] = [
    ['module_id', cbor.text(moduleId)],
    ['digest', cbor.text(DIGEST)],
    ['timestamp', cbor.uint64(timestamp)],
    ['pcrs', cbor.map(registers as [Buffer, Buffer][])],
    ['certificate', cbor.bytes(certificate)],
    ['cabundle', cbor.array(cabundle.map(cbor.bytes))],
    ['public_key', part(publicKey)],
    ['user_data', part(userData)],
    ['nonce', part(nonce)],
  ];
  return cbor.map(fields.map(([key, value]) => [cbor.text(key), value]));
}

/** Reads a payload under all of AWS's rules. @throws ShapeError naming the first field that breaks one */
export function decodeDocument(payload: Uint8Array): AttestationDocument {
  const fields = textMap(decodeWhole(payload, 'the payload'));
  for (const key of fields.keys()) if (!keys.includes(key)) throw new ShapeError(`unknown field ${show(key)}`);
  const moduleId = fields.get('module_id');
  if (moduleId?.type !== 'text' || moduleId.value === '') throw new ShapeError('module_id is not a text with content');
  const digest = fields.get('digest');
  if (digest?.type !== 'text' || digest.value !== DIGEST) throw new ShapeError(`digest is not "${DIGEST}"`);
  return {
    moduleId: moduleId.value,
    timestamp: readTimestamp(fields.get('timestamp')),
    pcrs: readPcrs(fields.get('pcrs')),
    certificate: readCertificate(fields.get('certificate'), 'certificate'),
    cabundle: readBundle(fields.get('cabundle')),
    publicKey: readPart(fields, 'public_key', 1),
    userData: readPart(fields, 'user_data', 0),
    nonce: readPart(fields, 'nonce', 0),
  };
}

function textMap(item: Cbor): Map<string, Cbor> {
  if (item.type !== 'map') throw new ShapeError('the payload is not a map');
  const fields = new Map<string, Cbor>();
  for (const [key, value] of item.entries) {
    if (key.type !== 'text') throw new ShapeError('a key of the payload is not a text');
    if (fields.has(key.value)) throw new ShapeError(`field ${show(key.value)} is there twice`);
    fields.set(key.value, value);
  }
  return fields;
}

/** Text from a document, fit for a terminal. */
function show(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function readTimestamp(item: Cbor | undefined): number {
  if (item?.type !== 'uint' || item.value === 0n || item.value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ShapeError('timestamp is not a number of milliseconds');
  }
  return Number(item.value);
}

function readPcrs(item: Cbor | undefined): Map<number, Uint8Array> {
  if (item?.type !== 'map' || item.entries.length === 0 || item.entries.length > PCR_COUNT) {
    throw new ShapeError(`pcrs is not a map of 1 to ${PCR_COUNT} registers`);
  }
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, value] of item.entries) {
    if (index.type !== 'uint' || index.value >= BigInt(PCR_COUNT))
      throw new ShapeError('an index of pcrs is not 0..31');
    const at = Number(index.value);
    if (pcrs.has(at)) throw new ShapeError(`PCR${at} is there twice`);
    if (value.type !== 'bytes' || !registerSizes.includes(value.value.length)) {
      throw new ShapeError(`PCR${at} is not a byte string of ${registerSizes.join(', ')} bytes`);
    }
    pcrs.set(at, value.value);
  }
  return pcrs;
}

function readCertificate(item: Cbor | undefined, what: string): Uint8Array {
  if (item?.type !== 'bytes' || item.value.length === 0 || item.value.length > CERTIFICATE_LIMIT) {
    throw new ShapeError(`${what} is not a byte string of 1 to ${CERTIFICATE_LIMIT} bytes`);
  }
  return item.value;
}

function readBundle(item: Cbor | undefined): Uint8Array[] {
  if (item?.type !== 'array' || item.items.length === 0) throw new ShapeError('cabundle is not an array with content');
  return item.items.map((entry, index) => readCertificate(entry, `cabundle[${index}]`));
}

function readPart(fields: ReadonlyMap<string, Cbor>, name: PartName, least: number): Uint8Array | undefined {
  const item = fields.get(name);
  if (item === undefined || item.type === 'null') return undefined;
  if (item.type !== 'bytes' || item.value.length < least || item.value.length > partLimits[name]) {
    throw new ShapeError(`${name} is neither null nor a byte string of ${least} to ${partLimits[name]} bytes`);
  }
  return item.value;
}
