import { readCertificate } from './certificate.js';
import { ShapeError } from './cose.js';

const LABEL = 'CERTIFICATE';

/** A certificate as PEM text. */
export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${LABEL}-----`, ...lines, `-----END ${LABEL}-----`, ''].join('\n');
}

/**
 * The DER of a root certificate in PEM or DER.
 *
 * @throws ShapeError when there is not exactly one certificate, or it cannot be the root of an attestation chain
 */
export function readRoot(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const blocks = [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)];
  const [block, more] = blocks;
  if (more !== undefined) throw new ShapeError('more than one certificate');
  const der = block === undefined ? bytes : Buffer.from(block[1] ?? '', 'base64');
  const { authority, canSignCertificates } = readCertificate(der);
  if (!authority || !canSignCertificates) throw new ShapeError('a certificate that may not sign others');
  return der;
}
