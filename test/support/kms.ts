import { constants, createDecipheriv, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto';
import { ContentInfo, EnvelopedData } from '@peculiar/asn1-cms';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { DocumentSigner } from '../../src/attestation/attester.js';
import { createRoot } from '../../src/attestation/chain.js';
import type { Identity } from '../../src/attestation/issue.js';

/** An enclave with its RSA key, as a client of KMS sees it. */
export class TestEnclave {
  readonly root: Identity = createRoot(Date.now());
  readonly key: KeyObject;
  readonly #publicKey: Uint8Array;
  readonly #signer = new DocumentSigner({ root: this.root, moduleId: 'i-1-enc2' });

  constructor(modulusLength = 2048) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
    this.key = privateKey;
    this.#publicKey = publicKey.export({ format: 'der', type: 'spki' });
  }

  /** @param pcr0 every byte of PCR0; @param publicKey null for none */
  document(pcr0 = 1, now = Date.now(), publicKey: Uint8Array | null = this.#publicKey): Uint8Array {
    const pcrs = new Map(Array.from({ length: 16 }, (_, i) => [i, Buffer.alloc(48, i === 0 ? pcr0 : i + 1)]));
    return this.#signer.sign({ pcrs, publicKey: publicKey ?? undefined, userData: undefined, nonce: undefined }, now);
  }

  recipient(pcr0?: number): { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256'; AttestationDocument: Uint8Array } {
    return { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: this.document(pcr0) };
  }

  /** What a CiphertextForRecipient holds. */
  open(cms: Uint8Array): Buffer {
    const { content } = AsnConvert.parse(cms, ContentInfo);
    const { recipientInfos, encryptedContentInfo } = AsnConvert.parse(content, EnvelopedData);
    const wrapped = Buffer.from(recipientInfos[0]?.ktri?.encryptedKey.buffer ?? new ArrayBuffer(0));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const contentKey = privateDecrypt({ key: this.key, padding, oaepHash: 'sha256' }, wrapped);
    const parameters = encryptedContentInfo.contentEncryptionAlgorithm.parameters ?? new ArrayBuffer(0);
    const iv = Buffer.from(AsnConvert.parse(parameters, OctetString).buffer);
    const encrypted = Buffer.from(encryptedContentInfo.encryptedContent?.value?.buffer ?? new ArrayBuffer(0));
    const cipher = createDecipheriv('aes-256-cbc', contentKey, iv);
    return Buffer.concat([cipher.update(encrypted), cipher.final()]);
  }
}
