import { cbor } from './cbor.js';
import { encodeSign1 } from './cose.js';
import { encodeDocument } from './document.js';
import type { AttestationRequest, NitroSecureModule } from './nsm.js';

/** {1: -1}, which is no algorithm. */
const header = cbor.map([[cbor.uint(1), cbor.nint(-1)]]);
const absent = new Uint8Array(64);

/**
 * QEMU's own answer: the form of a document, with zeros where certificates and signature would be (spec nsm.md, section 7).
 *
 * @param now milliseconds since 1970; QEMU knows seconds only
 */
export function unsignedDocument(nsm: NitroSecureModule, request: AttestationRequest, now: number): Uint8Array {
  const payload = encodeDocument({
    moduleId: nsm.moduleId,
    timestamp: Math.floor(now / 1000) * 1000,
    pcrs: nsm.pcrs.locked(),
    certificate: absent,
    cabundle: [absent],
    ...request,
  });
  return encodeSign1({ protectedHeader: header, payload, signature: absent });
}
