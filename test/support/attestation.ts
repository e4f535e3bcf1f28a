import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CertificateRequest, type Identity, issue, usage } from '../../src/attestation/issue.js';

/** A document that a real Nitro Hypervisor has signed, as its owner published it. */
export const awsDocument: Uint8Array = Buffer.from(
  readFileSync(fileURLToPath(new URL('../../../test/attestation/data/aws-document.b64', import.meta.url)), 'latin1'),
  'base64',
);
/** When it was made. */
export const awsDocumentTime = Date.parse('2026-03-13T02:25:13.307Z');
/** SHA-256 of AWS's root certificate, as AWS publishes it. */
export const awsRootSha256 = '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b';

/** A CBOR writer of a few lines that shares no code with src/attestation. */
export type Plain = null | boolean | number | string | Uint8Array | readonly Plain[] | ReadonlyMap<Plain, Plain>;

export function plainCbor(value: Plain): Buffer {
  const head = (major: number, n: number): Buffer => {
    if (n < 24) return Buffer.from([(major << 5) | n]);
    if (n < 256) return Buffer.from([(major << 5) | 24, n]);
    if (n < 65_536) return Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
    const bytes = Buffer.alloc(9);
    bytes[0] = (major << 5) | 27;
    bytes.writeBigUInt64BE(BigInt(n), 1);
    return bytes;
  };
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) {
    return Buffer.concat([head(5, value.size), ...[...value].flat().map((item) => plainCbor(item as Plain))]);
  }
  const items = value as readonly Plain[];
  return Buffer.concat([head(4, items.length), ...items.map(plainCbor)]);
}

export const header = plainCbor(new Map<Plain, Plain>([[1, -35]]));

/** A COSE_Sign1 after RFC 9052. */
export function plainSign1(payload: Uint8Array, key: KeyObject, protectedHeader: Uint8Array = header): Buffer {
  const signed = plainCbor(['Signature1', protectedHeader, Buffer.alloc(0), payload]);
  const signature = sign('sha384', signed, { key, dsaEncoding: 'ieee-p1363' });
  return plainCbor([protectedHeader, new Map(), payload, signature]);
}

const now = Date.now();
const hour = 3_600_000;

export function certificateRequest(name: string, more: Partial<CertificateRequest> = {}): CertificateRequest {
  return { subject: [['CN', name]], notBefore: now - hour, notAfter: now + hour, usage: usage.authority, ...more };
}

/** Root, one authority and the end certificate, of which each can be made otherwise. */
export function testChain(
  change: {
    root?: Partial<CertificateRequest>;
    authority?: Partial<CertificateRequest>;
    leaf?: Partial<CertificateRequest>;
  } = {},
): { root: Identity; authority: Identity; leaf: Identity } {
  const root = issue(certificateRequest('root', { pathLength: 'any', ...change.root }));
  const authority = issue(certificateRequest('authority', { pathLength: 0, ...change.authority }), root);
  const leaf = issue(certificateRequest('leaf', { usage: usage.leaf, ...change.leaf }), authority);
  return { root, authority, leaf };
}

export function payloadFields({ root, authority, leaf }: ReturnType<typeof testChain>): Map<Plain, Plain> {
  return new Map<Plain, Plain>([
    ['module_id', 'i-1-enc2'],
    ['digest', 'SHA384'],
    ['timestamp', now],
    ['pcrs', new Map(Array.from({ length: 16 }, (_, index) => [index, Buffer.alloc(48, index + 1)]))],
    ['certificate', leaf.certificate],
    ['cabundle', [root.certificate, authority.certificate]],
    ['public_key', null],
    ['user_data', Buffer.from('user data')],
    ['nonce', Buffer.from('nonce')],
  ]);
}

export function otherKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
}
