import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';

/** A private key on P-384 and the certificate of its public half. */
export interface Identity {
  readonly key: KeyObject;
  /** DER. */
  readonly certificate: Uint8Array;
}

const attributes = {
  C: '2.5.4.6',
  ST: '2.5.4.8',
  L: '2.5.4.7',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  CN: '2.5.4.3',
} as const;

/** A distinguished name, in the order of its parts. */
export type NameParts = readonly (readonly [keyof typeof attributes, string])[];

export interface CertificateRequest {
  readonly subject: NameParts;
  /** Milliseconds since 1970, rounded down to seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** For authorities: how many more may follow below, or `any`. Absent for an end certificate. */
  readonly pathLength?: number | 'any';
  readonly usage: number;
  /** For a TLS server: what its clients may call it. */
  readonly hosts?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

/** Usages in the shapes of AWS's chain. */
export const usage = {
  authority: x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
  instance: x509.KeyUsageFlags.keyCertSign,
  leaf: x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.nonRepudiation,
} as const;

const ecdsaWithSha384 = new x509.AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.3' });

/**
 * Makes a new P-384 key and a certificate for it.
 *
 * @param issuer signs it; absent for a root, which signs itself
 */
export function issue(request: CertificateRequest, issuer?: Identity): Identity {
  const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return { key, certificate: certify(request, publicKey, issuer ?? key) };
}

/** A self-signed certificate for a key that is there already. */
export function selfSign(request: CertificateRequest, key: KeyObject): Identity {
  return { key, certificate: certify(request, createPublicKey(key), key) };
}

function certify(request: CertificateRequest, publicKey: KeyObject, issuer: Identity | KeyObject): Uint8Array {
  const subject = distinguishedName(request.subject);
  const above = 'certificate' in issuer ? AsnConvert.parse(issuer.certificate, x509.Certificate) : undefined;
  const body = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: arrayBuffer(serialNumber()),
    signature: ecdsaWithSha384,
    issuer: above?.tbsCertificate.subject ?? subject,
    validity: new x509.Validity({ notBefore: seconds(request.notBefore), notAfter: seconds(request.notAfter) }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ format: 'der', type: 'spki' }),
      x509.SubjectPublicKeyInfo,
    ),
    extensions: extensions(request, publicKey, above),
  });
  const signer = 'certificate' in issuer ? issuer.key : issuer;
  const signature = sign('sha384', Buffer.from(AsnConvert.serialize(body)), { key: signer, dsaEncoding: 'der' });
  const certificate = new x509.Certificate({
    tbsCertificate: body,
    signatureAlgorithm: ecdsaWithSha384,
    signatureValue: arrayBuffer(signature),
  });
  return new Uint8Array(AsnConvert.serialize(certificate));
}

/** End certificates carry no key identifiers and an uncritical usage, roots no authority key identifier, as AWS's. */
function extensions(
  { pathLength, usage: flags, hosts }: CertificateRequest,
  publicKey: KeyObject,
  above: x509.Certificate | undefined,
): x509.Extensions {
  const authority = pathLength !== undefined;
  const constraints = new x509.BasicConstraints({
    cA: authority,
    ...(typeof pathLength === 'number' ? { pathLenConstraint: pathLength } : {}),
  });
  const list = [extension(x509.id_ce_basicConstraints, constraints, true)];
  if (authority) {
    const parent = above?.tbsCertificate.subjectPublicKeyInfo.subjectPublicKey;
    if (parent !== undefined) {
      const keyIdentifier = new x509.KeyIdentifier(keyId(new Uint8Array(parent)));
      const identifier = new x509.AuthorityKeyIdentifier({ keyIdentifier });
      list.push(extension(x509.id_ce_authorityKeyIdentifier, identifier, false));
    }
    const own = publicKey.export({ format: 'der', type: 'spki' }).subarray(-P384_POINT_SIZE);
    list.push(extension(x509.id_ce_subjectKeyIdentifier, new x509.SubjectKeyIdentifier(keyId(own)), false));
  }
  list.push(extension(x509.id_ce_keyUsage, new x509.KeyUsage(flags), authority));
  if (hosts !== undefined) {
    const names = [
      ...hosts.dns.map((dNSName) => new x509.GeneralName({ dNSName })),
      ...hosts.ip.map((iPAddress) => new x509.GeneralName({ iPAddress })),
    ];
    list.push(extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(names), false));
    list.push(extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage([x509.id_kp_serverAuth]), false));
  }
  return new x509.Extensions(list);
}

/** An uncompressed point: 04, x, y. */
const P384_POINT_SIZE = 97;

/** SHA-1 of the public key's bits (RFC 5280, section 4.2.1.2). */
function keyId(point: Uint8Array): ArrayBuffer {
  return arrayBuffer(createHash('sha1').update(point).digest());
}

function extension(extnID: string, value: object, critical: boolean): x509.Extension {
  return new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function distinguishedName(parts: NameParts): x509.Name {
  return new x509.Name(
    parts.map(([name, text]) => {
      // A country is a PrintableString by definition (RFC 5280, appendix A.1).
      const value = new x509.AttributeValue(name === 'C' ? { printableString: text } : { utf8String: text });
      return new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type: attributes[name], value })]);
    }),
  );
}

/** 16 random bytes that are a positive INTEGER without a leading zero byte. */
function serialNumber(): Uint8Array {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function seconds(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000);
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
