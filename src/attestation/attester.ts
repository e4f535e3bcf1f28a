import { CertificateChain, type ChainOptions, createRoot, type SigningChain } from './chain.js';
import { signEs384 } from './cose.js';
import { encodeDocument } from './document.js';
import type { FaultBoard } from './faults.js';
import type { AttestationRequest, NitroSecureModule } from './nsm.js';
import { unsignedDocument } from './unsigned.js';

/** How a machine answers attestation requests; can be sent to a worker as it is. */
export type AttesterConfig =
  | { readonly mode: 'unsigned' }
  | ({ readonly mode: 'signed' } & Omit<ChainOptions, 'moduleId'>);

/** Makes the document that answers an Attestation request. */
export type Attester = (nsm: NitroSecureModule, request: AttestationRequest) => Uint8Array;

/**
 * An attester for one module.
 *
 * @param faults that its documents may have
 * @param clock milliseconds since 1970, default the host's
 */
export function createAttester(config: AttesterConfig, faults?: FaultBoard, clock: () => number = Date.now): Attester {
  if (config.mode === 'unsigned') return (nsm, request) => unsignedDocument(nsm, request, clock());
  let signer: DocumentSigner | undefined;
  return ({ moduleId, pcrs }, request) => {
    signer ??=
      faults === undefined
        ? new DocumentSigner({ ...config, moduleId })
        : new FaultySigner({ ...config, moduleId }, faults);
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
    return this.signWith(this.#chain.at(now), parts, now);
  }

  protected signWith({ leaf, cabundle }: SigningChain, parts: DocumentParts, now: number): Uint8Array {
    const { certificate, key } = leaf;
    const payload = encodeDocument({ moduleId: this.#moduleId, timestamp: now, certificate, cabundle, ...parts });
    return signEs384(payload, key);
  }

  /** The chain with an end certificate that is valid from `notBefore` to `notAfter`. */
  protected chainWithLeaf(now: number, notBefore: number, notAfter: number): SigningChain {
    return this.#chain.withLeaf(now, notBefore, notAfter);
  }
}

const HOUR = 3_600_000;

/** Signs documents of one module with the faults that are on, each of which a verifier must find. */
class FaultySigner extends DocumentSigner {
  readonly #options: ChainOptions;
  readonly #faults: FaultBoard;
  #otherChain: CertificateChain | undefined;
  #firstNonce: Uint8Array | undefined;

  constructor(options: ChainOptions, faults: FaultBoard) {
    super(options);
    this.#options = options;
    this.#faults = faults;
  }

  override sign(parts: DocumentParts, now: number): Uint8Array {
    const time = now + (this.#faults.take('clock-jump') ?? 0) * 1000;
    const content = { ...parts, pcrs: this.#registers(parts.pcrs), nonce: this.#nonce(parts.nonce) };
    const chain = this.#faultyChain(time);
    const document = chain === undefined ? super.sign(content, time) : this.signWith(chain, content, time);
    const last = document.length - 1;
    if (this.#faults.take('broken-signature') !== undefined) document[last] = (document[last] ?? 0) ^ 1;
    const missing = this.#faults.take('truncated-document') ?? 0;
    return document.subarray(0, Math.max(0, document.length - missing));
  }

  #faultyChain(now: number): SigningChain | undefined {
    if (this.#faults.take('other-root') !== undefined) {
      this.#otherChain ??= new CertificateChain({ ...this.#options, root: createRoot(now) });
      return this.#otherChain.at(now);
    }
    if (this.#faults.take('leaf-expired') !== undefined) return this.chainWithLeaf(now, now - 4 * HOUR, now - HOUR);
    if (this.#faults.take('leaf-not-yet-valid') !== undefined) {
      return this.chainWithLeaf(now, now + HOUR, now + 4 * HOUR);
    }
    return undefined;
  }

  #registers(pcrs: ReadonlyMap<number, Uint8Array>): ReadonlyMap<number, Uint8Array> {
    const index = this.#faults.take('wrong-pcr');
    const value = index === undefined ? undefined : pcrs.get(index);
    if (index === undefined || value === undefined) return pcrs;
    return new Map([...pcrs, [index, value.map((byte) => byte ^ 0xff)]]);
  }

  /** The first nonce that was ever asked for stands in for all later ones. */
  #nonce(nonce: Uint8Array | undefined): Uint8Array | undefined {
    const replayed = this.#firstNonce;
    this.#firstNonce ??= nonce;
    return this.#faults.take('replayed-nonce') === undefined ? nonce : replayed;
  }
}
