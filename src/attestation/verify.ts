import { timingSafeEqual } from 'node:crypto';
import { decodeSign1, ShapeError, type Sign1, verifyEs384 } from './cose.js';
import { type AttestationDocument, decodeDocument } from './document.js';
import { type Chain, checkChain, checkValidity, iso } from './verify-chain.js';

/** The steps of a verification, in their order; the first that fails ends it. */
export const verificationSteps = [
  'cbor',
  'document',
  'chain',
  'validity',
  'signature',
  'timestamp',
  'pcrs',
  'nonce',
  'user-data',
  'public-key',
] as const;
export type VerificationStep = (typeof verificationSteps)[number];

/** What a document is verified against. What is absent is not compared, and reported so. */
export interface Expectations {
  /** DER of the trusted root certificate. */
  readonly root: Uint8Array;
  /** Milliseconds since 1970; default now. */
  readonly at?: number;
  /** Longest age of the document, milliseconds. */
  readonly maxAge?: number;
  /** Registers that the document must have with these values. */
  readonly pcrs?: ReadonlyMap<number, Uint8Array>;
  /** Accepts documents of enclaves in debug mode, whose PCR0 is zero, without naming that value. */
  readonly debugMode?: boolean;
  /** `null`: the document must have none. */
  readonly nonce?: Uint8Array | null;
  readonly userData?: Uint8Array | null;
  readonly publicKey?: Uint8Array | null;
}

export interface StepReport {
  readonly step: VerificationStep;
  /** `skipped`: not asked for; `unreached`: an earlier step has failed. */
  readonly result: 'passed' | 'failed' | 'skipped' | 'unreached';
  /** One line. */
  readonly detail: string;
}

/** The document is there only when all steps have passed or were not asked for. */
export type Verification =
  | { readonly ok: true; readonly document: AttestationDocument; readonly steps: readonly StepReport[] }
  | { readonly ok: false; readonly failed: VerificationStep; readonly steps: readonly StepReport[] };

/** How far the signer's clock may be ahead of the verifier's, ms. */
const CLOCK_SKEW = 5 * 60_000;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * Verifies an attestation document: COSE_Sign1 and payload, certificates up to the trusted root, their validity, the
 * signature, the time, and then what the caller expects of registers and of the parts that the enclave has put in (AWS,
 * "Verifying the root of trust").
 *
 * @throws TypeError when the expected root is not one certificate in DER; nothing about the document throws
 */
export function verifyDocument(bytes: Uint8Array, expected: Expectations): Verification {
  const verification = new Run(bytes, expected);
  const steps: StepReport[] = [];
  let failed: VerificationStep | undefined;
  for (const step of verificationSteps) {
    if (failed !== undefined) {
      steps.push({ step, result: 'unreached', detail: `step ${failed} has failed` });
      continue;
    }
    try {
      const detail = verification[step]();
      steps.push(
        detail === undefined
          ? { step, result: 'skipped', detail: 'nothing to compare with was given' }
          : { step, result: 'passed', detail },
      );
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      failed = step;
      steps.push({ step, result: 'failed', detail: error.message });
    }
  }
  return failed === undefined ? { ok: true, document: verification.payload, steps } : { ok: false, failed, steps };
}

type Step = () => string | undefined;

/** One verification; each step gives a line for the report, or undefined when nothing was asked of it. */
class Run implements Readonly<Record<VerificationStep, Step>> {
  readonly #bytes: Uint8Array;
  readonly #expected: Expectations;
  readonly #at: number;
  #message: Sign1 | undefined;
  #document: AttestationDocument | undefined;
  #chain: Chain = [];

  constructor(bytes: Uint8Array, expected: Expectations) {
    this.#bytes = bytes;
    this.#expected = expected;
    this.#at = expected.at ?? Date.now();
  }

  get payload(): AttestationDocument {
    return reached(this.#document);
  }

  cbor(): string {
    this.#message = decodeSign1(this.#bytes);
    return `COSE_Sign1 with ES384, ${this.#bytes.length} bytes`;
  }

  document(): string {
    this.#document = decodeDocument(reached(this.#message).payload);
    return `module ${JSON.stringify(this.#document.moduleId)}, ${this.#document.pcrs.size} registers`;
  }

  chain(): string {
    this.#chain = checkChain(this.payload, this.#expected.root);
    return `${this.#chain.length} certificates up to the trusted root`;
  }

  validity(): string {
    checkValidity(this.#chain, this.#at);
    return `all certificates are valid at ${iso(this.#at)}`;
  }

  signature(): string {
    if (!verifyEs384(reached(this.#message), reached(this.#chain.at(-1)).publicKey)) {
      throw new ShapeError("the signature is not that of the end certificate's key");
    }
    return "made with the end certificate's key";
  }

  timestamp(): string {
    const { timestamp } = this.payload;
    const age = this.#at - timestamp;
    const { maxAge } = this.#expected;
    checkValidity(this.#chain, timestamp);
    if (age < -CLOCK_SKEW) throw new ShapeError(`the document was made later, at ${iso(timestamp)}`);
    if (maxAge !== undefined && age > maxAge) {
      throw new ShapeError(`the document is ${Math.floor(age / 1000)} s old, more than ${maxAge / 1000} s`);
    }
    return `made at ${iso(timestamp)}`;
  }

  pcrs(): string | undefined {
    const { pcrs: wanted, debugMode = false } = this.#expected;
    const { pcrs: found } = this.payload;
    if (!debugMode && wanted?.get(0) === undefined) {
      const pcr0 = found.get(0);
      if (pcr0 === undefined) throw new ShapeError('PCR0 is not in the document');
      if (pcr0.every((byte) => byte === 0)) {
        throw new ShapeError('PCR0 is zero: the enclave runs in debug mode and proves nothing about its image');
      }
    }
    if (wanted === undefined || wanted.size === 0) return undefined;
    for (const [index, value] of wanted) {
      const has = found.get(index);
      if (has === undefined) throw new ShapeError(`PCR${index} is not in the document`);
      if (!same(has, value)) throw new ShapeError(`PCR${index} is ${hex(has)}, not ${hex(value)}`);
    }
    return `${[...wanted.keys()].map((index) => `PCR${index}`).join(', ')} as expected`;
  }

  nonce(): string | undefined {
    return compare('the nonce', this.payload.nonce, this.#expected.nonce);
  }

  'user-data'(): string | undefined {
    return compare('the user data', this.payload.userData, this.#expected.userData);
  }

  'public-key'(): string | undefined {
    return compare('the public key', this.payload.publicKey, this.#expected.publicKey);
  }
}

/** A value that an earlier step has set; steps run in order. */
function reached<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a verification step ran before its turn');
  return value;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function compare(what: string, found: Uint8Array | undefined, wanted: Uint8Array | null | undefined) {
  if (wanted === undefined) return undefined;
  if (wanted === null) {
    if (found !== undefined) throw new ShapeError(`${what} is there, none was expected`);
    return 'absent as expected';
  }
  if (found === undefined) throw new ShapeError(`${what} is not in the document`);
  if (!same(found, wanted)) throw new ShapeError(`${what} is ${hex(found)}, not ${hex(wanted)}`);
  return 'as expected';
}
