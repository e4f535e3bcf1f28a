import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, readCertificate } from '../../attestation/certificate.js';
import { CA_LEVELS, createRoot, selfSignRoot } from '../../attestation/chain.js';
import type { Identity } from '../../attestation/issue.js';
import { readRoot, toPem } from '../../attestation/pem.js';
import { asError, QemuError } from '../../system/errors.js';
import { osErrorText } from '../../system/os-error.js';

const KEY_FILE = 'root-key.pem';
const CERTIFICATE_FILE = 'root.pem';
/** Keys and certificates are short; a larger file is a mistake. */
const FILE_LIMIT = 64 * 1024;

/** The file of the root certificate in a CA's directory. */
export function rootFile(dir: string): string {
  return join(dir, CERTIFICATE_FILE);
}

/**
 * The root that a directory keeps, which `certify` makes of its key; on first use it is made there, in files that only their owner may read. Several
 * processes that begin at once end up with the same root.
 *
 * @throws QemuError
 */
export async function keptRoot(
  dir: string,
  certify: (key: KeyObject, now: number) => Identity = selfSignRoot,
): Promise<Identity> {
  const keyFile = join(dir, KEY_FILE);
  const certificateFile = rootFile(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((error) => {
    throw new QemuError(`Could not create directory '${dir}': ${osErrorText(error)}`, { cause: error });
  });
  const keyPem = await keep(keyFile, () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  });
  const key = parseKey(keyPem, keyFile);
  const pem = await keep(certificateFile, () => toPem(certify(key, Date.now()).certificate));
  return checkedRoot({ key, keyFile, certificate: parseCertificate(pem, certificateFile), certificateFile });
}

/** The user's own root. @throws QemuError */
export async function givenRoot(keyFile: string, certificateFile: string): Promise<Identity> {
  const [keyPem, pem] = await Promise.all([readLimited(keyFile), readLimited(certificateFile)]);
  const key = parseKey(keyPem, keyFile);
  return checkedRoot({ key, keyFile, certificate: parseCertificate(pem, certificateFile), certificateFile });
}

/** A root that is gone with this process. */
export function ephemeralRoot(): Identity {
  return createRoot(Date.now());
}

/** The content of `path`, which is `make()` unless the file is there already. */
async function keep(path: string, make: () => string): Promise<Buffer> {
  const kept = await readLimited(path).catch((error: QemuError) => {
    if ((error.cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (kept !== undefined) return kept;
  // A name of its own until the content is complete; of several processes one gets to put its file in place.
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(make());
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    throw new QemuError(`Could not create '${path}': ${osErrorText(error)}`, { cause: error });
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  return readLimited(path);
}

async function readLimited(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error) => {
    throw new QemuError(`Could not read '${path}': ${osErrorText(error)}`, { cause: error });
  });
  if (bytes.length > FILE_LIMIT) throw new QemuError(`'${path}' is longer than ${FILE_LIMIT} bytes`);
  return bytes;
}

function parseKey(pem: Buffer, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new QemuError(`'${path}' is not a private key in PEM`, { hint: asError(error).message, cause: error });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'secp384r1') throw new QemuError(`the key in '${path}' is not on P-384`);
  return key;
}

function parseCertificate(bytes: Buffer, path: string): Certificate {
  try {
    return readCertificate(readRoot(bytes));
  } catch (error) {
    throw new QemuError(`'${path}' is not a root for attestation`, { hint: asError(error).message, cause: error });
  }
}

interface RootFiles {
  readonly key: KeyObject;
  readonly keyFile: string;
  readonly certificate: Certificate;
  readonly certificateFile: string;
}

function checkedRoot({ key, keyFile, certificate, certificateFile }: RootFiles): Identity {
  const { publicKey, pathLength, notBefore, notAfter, raw } = certificate;
  if (!createPublicKey(key).equals(publicKey)) {
    throw new QemuError(`the key in '${keyFile}' is not that of the certificate in '${certificateFile}'`);
  }
  if (pathLength !== undefined && pathLength < CA_LEVELS) {
    throw new QemuError(`the certificate in '${certificateFile}' allows fewer than ${CA_LEVELS} authorities below it`);
  }
  const now = Date.now();
  if (now < notBefore || now > notAfter) {
    throw new QemuError(`the certificate in '${certificateFile}' is not valid now`);
  }
  return { key, certificate: raw };
}
