import {
  constants,
  createCipheriv,
  createHash,
  createPublicKey,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import {
  CMSVersion,
  ContentInfo,
  EncryptedContent,
  EncryptedContentInfo,
  EnvelopedData,
  id_data,
  id_envelopedData,
  KeyTransRecipientInfo,
  RecipientIdentifier,
  RecipientInfo,
  RecipientInfos,
} from '@peculiar/asn1-cms';
import { id_mgf1, id_RSAES_OAEP, id_sha256, RsaEsOaepParams } from '@peculiar/asn1-rsa';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, SubjectKeyIdentifier, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { invalid } from './errors.js';

/** AES-256 in CBC mode (RFC 3565). */
const id_aes256_CBC = '2.16.840.1.101.3.4.1.42';
const LEAST_MODULUS_BITS = 2048;

const sha256 = new AlgorithmIdentifier({ algorithm: id_sha256, parameters: null });
/** RSAES-OAEP with SHA-256 for both its hash and its mask. */
const oaepSha256 = new AlgorithmIdentifier({
  algorithm: id_RSAES_OAEP,
  parameters: AsnConvert.serialize(
    new RsaEsOaepParams({
      hashAlgorithm: sha256,
      maskGenAlgorithm: new AlgorithmIdentifier({ algorithm: id_mgf1, parameters: AsnConvert.serialize(sha256) }),
    }),
  ),
});

/** The RSA key in an attestation document. @param spki DER. @throws KmsError ValidationException */
export function recipientKey(spki: Uint8Array | undefined): KeyObject {
  if (spki === undefined) throw invalid('the attestation document has no public key');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw invalid('the public key of the attestation document is not a SubjectPublicKeyInfo in DER');
  }
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < LEAST_MODULUS_BITS) {
    throw invalid(`the public key of the attestation document is not RSA of ${LEAST_MODULUS_BITS} bits or more`);
  }
  return key;
}

/** CMS EnvelopedData (RFC 5652, section 6) for one key: the CiphertextForRecipient of KMS, in DER. */
export function envelop(plaintext: Uint8Array, key: KeyObject): Buffer {
  const contentKey = randomBytes(32);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', contentKey, iv);
  const encrypted = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const wrapped = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, contentKey);
  const recipient = new KeyTransRecipientInfo({
    version: CMSVersion.v2,
    rid: new RecipientIdentifier({ subjectKeyIdentifier: new SubjectKeyIdentifier(keyIdentifier(key)) }),
    keyEncryptionAlgorithm: oaepSha256,
    encryptedKey: new OctetString(wrapped),
  });
  const enveloped = new EnvelopedData({
    version: CMSVersion.v2,
    recipientInfos: new RecipientInfos([new RecipientInfo({ ktri: recipient })]),
    encryptedContentInfo: new EncryptedContentInfo({
      contentType: id_data,
      contentEncryptionAlgorithm: new AlgorithmIdentifier({
        algorithm: id_aes256_CBC,
        parameters: AsnConvert.serialize(new OctetString(iv)),
      }),
      encryptedContent: new EncryptedContent({ value: new OctetString(encrypted) }),
    }),
  });
  const content = AsnConvert.serialize(enveloped);
  return Buffer.from(AsnConvert.serialize(new ContentInfo({ contentType: id_envelopedData, content })));
}

/** SHA-1 of the key's bits (RFC 5280, section 4.2.1.2). */
function keyIdentifier(key: KeyObject): Buffer {
  const spki = AsnConvert.parse(key.export({ format: 'der', type: 'spki' }), SubjectPublicKeyInfo);
  return createHash('sha1').update(new Uint8Array(spki.subjectPublicKey)).digest();
}
