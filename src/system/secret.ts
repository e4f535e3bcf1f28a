import { createDecipheriv } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { ObjectTree } from '../qom/tree.js';
import type { ObjectClass } from '../qom/types.js';
import { UserCreatable } from '../qom/user-creatable.js';
import { QemuError } from './errors.js';
import { osErrorText } from './os-error.js';
import type { System } from './system.js';

/** Keys and passwords are short; a larger file is a mistake. */
const FILE_MAX = 1024 * 1024;
const KEY_BYTES = 32;
const BLOCK_BYTES = 16;

export const QCryptoSecretFormat = qapi.enumeration('QCryptoSecretFormat', ['raw', 'base64']);

/** A secret given as text, or in a file, plain or encrypted with another secret (AES-256-CBC, PKCS #7). */
class Secret extends UserCreatable {
  readonly tree: ObjectTree;
  data: string | undefined;
  file: string | undefined;
  format: 'raw' | 'base64' = 'raw';
  keyid: string | undefined;
  iv: string | undefined;
  bytes: Buffer | undefined;

  constructor(type: ObjectClass, tree: ObjectTree) {
    super(type);
    this.tree = tree;
  }

  override async complete(): Promise<void> {
    const input = await this.#load();
    if (this.keyid !== undefined) this.bytes = this.#decrypt(input, this.keyid);
    else this.bytes = this.format === 'base64' ? decodeBase64(input) : input;
  }

  async #load(): Promise<Buffer> {
    if (this.file !== undefined && this.data !== undefined)
      throw new QemuError("'file' and 'data' are mutually exclusive");
    if (this.file !== undefined) return readSecretFile(this.file);
    if (this.data === undefined) throw new QemuError("Either 'file' or 'data' must be provided");
    return Buffer.from(this.data);
  }

  #decrypt(input: Buffer, keyid: string): Buffer {
    const key = secretBytes(this.tree, keyid);
    if (key.length !== KEY_BYTES) throw new QemuError(`Key should be ${KEY_BYTES} bytes in length`);
    if (this.iv === undefined) throw new QemuError('IV is required to decrypt secret');
    const iv = decodeBase64(Buffer.from(this.iv));
    if (iv.length !== BLOCK_BYTES) {
      throw new QemuError(`IV should be ${BLOCK_BYTES} bytes in length not ${iv.length}`);
    }
    const cipherText = this.format === 'base64' ? decodeBase64(input) : input;
    if (cipherText.length % BLOCK_BYTES !== 0) {
      throw new QemuError(`Length ${cipherText.length} must be a multiple of block size ${BLOCK_BYTES}`);
    }
    const cipher = createDecipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
    const padded = Buffer.concat([cipher.update(cipherText), cipher.final()]);
    const padding = padded.at(-1) ?? 0;
    if (padding > BLOCK_BYTES || padding > padded.length) {
      throw new QemuError(`Incorrect number of padding bytes (${padding}) found on decrypted data`);
    }
    return padded.subarray(0, padded.length - padding);
  }
}

async function readSecretFile(file: string): Promise<Buffer> {
  const fail = (step: string, error: unknown) =>
    new QemuError(`Unable to read ${file}: ${step} file “${file}”: ${osErrorText(error)}`, { cause: error });
  const { size } = await stat(file).catch((error) => {
    throw fail('Failed to open', error);
  });
  if (size > FILE_MAX) throw new QemuError(`Unable to read ${file}: more than ${FILE_MAX} bytes`);
  return readFile(file).catch((error) => {
    throw fail(error.syscall === 'read' ? 'Error reading' : 'Failed to open', error);
  });
}

/** QEMU's check: any of the alphabet's characters, padding not enforced (crypto: qbase64_decode). */
function decodeBase64(input: Buffer): Buffer {
  const text = input.toString('latin1');
  if (!/^[A-Za-z0-9+/=\n]*$/.test(text)) throw new QemuError('Base64 data contains invalid characters');
  return Buffer.from(text, 'base64');
}

/** The decoded bytes of the secret object `id`. @throws QemuError when there is no such secret */
export function secretBytes(tree: ObjectTree, id: string): Buffer {
  const object = tree.objects.component(id);
  if (object === undefined) throw new QemuError(`No secret with id '${id}'`);
  if (!(object instanceof Secret)) throw new QemuError(`Object with id '${id}' is not a secret`);
  if (object.bytes === undefined) throw new QemuError(`Secret with id '${id}' has no data`);
  return object.bytes;
}

export function defineSecretTypes({ types, tree }: System): void {
  const text = (field: 'data' | 'file' | 'keyid' | 'iv') =>
    prop.string<Secret>({
      get: (secret) => secret[field] ?? '',
      set: (secret, value) => {
        secret[field] = value;
      },
    });
  types.define({
    name: 'secret_common',
    parent: 'object',
    abstract: true,
    interfaces: ['user-creatable'],
    properties: {
      format: prop.enumeration(QCryptoSecretFormat)<Secret>({
        get: (secret) => secret.format,
        set: (secret, value) => {
          secret.format = value;
        },
      }),
      keyid: text('keyid'),
      iv: text('iv'),
    },
  });
  types.define({
    name: 'secret',
    parent: 'secret_common',
    create: (type) => new Secret(type, tree),
    properties: { data: text('data'), file: text('file') },
  });
}
