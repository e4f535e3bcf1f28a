import type { KeyObject } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { type Identity, issue, selfSign, usage } from '../attestation/issue.js';
import { toPem } from '../attestation/pem.js';

const DAY = 24 * 3_600_000;
const ROOT_LIFETIME = 10 * 365 * DAY;
/** A server runs for less; clients accept no more than 398 days. */
const SERVER_LIFETIME = 90 * DAY;
const HOUR = 3_600_000;

/** The root that clients of the stand-in trust for HTTPS. @param now milliseconds since 1970 */
export function tlsRoot(key: KeyObject, now: number): Identity {
  return selfSign(
    {
      subject: [['CN', 'nitro-kms test root']],
      notBefore: now - HOUR,
      notAfter: now + ROOT_LIFETIME,
      pathLength: 'any',
      usage: usage.authority,
    },
    key,
  );
}

/** Key and certificate of a server that clients call by KMS's name in `region`, or by those of this host. */
export function serverIdentity(root: Identity, region: string, now: number): SecureContextOptions {
  const name = `kms.${region}.amazonaws.com`;
  const { key, certificate } = issue(
    {
      subject: [['CN', name]],
      notBefore: now - HOUR,
      notAfter: now + SERVER_LIFETIME,
      usage: usage.leaf,
      hosts: { dns: [name, 'localhost'], ip: ['127.0.0.1', '::1'] },
    },
    root,
  );
  return { key: key.export({ format: 'pem', type: 'pkcs8' }), cert: toPem(certificate) + toPem(root.certificate) };
}
