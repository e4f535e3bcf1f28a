import { randomBytes } from 'node:crypto';
import { verifyDocument } from '../attestation/verify.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../system/json.js';
import { invalid, KmsError } from './errors.js';
import type { EncryptionContext, KeyStore, KmsKey } from './keys.js';
import { denial } from './policy.js';
import { envelop, recipientKey } from './recipient.js';

export interface ServiceOptions {
  readonly keys: KeyStore;
  /** DER of the roots whose attestation documents are accepted. */
  readonly roots: readonly Uint8Array[];
  /** Longest age of an attestation document, milliseconds; default five minutes. */
  readonly maxAge?: number;
  /** Milliseconds since 1970; default the host's clock. */
  readonly clock?: () => number;
}

const PLAINTEXT_LIMIT = 4096;
const CIPHERTEXT_LIMIT = 6144;
const RANDOM_LIMIT = 1024;
const DOCUMENT_LIMIT = 262_144;
const MAX_AGE = 5 * 60_000;

/** What a Recipient has proved. */
interface Recipient {
  readonly publicKey: ReturnType<typeof recipientKey>;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
}

type Operation = (input: Input, caller: string) => JsonObject;

/**
 * The operations of AWS KMS that enclaves use, on symmetric keys: Encrypt, Decrypt, GenerateDataKey and GenerateRandom;
 * all but the first take a Recipient.
 */
export class KmsService {
  readonly #options: ServiceOptions;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /**
   * @param name of the operation, such as `Decrypt`
   * @param caller ARN
   * @throws KmsError
   */
  call(name: string, input: JsonValue, caller: string): JsonObject {
    const operation = Object.hasOwn(this.#operations, name) ? this.#operations[name] : undefined;
    if (operation === undefined) throw new KmsError('UnknownOperationException', `operation '${name}' is not offered`);
    if (!isJsonObject(input)) throw new KmsError('SerializationException', 'the request is not a JSON object');
    return operation(new Input(input), caller);
  }

  readonly #operations: Readonly<Record<string, Operation>> = {
    Encrypt: (input, caller) => {
      const { keys } = this.#options;
      const key = keys.find(input.text('KeyId'));
      const context = input.context();
      input.algorithm();
      const plaintext = input.bytes('Plaintext', 1, PLAINTEXT_LIMIT);
      this.#allow('Encrypt', caller, key, context);
      const ciphertext = keys.encrypt(key, plaintext, context);
      return { CiphertextBlob: base64(ciphertext), ...this.#keyId(key), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
    },
    Decrypt: (input, caller) => {
      const { keys } = this.#options;
      const ciphertext = input.bytes('CiphertextBlob', 1, CIPHERTEXT_LIMIT);
      const context = input.context();
      input.algorithm();
      const recipient = this.#recipient(input);
      const key = keys.keyOf(ciphertext);
      const wanted = input.optionalText('KeyId');
      if (wanted !== undefined && keys.find(wanted) !== key) {
        throw new KmsError('IncorrectKeyException', `the ciphertext was made with key '${key.id}', not '${wanted}'`);
      }
      this.#allow('Decrypt', caller, key, context, recipient);
      const plaintext = keys.decrypt(key, ciphertext, context);
      return { ...this.#keyId(key), ...answer(plaintext, recipient), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
    },
    GenerateDataKey: (input, caller) => {
      const { keys } = this.#options;
      const key = keys.find(input.text('KeyId'));
      const context = input.context();
      const size = dataKeySize(input);
      const recipient = this.#recipient(input);
      this.#allow('GenerateDataKey', caller, key, context, recipient);
      const plaintext = randomBytes(size);
      const ciphertext = keys.encrypt(key, plaintext, context);
      return { CiphertextBlob: base64(ciphertext), ...this.#keyId(key), ...answer(plaintext, recipient) };
    },
    GenerateRandom: (input) => {
      const size = input.integer('NumberOfBytes', 1, RANDOM_LIMIT);
      if (size === undefined) throw invalid("'NumberOfBytes' is missing");
      return answer(randomBytes(size), this.#recipient(input));
    },
  };

  #keyId(key: KmsKey): { KeyId: string } {
    return { KeyId: this.#options.keys.arn(key) };
  }

  #allow(operation: string, caller: string, key: KmsKey, context: EncryptionContext, recipient?: Recipient): void {
    const values = new Map<string, string>();
    for (const [name, value] of Object.entries(context)) {
      values.set(`kms:EncryptionContext:${name}`.toLowerCase(), value);
    }
    for (const [index, value] of recipient?.pcrs ?? []) {
      const text = Buffer.from(value).toString('hex');
      values.set(`kms:recipientattestation:pcr${index}`, text);
      if (index === 0) values.set('kms:recipientattestation:imagesha384', text);
    }
    const reason = denial(key.policy, { action: `kms:${operation}`, caller, context: values });
    if (reason === undefined) return;
    const message = `${caller} is not authorized to perform kms:${operation} on ${this.#keyId(key).KeyId}: ${reason}`;
    throw new KmsError('AccessDeniedException', message);
  }

  /** Verifies a request's attestation document. @throws KmsError ValidationException naming the step that failed */
  #recipient(input: Input): Recipient | undefined {
    const recipient = input.object('Recipient');
    if (recipient === undefined) return undefined;
    const algorithm = recipient.optionalText('KeyEncryptionAlgorithm');
    if (algorithm !== 'RSAES_OAEP_SHA_256') throw invalid("'KeyEncryptionAlgorithm' is not RSAES_OAEP_SHA_256");
    const bytes = recipient.bytes('AttestationDocument', 1, DOCUMENT_LIMIT);
    const { roots, maxAge = MAX_AGE, clock = Date.now } = this.#options;
    // Which registers it must have is the policy's matter, those of debug mode included.
    const expected = { at: clock(), maxAge, debugMode: true };
    const results = roots.map((root) => verifyDocument(bytes, { ...expected, root }));
    const verified = results.find(({ ok }) => ok);
    if (verified?.ok === true) {
      const { publicKey, pcrs } = verified.document;
      return { publicKey: recipientKey(publicKey), pcrs };
    }
    // Under the roots that are not the document's own, the chain is what fails.
    const result = results.find((failed) => !failed.ok && failed.failed !== 'chain') ?? results[0];
    const failure = result?.steps.find(({ result: outcome }) => outcome === 'failed');
    throw invalid(`the attestation document is not valid: step ${failure?.step}: ${failure?.detail}`);
  }
}

/** The plaintext, or what only the recipient can read. */
function answer(plaintext: Buffer, recipient: Recipient | undefined): JsonObject {
  if (recipient === undefined) return { Plaintext: base64(plaintext) };
  return { CiphertextForRecipient: base64(envelop(plaintext, recipient.publicKey)) };
}

function dataKeySize(input: Input): number {
  const spec = input.optionalText('KeySpec');
  const bytes = input.integer('NumberOfBytes', 1, RANDOM_LIMIT);
  if ((spec === undefined) === (bytes === undefined)) throw invalid("give either 'KeySpec' or 'NumberOfBytes'");
  if (bytes !== undefined) return bytes;
  if (spec !== 'AES_256' && spec !== 'AES_128') throw invalid("'KeySpec' is neither AES_256 nor AES_128");
  return spec === 'AES_256' ? 32 : 16;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** The members of a request, checked when they are read. */
class Input {
  readonly #members: JsonObject;

  constructor(members: JsonObject) {
    this.#members = members;
  }

  optionalText(name: string): string | undefined {
    const value = this.#members[name] ?? undefined;
    if (value !== undefined && (typeof value !== 'string' || value === '' || value.length > 2048)) {
      throw invalid(`'${name}' is not a text of 1 to 2048 characters`);
    }
    return value;
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw invalid(`'${name}' is missing`);
    return value;
  }

  bytes(name: string, least: number, most: number): Buffer {
    const value = this.#members[name];
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw invalid(`'${name}' is not base64`);
    const bytes = Buffer.from(value, 'base64');
    if (bytes.length < least || bytes.length > most) throw invalid(`'${name}' has not ${least} to ${most} bytes`);
    return bytes;
  }

  integer(name: string, least: number, most: number): number | undefined {
    const value = this.#members[name] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw invalid(`'${name}' is not a number from ${least} to ${most}`);
    }
    return value;
  }

  object(name: string): Input | undefined {
    const value = this.#members[name] ?? undefined;
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw invalid(`'${name}' is not an object`);
    return new Input(value);
  }

  /** The pairs of EncryptionContext. */
  context(): EncryptionContext {
    const pairs = this.object('EncryptionContext');
    if (pairs === undefined) return {};
    for (const value of Object.values(pairs.#members)) {
      if (typeof value !== 'string') throw invalid("'EncryptionContext' has a value that is not a text");
    }
    return pairs.#members as EncryptionContext;
  }

  algorithm(): void {
    const value = this.optionalText('EncryptionAlgorithm');
    if (value !== undefined && value !== 'SYMMETRIC_DEFAULT') {
      throw invalid("'EncryptionAlgorithm' is not SYMMETRIC_DEFAULT");
    }
  }
}
