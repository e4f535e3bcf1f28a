import { type KeyObject, sign, verify } from 'node:crypto';
import { type Cbor, CborError, cbor, readCbor } from './cbor.js';

/** A COSE_Sign1 message (RFC 9052, section 4.2) whose parts have the types they must have. */
export interface Sign1 {
  /** The protected header as it was signed: a CBOR map in a byte string, here its content. */
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** Longest payload of an attestation document, bytes (spec nsm.md, section 7). */
export const PAYLOAD_LIMIT = 16_384;
/** Longest COSE_Sign1 around such a payload. */
export const DOCUMENT_LIMIT = PAYLOAD_LIMIT + 1024;
/** r || s over P-384. */
const SIGNATURE_SIZE = 96;
const COSE_SIGN1_TAG = 18n;
const ALG = 1n;
/** ECDSA with SHA-384 (RFC 9053, section 2.1). */
const ALG_ES384 = -35n;

/** The bytes are not the document that they claim to be. */
export class ShapeError extends Error {}

/** The protected header {1: -35}. */
export const es384Header: Uint8Array = cbor.map([[cbor.uint(ALG), cbor.nint(ALG_ES384)]]);

/** Writes an untagged COSE_Sign1 with an empty unprotected header. */
export function encodeSign1({ protectedHeader, payload, signature }: Sign1): Buffer {
  return cbor.array([cbor.bytes(protectedHeader), cbor.map([]), cbor.bytes(payload), cbor.bytes(signature)]);
}

/** A document signed with ES384. @param key private, P-384 */
export function signEs384(payload: Uint8Array, key: KeyObject): Buffer {
  const signature = sign('sha384', toBeSigned(es384Header, payload), { key, dsaEncoding: 'ieee-p1363' });
  return encodeSign1({ protectedHeader: es384Header, payload, signature });
}

/** Whether the message's ES384 signature is that of `key`, a P-384 public key. */
export function verifyEs384({ protectedHeader, payload, signature }: Sign1, key: KeyObject): boolean {
  const signed = toBeSigned(protectedHeader, payload);
  return verify('sha384', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** Sig_structure with empty external data (RFC 9052, section 4.4). */
function toBeSigned(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  const context = cbor.text('Signature1');
  return cbor.array([context, cbor.bytes(protectedHeader), cbor.bytes(new Uint8Array()), cbor.bytes(payload)]);
}

/**
 * Reads an ES384 COSE_Sign1, tagged or not.
 *
 * @throws ShapeError for anything else: other CBOR, trailing bytes, another algorithm, an unprotected header that is not
 *   empty, a signature that is not 96 bytes long
 */
export function decodeSign1(document: Uint8Array): Sign1 {
  const parts = decodeSign1Parts(document);
  checkHeader(parts.protectedHeader);
  if (parts.signature.length !== SIGNATURE_SIZE) {
    throw new ShapeError(`the signature has ${parts.signature.length} bytes, not ${SIGNATURE_SIZE}`);
  }
  return parts;
}

/** Reads a COSE_Sign1 whatever its algorithm, QEMU's unsigned answers too. @throws ShapeError */
export function decodeSign1Parts(document: Uint8Array): Sign1 {
  if (document.length > DOCUMENT_LIMIT) {
    throw new ShapeError(`the document has ${document.length} bytes, more than ${DOCUMENT_LIMIT}`);
  }
  const outer = decodeWhole(document, 'the document');
  const message = outer.type === 'tag' && outer.tag === COSE_SIGN1_TAG ? outer.content : outer;
  if (message.type !== 'array' || message.items.length !== 4) {
    throw new ShapeError('the document is not a COSE_Sign1, an array of 4');
  }
  const [header, unprotected, payload, signature] = message.items;
  if (header?.type !== 'bytes') throw new ShapeError('the protected header is not a byte string');
  if (unprotected?.type !== 'map' || unprotected.entries.length > 0) {
    throw new ShapeError('the unprotected header is not an empty map');
  }
  if (payload?.type !== 'bytes') throw new ShapeError('the payload is not a byte string');
  if (payload.value.length > PAYLOAD_LIMIT) {
    throw new ShapeError(`the payload has ${payload.value.length} bytes, more than ${PAYLOAD_LIMIT}`);
  }
  if (signature?.type !== 'bytes') throw new ShapeError('the signature is not a byte string');
  return { protectedHeader: header.value, payload: payload.value, signature: signature.value };
}

function checkHeader(protectedHeader: Uint8Array): void {
  const header = decodeWhole(protectedHeader, 'the protected header');
  const [entry, more] = header.type === 'map' ? header.entries : [];
  const [label, algorithm] = entry ?? [];
  if (label?.type !== 'uint' || label.value !== ALG || more !== undefined) {
    throw new ShapeError('the protected header is not a map of the algorithm alone');
  }
  if (algorithm?.type !== 'nint' || algorithm.value !== ALG_ES384) {
    const found = algorithm?.type === 'nint' ? `${algorithm.value}` : (algorithm?.type ?? 'nothing');
    throw new ShapeError(`the algorithm is ${found}, not ${ALG_ES384} (ES384)`);
  }
}

/** One CBOR item without anything after it. @param what named in the error. @throws ShapeError */
export function decodeWhole(bytes: Uint8Array, what: string): Cbor {
  try {
    const { item, end } = readCbor(bytes);
    if (end !== bytes.length) throw new ShapeError(`${what} is followed by ${bytes.length - end} bytes`);
    return item;
  } catch (error) {
    if (error instanceof CborError) throw new ShapeError(`${what} is not CBOR: ${error.message}`);
    throw error;
  }
}
