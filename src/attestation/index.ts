/** The library `nitro-emu/attestation`: verify attestation documents, and make them for tests (docs/attestation.md). */
export { type DocumentParts, DocumentSigner } from './attester.js';
export { type ChainOptions, createRoot } from './chain.js';
export { ShapeError } from './cose.js';
export type { AttestationDocument } from './document.js';
export type { Identity } from './issue.js';
export { readRoot, toPem } from './pem.js';
export {
  type Expectations,
  type StepReport,
  type Verification,
  type VerificationStep,
  verificationSteps,
  verifyDocument,
} from './verify.js';
