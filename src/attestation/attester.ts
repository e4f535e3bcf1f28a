import { CertificateChain, type ChainOptions } from './chain.js';
import { signEs384 } from './cose.js';
import { encodeDocument } from './document.js';
import type { AttestationRequest, NitroSecureModule } from './nsm.js';
import { unsignedDocument } from './unsigned.js';

/** How a machine answers attestation requests; can be sent to a worker as it is. */
export type AttesterConfig =
  | { readonly mode: 'unsigned' }
  | ({ readonly mode: 'signed' } & Omit<ChainOptions, 'moduleId'>);

/** Makes the document that answers an Attestation request. */
export type Attester = (nsm: NitroSecureModule, request: AttestationRequest) => Uint8Array;

/** An attester for one module. @param clock milliseconds since 1970, default the host's */
export function createAttester(config: AttesterConfig, clock: () => number = Date.now): Attester {
  if (config.mode === 'unsigned') return (nsm, request) => unsignedDocument(nsm, request, clock());
  let signer: DocumentSigner | undefined;
  return ({ moduleId, pcrs }, request) => {
    signer ??= new DocumentSigner({ ...config, moduleId });
    return signer.sign({ pcrs: pcrs.locked(), ...request }, clock());
  };
}

/** What a document says besides who signs it. */
export interface DocumentParts extends AttestationRequest {
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
}

/** Signs documents of one module. */
export class DocumentSigner {
  readonly #moduleId: string;
  readonly #chain: CertificateChain;

  constructor(options: ChainOptions) {
    this.#moduleId = options.moduleId;
    this.#chain = new CertificateChain(options);
  }

  /** @param now milliseconds since 1970 */
  sign(parts: DocumentParts, now: number): Uint8Array {
    const { leaf, cabundle } = this.#chain.at(now);
    const { certificate, key } = leaf;
    const payload = encodeDocument({ moduleId: this.#moduleId, timestamp: now, certificate, cabundle, ...parts });
    return signEs384(payload, key);
  }
}
