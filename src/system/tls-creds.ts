import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { ObjectTree } from '../qom/tree.js';
import type { ObjectClass } from '../qom/types.js';
import { UserCreatable } from '../qom/user-creatable.js';
import { asError, QemuError } from './errors.js';
import { osErrorText } from './os-error.js';
import { secretBytes } from './secret.js';
import type { System } from './system.js';
import { type TlsVersions, tlsVersions } from './tls-priority.js';

export const QCryptoTLSCredsEndpoint = qapi.enumeration('QCryptoTLSCredsEndpoint', ['client', 'server']);

/** What node:tls needs, in PEM. */
export interface TlsMaterial extends TlsVersions {
  readonly ca: Buffer;
  readonly crl: Buffer | undefined;
  /** Absent for a client without a certificate of its own. */
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly passphrase: string | undefined;
  readonly dhparam: Buffer | undefined;
}

abstract class TlsCreds extends UserCreatable {
  verifyPeer = true;
  dir: string | undefined;
  endpoint: 'client' | 'server' = 'client';
  priority: string | undefined;
}

/** X.509 credentials in a directory, under the file names of GnuTLS users: ca-cert.pem, server-cert.pem, ... */
export class TlsCredsX509 extends TlsCreds {
  readonly tree: ObjectTree;
  sanityCheck = true;
  passwordId: string | undefined;
  #material: TlsMaterial | undefined;

  constructor(type: ObjectClass, tree: ObjectTree) {
    super(type);
    this.tree = tree;
  }

  /** The loaded credentials. */
  get material(): TlsMaterial {
    if (this.#material === undefined) throw new QemuError(`TLS credentials '${this.name}' are not loaded`);
    return this.#material;
  }

  override async complete(): Promise<void> {
    const { dir, endpoint } = this;
    if (dir === undefined) throw new QemuError("Missing 'dir' property value");
    const versions = tlsVersions(this.priority);
    const own = endpoint === 'server';
    const ca = await required(join(dir, 'ca-cert.pem'));
    const crl = await optional(join(dir, 'ca-crl.pem'));
    const certFile = join(dir, `${endpoint}-cert.pem`);
    const keyFile = join(dir, `${endpoint}-key.pem`);
    const cert = own ? await required(certFile) : await optional(certFile);
    const key = own ? await required(keyFile) : await optional(keyFile);
    const dhparam = own ? await optional(join(dir, 'dh-params.pem')) : undefined;
    const passphrase = this.passwordId === undefined ? undefined : secretBytes(this.tree, this.passwordId).toString();
    this.#check({ ca, caFile: join(dir, 'ca-cert.pem'), cert, certFile, key, keyFile, passphrase });
    this.#material = { ca, crl, cert, key, passphrase, dhparam, ...versions };
  }

  #check(files: {
    ca: Buffer;
    caFile: string;
    cert: Buffer | undefined;
    certFile: string;
    key: Buffer | undefined;
    keyFile: string;
    passphrase: string | undefined;
  }): void {
    const { caFile, certFile, keyFile } = files;
    const authorities = certificates(files.ca, `Unable to import CA certificate list ${caFile}`);
    if (files.cert === undefined || files.key === undefined) return;
    const [cert] = certificates(files.cert, `Unable to import ${this.endpoint} certificate ${certFile}`);
    const keyPair = `Cannot load certificate '${certFile}' & key '${keyFile}'`;
    if (cert === undefined || !cert.checkPrivateKey(privateKey(files.key, files.passphrase, keyPair))) {
      throw new QemuError(`${keyPair}: The certificate and the given key do not match.`);
    }
    if (!this.sanityCheck) return;
    for (const authority of authorities) {
      checkTime(authority, `CA certificate ${caFile}`);
      if (!authority.ca) throw new QemuError(`The certificate ${caFile} is missing basic constraints for a CA`);
    }
    checkTime(cert, `${this.endpoint} certificate ${certFile}`);
    if (!authorities.some((authority) => cert.verify(authority.publicKey))) {
      const text = "The certificate hasn't got a known issuer";
      throw new QemuError(`Our own certificate ${certFile} failed validation against ${caFile}: ${text}`);
    }
  }
}

async function required(file: string): Promise<Buffer> {
  return readFile(file).catch((error) => {
    throw new QemuError(`Unable to access credentials ${file}: ${osErrorText(error)}`, { cause: error });
  });
}

async function optional(file: string): Promise<Buffer | undefined> {
  return required(file).catch((error) => {
    if (error.cause.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** The certificates of a PEM file, at least one. @throws QemuError with `sentence` */
function certificates(pem: Buffer, sentence: string): X509Certificate[] {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new QemuError(sentence);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new QemuError(sentence, { hint: asError(error).message, cause: error });
  }
}

function privateKey(key: Buffer, passphrase: string | undefined, sentence: string): KeyObject {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    const encrypted = key.includes('ENCRYPTED');
    const text = encrypted ? 'Decryption has failed.' : asError(error).message;
    throw new QemuError(`${sentence}: ${text}`, { cause: error });
  }
}

function checkTime(cert: X509Certificate, what: string): void {
  if (Date.parse(cert.validTo) < Date.now()) throw new QemuError(`The ${what} has expired`);
  if (Date.parse(cert.validFrom) > Date.now()) throw new QemuError(`The ${what} is not yet active`);
}

export function defineTlsCredsTypes({ types, tree }: System): void {
  types.define({
    name: 'tls-creds',
    parent: 'object',
    properties: {
      'verify-peer': prop.bool<TlsCreds>({
        get: (creds) => creds.verifyPeer,
        set: (creds, value) => {
          creds.verifyPeer = value;
        },
      }),
      dir: prop.string<TlsCreds>({
        get: (creds) => creds.dir ?? '',
        set: (creds, value) => {
          creds.dir = value;
        },
      }),
      endpoint: prop.enumeration(QCryptoTLSCredsEndpoint)<TlsCreds>({
        get: (creds) => creds.endpoint,
        set: (creds, value) => {
          creds.endpoint = value;
        },
      }),
      priority: prop.string<TlsCreds>({
        get: (creds) => creds.priority ?? '',
        set: (creds, value) => {
          creds.priority = value;
        },
      }),
    },
  });
  types.define({
    name: 'tls-creds-x509',
    parent: 'tls-creds',
    interfaces: ['user-creatable'],
    create: (type) => new TlsCredsX509(type, tree),
    properties: {
      'sanity-check': prop.bool<TlsCredsX509>({
        get: (creds) => creds.sanityCheck,
        set: (creds, value) => {
          creds.sanityCheck = value;
        },
      }),
      passwordid: prop.string<TlsCredsX509>({
        get: (creds) => creds.passwordId ?? '',
        set: (creds, value) => {
          creds.passwordId = value;
        },
      }),
    },
  });
}
