import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import type { JsonValue } from '../system/json.js';
import { KmsError } from './errors.js';
import { openPolicy, type Policy, readPolicy } from './policy.js';

/** The account that keys and callers belong to. */
export const ACCOUNT = '111122223333';
const MATERIAL_SIZE = 32;
const IV_SIZE = 12;
const TAG_SIZE = 16;
const ID_SIZE = 36;

/** A symmetric key. */
export interface KmsKey {
  /** A UUID. */
  readonly id: string;
  /** With `alias/` in front. */
  readonly alias: string | undefined;
  /** 32 bytes. */
  readonly material: Buffer;
  readonly policy: Policy;
}

/** A key in a keys file. */
export interface StoredKey {
  readonly KeyId: string;
  readonly Alias?: string;
  /** Base64 of 32 bytes. */
  readonly Material: string;
  /** Key policy in AWS's form; without one everybody may use the key. */
  readonly Policy?: JsonValue;
}

/** @param policy in AWS's form. @throws PolicyError */
export function newKey(alias: string | undefined, policy: JsonValue | undefined): StoredKey {
  if (policy !== undefined) readPolicy(policy);
  return {
    KeyId: randomUUID(),
    ...(alias === undefined ? {} : { Alias: `alias/${alias.replace(/^alias\//, '')}` }),
    Material: randomBytes(MATERIAL_SIZE).toString('base64'),
    ...(policy === undefined ? {} : { Policy: policy }),
  };
}

/** @throws Error naming the key and what is wrong with it */
export function openKey({ KeyId, Alias, Material, Policy: policy }: StoredKey): KmsKey {
  const id = String(KeyId);
  const wrong = (what: string) => new Error(`key '${id}': ${what}`);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw wrong('KeyId is not a UUID in lower case');
  if (Alias !== undefined && !/^alias\/[\w/-]{1,250}$/.test(String(Alias))) throw wrong('Alias is not alias/NAME');
  const material = Buffer.from(String(Material), 'base64');
  if (material.length !== MATERIAL_SIZE) throw wrong(`Material is not ${MATERIAL_SIZE} bytes in base64`);
  try {
    return { id, alias: Alias, material, policy: policy === undefined ? openPolicy : readPolicy(policy) };
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

export type EncryptionContext = Readonly<Record<string, string>>;

/** The keys of one server. */
export class KeyStore {
  readonly #byId = new Map<string, KmsKey>();
  readonly #byAlias = new Map<string, KmsKey>();
  readonly #region: string;

  /** @throws Error when two keys share an id or an alias */
  constructor(keys: readonly KmsKey[], region: string) {
    this.#region = region;
    for (const key of keys) {
      if (this.#byId.has(key.id)) throw new Error(`key '${key.id}' is there twice`);
      this.#byId.set(key.id, key);
      if (key.alias === undefined) continue;
      if (this.#byAlias.has(key.alias)) throw new Error(`alias '${key.alias}' is there twice`);
      this.#byAlias.set(key.alias, key);
    }
  }

  get keys(): readonly KmsKey[] {
    return [...this.#byId.values()];
  }

  arn({ id }: KmsKey): string {
    return `arn:aws:kms:${this.#region}:${ACCOUNT}:key/${id}`;
  }

  /** The key with this id, alias, or ARN of either. @throws KmsError NotFoundException */
  find(name: string): KmsKey {
    const [, local = name] = /^arn:aws:kms:[^:]*:[^:]*:(?:key\/)?(.+)$/.exec(name) ?? [];
    const key = this.#byId.get(local) ?? this.#byAlias.get(local);
    if (key === undefined) throw new KmsError('NotFoundException', `Key '${name}' does not exist`);
    return key;
  }

  /** AES-256-GCM; the ciphertext names its key. */
  encrypt({ id, material }: KmsKey, plaintext: Uint8Array, context: EncryptionContext): Buffer {
    const iv = randomBytes(IV_SIZE);
    const header = Buffer.concat([Buffer.from(id, 'latin1'), iv]);
    const cipher = createCipheriv('aes-256-gcm', material, iv).setAAD(Buffer.concat([header, canonical(context)]));
    return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }

  /** The key that a ciphertext names. @throws KmsError InvalidCiphertextException */
  keyOf(ciphertext: Buffer): KmsKey {
    const key = this.#byId.get(ciphertext.subarray(0, ID_SIZE).toString('latin1'));
    if (key === undefined || ciphertext.length < ID_SIZE + IV_SIZE + TAG_SIZE) throw badCiphertext();
    return key;
  }

  /** @throws KmsError InvalidCiphertextException for another key's ciphertext, or another encryption context */
  decrypt({ material }: KmsKey, ciphertext: Buffer, context: EncryptionContext): Buffer {
    const header = ciphertext.subarray(0, ID_SIZE + IV_SIZE);
    const decipher = createDecipheriv('aes-256-gcm', material, header.subarray(ID_SIZE), { authTagLength: TAG_SIZE })
      .setAAD(Buffer.concat([header, canonical(context)]))
      .setAuthTag(ciphertext.subarray(-TAG_SIZE));
    try {
      return Buffer.concat([decipher.update(ciphertext.subarray(header.length, -TAG_SIZE)), decipher.final()]);
    } catch {
      throw badCiphertext();
    }
  }
}

function badCiphertext(): KmsError {
  return new KmsError(
    'InvalidCiphertextException',
    'the ciphertext was not made by a key of this server with this encryption context',
  );
}

/** The same bytes for the same pairs in any order. */
function canonical(context: EncryptionContext): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))));
}
