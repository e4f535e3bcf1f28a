import { QemuError } from './errors.js';

/** Versions that node:tls may negotiate. */
export interface TlsVersions {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
}

const base = /^(@SYSTEM|NORMAL|PERFORMANCE|SECURE128|SECURE192|SECURE256|PFS)$/;
const versionToken = /^([+!-])VERS-(?:TLS(1\.[0-3])|(TLS-ALL|ALL))$/;

/**
 * The part of a GnuTLS priority string that OpenSSL can follow: a base keyword (`@SYSTEM,NORMAL` too) and version
 * tokens such as `-VERS-ALL:+VERS-TLS1.3`. TLS 1.0 and 1.1 are never offered.
 *
 * @throws QemuError naming what cannot be followed, or when no version is left
 */
export function tlsVersions(priority: string | undefined): TlsVersions {
  const versions = new Set(['1.2', '1.3']);
  for (const token of (priority ?? '').split(/[:,]/)) {
    if (token === '' || base.test(token)) continue;
    const [, sign, version, all] = versionToken.exec(token) ?? [];
    if (sign === undefined) {
      throw new QemuError(`Unable to set TLS session priority ${priority}: '${token}' is not supported`, {
        hint: 'Supported are a base keyword (NORMAL, SECURE256, @SYSTEM, ...) and +VERS-/-VERS- tokens.',
      });
    }
    for (const name of all === undefined ? [version ?? ''] : ['1.2', '1.3']) {
      if (sign !== '+') versions.delete(name);
      else if (name === '1.2' || name === '1.3') versions.add(name);
    }
  }
  if (versions.size === 0)
    throw new QemuError(`Unable to set TLS session priority ${priority}: no TLS version is left`);
  return {
    minVersion: versions.has('1.2') ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: versions.has('1.3') ? 'TLSv1.3' : 'TLSv1.2',
  };
}
