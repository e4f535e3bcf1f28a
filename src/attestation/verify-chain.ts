import { type Certificate, isIssuedBy, readCertificate } from './certificate.js';
import { ShapeError } from './cose.js';
import type { AttestationDocument } from './document.js';

/** The certificates of a document, the trusted root first, the document's own last. */
export type Chain = readonly Certificate[];

/**
 * Checks everything about a document's chain but its times: the trusted root at the top, byte for byte; below it each
 * certificate allowed to be where it is and issued by the one above.
 *
 * @param root DER of the trusted root
 * @throws ShapeError naming the first certificate that does not fit
 */
export function checkChain({ cabundle, certificate }: AttestationDocument, root: Uint8Array): Chain {
  const [first] = cabundle;
  if (first === undefined || Buffer.compare(first, root) !== 0) {
    throw new ShapeError('cabundle[0] is not the trusted root');
  }
  const chain = [...cabundle, certificate].map((der, index) => read(der, placeName(index, cabundle.length)));
  const authorities = chain.slice(0, -1);
  authorities.forEach((authority, index) => {
    const place = placeName(index, authorities.length);
    if (!authority.authority) throw new ShapeError(`${place} is not a certificate authority`);
    if (!authority.canSignCertificates) throw new ShapeError(`${place} may not sign certificates`);
    const below = authorities.length - 1 - index;
    if (authority.pathLength !== undefined && authority.pathLength < below) {
      throw new ShapeError(`${place} allows ${authority.pathLength} authorities below itself, there are ${below}`);
    }
  });
  const leaf = chain.at(-1);
  if (leaf?.authority !== false) throw new ShapeError('the end certificate is a certificate authority');
  if (!leaf.canSign) throw new ShapeError('the end certificate may not sign');
  for (const [index, subject] of chain.entries()) {
    const issuer = chain[index - 1];
    if (issuer !== undefined && !isIssuedBy(subject, issuer)) {
      const above = placeName(index - 1, authorities.length);
      throw new ShapeError(`${placeName(index, authorities.length)} was not issued by ${above}`);
    }
  }
  return chain;
}

/** Checks that every certificate is valid at a time. @param at milliseconds since 1970. @throws ShapeError */
export function checkValidity(chain: Chain, at: number): void {
  for (const [index, { notBefore, notAfter }] of chain.entries()) {
    const place = placeName(index, chain.length - 1);
    if (at < notBefore) throw new ShapeError(`${place} is not valid before ${iso(notBefore)}`);
    // The last second belongs to the validity.
    if (at >= notAfter + 1000) throw new ShapeError(`${place} has expired at ${iso(notAfter)}`);
  }
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}

function placeName(index: number, authorities: number): string {
  return index === authorities ? 'the end certificate' : `cabundle[${index}]`;
}

function read(der: Uint8Array, place: string): Certificate {
  try {
    return readCertificate(der);
  } catch (error) {
    if (error instanceof ShapeError) throw new ShapeError(`${place}: ${error.message}`);
    throw error;
  }
}
