import { createHash, type Hash, X509Certificate } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { asError, QemuError } from '../system/errors.js';
import { type GuestRam, ramPieces } from '../system/guest-ram.js';
import { type Section, SectionType } from './codec/header.js';
import { parseSignature } from './codec/signature.js';

/** Bytes hashed in one turn of the event loop: about 4 ms for the two hashes that a kernel goes into. */
const PIECE = 1024 * 1024;
/** Longest signature section that is read into memory. */
const SIGNATURE_LIMIT = 1024 * 1024;

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A section's payload in pieces, read once. */
export interface SectionPayload {
  type: number;
  pieces: Pieces;
}

/** The registers that an image determines, 48 bytes each (SHA-384; spec eif.md, section 7). */
export interface Measurements {
  /** Kernel, command line and all ramdisks. */
  pcr0: Uint8Array;
  /** Kernel, command line and the first ramdisk. */
  pcr1: Uint8Array;
  /** The ramdisks after the first. */
  pcr2: Uint8Array;
  /** The signing certificate; zero for an image that is not signed. */
  pcr8: Uint8Array;
}

const sha384 = (...parts: (Uint8Array | string)[]): Uint8Array =>
  parts.reduce<Hash>((hash, part) => hash.update(part), createHash('sha384')).digest();

/** A register's value after `data` (text as UTF-8) was mixed into it. */
export function extendPcr(register: Uint8Array, data: Uint8Array | string): Uint8Array {
  return sha384(register, data);
}

/** PCR3 of the parent's role ARN, or PCR4 of the parent's instance id: the text itself is extended, not its hash. */
export function textPcr(text: string): Uint8Array {
  return extendPcr(new Uint8Array(48), text);
}

const extendOfHash = (hash: Hash): Uint8Array => extendPcr(new Uint8Array(48), hash.digest());

/**
 * Measures an image section by section, in the order given; of several signatures the last counts, as in QEMU.
 *
 * @throws QemuError for a signature section that has no certificate, or is longer than 1 MiB
 */
export async function measureEif(sections: Iterable<SectionPayload>): Promise<Measurements> {
  const all = createHash('sha384');
  const boot = createHash('sha384');
  const application = createHash('sha384');
  let ramdisks = 0;
  let pcr8: Uint8Array = new Uint8Array(48);
  for (const { type, pieces } of sections) {
    let into: Hash[] = [];
    if (type === SectionType.kernel || type === SectionType.cmdline) into = [all, boot];
    if (type === SectionType.ramdisk) into = ramdisks++ === 0 ? [all, boot] : [all, application];
    if (into.length > 0) await hashInto(into, pieces);
    if (type === SectionType.signature) {
      const der = signingCertificate(await collect(pieces, SIGNATURE_LIMIT)).raw;
      pcr8 = extendPcr(new Uint8Array(48), sha384(der));
    }
  }
  return { pcr0: extendOfHash(all), pcr1: extendOfHash(boot), pcr2: extendOfHash(application), pcr8 };
}

/** The payloads of an image in guest RAM at `offset`. */
export function* ramPayloads(
  ram: GuestRam,
  offset: number,
  sections: Iterable<Section>,
): Generator<SectionPayload, void> {
  for (const { type, payload, size } of sections) {
    yield { type, pieces: ramPieces(ram, offset + payload, size, PIECE) };
  }
}

/**
 * The certificate of the first signature in a signature section; `raw` is its DER. Of a PEM text only the first
 * certificate counts.
 *
 * @throws QemuError as parseSignature does, and `Failed to import certificate`
 */
export function signingCertificate(payload: Uint8Array): X509Certificate {
  const [first] = parseSignature(payload);
  const pem = Buffer.from(first?.certificate ?? []);
  if (!pem.includes('-----BEGIN ')) {
    throw new QemuError('Failed to import certificate', { hint: 'the signing certificate is not PEM text' });
  }
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new QemuError('Failed to import certificate', { hint: asError(error).message, cause: error });
  }
}

async function hashInto(hashes: readonly Hash[], pieces: Pieces): Promise<void> {
  for await (const piece of pieces) {
    for (const hash of hashes) hash.update(piece);
    await setImmediate();
  }
}

async function collect(pieces: Pieces, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) throw new QemuError(`EIF signature section is longer than ${limit} bytes`);
    parts.push(piece);
  }
  return Buffer.concat(parts);
}
