import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ShapeError } from './cose.js';
import { type DerItem, DerTag, derBoolean, derSmallInteger, derTime, readDer, readDerItem } from './der.js';

/** What a verifier must know of a certificate: X.509 v3, P-384 key, signed with ECDSA over SHA-384. */
export interface Certificate {
  readonly raw: Uint8Array;
  /** The part that is signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** DER of the names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970; both ends belong to the validity. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly authority: boolean;
  /** CA certificates that may follow below this one; undefined for any number. */
  readonly pathLength: number | undefined;
  readonly canSignCertificates: boolean;
  readonly canSign: boolean;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
}

/** OBJECT IDENTIFIERs as the hex of their content. */
const oid = {
  ecdsaWithSha384: '2a8648ce3d040303',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  subjectKeyIdentifier: '551d0e',
  authorityKeyIdentifier: '551d23',
} as const;

const versionTag = 0xa0;
const extensionsTag = 0xa3;
const VERSION_3 = 2;
/** Bits of the first byte of keyUsage (RFC 5280, section 4.2.1.3). */
const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * Reads a certificate of an attestation chain. Strict: DER throughout, no unknown critical extension, none twice, and the
 * algorithms of AWS's chains only.
 *
 * @throws ShapeError
 */
export function readCertificate(raw: Uint8Array): Certificate {
  const [body, algorithm, signature, ...rest] = readDer(readDerItem(raw, DerTag.sequence).content);
  if (body?.tag !== DerTag.sequence || algorithm === undefined || signature === undefined || rest.length > 0) {
    throw new ShapeError('DER that is not a certificate');
  }
  const [version, serial, inner, issuer, validity, subject, key, ...optional] = readDer(body.content);
  if (version?.tag !== versionTag || derSmallInteger(readDerItem(version.content, DerTag.integer)) !== VERSION_3) {
    throw new ShapeError('a certificate that is not of version 3');
  }
  if (serial?.tag !== DerTag.integer) throw new ShapeError('a certificate without a serial number');
  checkAlgorithm(algorithm);
  checkAlgorithm(inner);
  const [notBefore, notAfter] = readDer(sequence(validity).content).map(derTime);
  if (notBefore === undefined || notAfter === undefined) throw new ShapeError('a certificate without a validity');
  return {
    raw,
    signed: body.raw,
    signature: bitString(signature),
    issuer: sequence(issuer).raw,
    subject: sequence(subject).raw,
    notBefore,
    notAfter,
    publicKey: p384Key(sequence(key).raw),
    ...readExtensions(optional),
  };
}

/** Whether `issuer` has signed `certificate`, by name, key identifier and signature. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  const { authorityKeyId: wanted } = certificate;
  const { subjectKeyId: found } = issuer;
  if (Buffer.compare(certificate.issuer, issuer.subject) !== 0) return false;
  if (wanted !== undefined && found !== undefined && Buffer.compare(wanted, found) !== 0) return false;
  return verify('sha384', certificate.signed, { key: issuer.publicKey, dsaEncoding: 'der' }, certificate.signature);
}

function sequence(item: DerItem | undefined): DerItem {
  if (item?.tag !== DerTag.sequence) throw new ShapeError('a certificate with a part missing');
  return item;
}

function checkAlgorithm(item: DerItem | undefined): void {
  const [name, ...parameters] = readDer(sequence(item).content);
  if (name?.tag !== DerTag.oid || hex(name.content) !== oid.ecdsaWithSha384 || parameters.length > 0) {
    throw new ShapeError('a certificate that is not signed with ECDSA over SHA-384');
  }
}

/** The bytes of a BIT STRING without unused bits. */
function bitString({ tag, content }: DerItem): Uint8Array {
  if (tag !== DerTag.bitString || content[0] !== 0) throw new ShapeError('DER that is not a BIT STRING of whole bytes');
  return content.subarray(1);
}

function p384Key(spki: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new ShapeError('a certificate without a usable public key');
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'secp384r1') {
    throw new ShapeError('a certificate whose key is not on P-384');
  }
  return key;
}

type Extensions = Pick<
  Certificate,
  'authority' | 'pathLength' | 'canSignCertificates' | 'canSign' | 'subjectKeyId' | 'authorityKeyId'
>;

function readExtensions(optional: readonly DerItem[]): Extensions {
  const known = new Map<string, Uint8Array>();
  const [list] = optional.filter(({ tag }) => tag === extensionsTag);
  const entries = list === undefined ? [] : readDer(readDerItem(list.content, DerTag.sequence).content);
  for (const entry of entries) {
    const [name, ...rest] = readDer(sequence(entry).content);
    const value = rest.at(-1);
    if (name?.tag !== DerTag.oid || value?.tag !== DerTag.octetString || rest.length > 2) {
      throw new ShapeError('DER that is not a certificate extension');
    }
    const [flag] = rest.length === 2 ? rest : [];
    const id = hex(name.content);
    if (known.has(id)) throw new ShapeError(`a certificate with extension ${id} twice`);
    if (flag !== undefined && derBoolean(flag) && !Object.values<string>(oid).includes(id)) {
      throw new ShapeError(`a certificate with the unknown critical extension ${id}`);
    }
    known.set(id, value.content);
  }
  const usage = keyUsage(known.get(oid.keyUsage));
  const subjectKeyId = known.get(oid.subjectKeyIdentifier);
  return {
    ...basicConstraints(known.get(oid.basicConstraints)),
    canSignCertificates: (usage & KEY_CERT_SIGN) !== 0,
    canSign: (usage & DIGITAL_SIGNATURE) !== 0,
    subjectKeyId: subjectKeyId === undefined ? undefined : readDerItem(subjectKeyId, DerTag.octetString).content,
    authorityKeyId: authorityKeyId(known.get(oid.authorityKeyIdentifier)),
  };
}

function basicConstraints(value: Uint8Array | undefined): Pick<Certificate, 'authority' | 'pathLength'> {
  const parts = value === undefined ? [] : readDer(readDerItem(value, DerTag.sequence).content);
  const [flag, length] = parts;
  if (flag === undefined) return { authority: false, pathLength: undefined };
  return { authority: derBoolean(flag), pathLength: length === undefined ? undefined : derSmallInteger(length) };
}

/** The first byte of the usage bits; without the extension nothing is allowed. */
function keyUsage(value: Uint8Array | undefined): number {
  if (value === undefined) return 0;
  const { content } = readDerItem(value, DerTag.bitString);
  return content[1] ?? 0;
}

function authorityKeyId(value: Uint8Array | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  const keyIdentifier = 0x80;
  return readDer(readDerItem(value, DerTag.sequence).content).find(({ tag }) => tag === keyIdentifier)?.content;
}
