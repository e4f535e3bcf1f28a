import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type CommonConnectionOptions,
  connect,
  createServer,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls';
import { QemuError } from '../system/errors.js';
import type { TlsCredsX509 } from '../system/tls-creds.js';
import type { StreamLayer } from './socket-layers.js';

/** A peer that does not shake hands in this time is given up. */
const HANDSHAKE_LIMIT_MS = 30_000;

function nodeOptions({ material, verifyPeer }: TlsCredsX509): SecureContextOptions & CommonConnectionOptions {
  const { crl, cert, key, passphrase, dhparam, ...rest } = material;
  return {
    ...rest,
    requestCert: verifyPeer,
    rejectUnauthorized: verifyPeer,
    ...(crl === undefined ? {} : { crl }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(dhparam === undefined ? {} : { dhparam }),
  };
}

async function within<T>(stream: Duplex, handshake: Promise<T>): Promise<T> {
  const timer = setTimeout(() => stream.destroy(new Error('TLS handshake took too long')), HANDSHAKE_LIMIT_MS);
  try {
    return await handshake;
  } finally {
    clearTimeout(timer);
  }
}

function accept(stream: Duplex, creds: TlsCredsX509): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // A server of its own, so that the two ends of one connection need not be matched.
    const server = createServer(nodeOptions(creds));
    server.once('secureConnection', resolve);
    server.once('tlsClientError', reject);
    stream.once('close', () => reject(new Error('the peer left during the TLS handshake')));
    server.emit('connection', stream);
  });
}

async function join(stream: Duplex, creds: TlsCredsX509, host: string): Promise<TLSSocket> {
  const servername = isIP(host) === 0 && host !== '' ? { servername: host } : {};
  const socket = connect({ socket: stream, host, ...servername, ...nodeOptions(creds) });
  await once(socket, 'secureConnect');
  return socket;
}

/**
 * TLS with the credentials of -object tls-creds-x509.
 *
 * @param host the name that a server's certificate must carry
 * @throws QemuError when the credentials are for the other end
 */
export function tlsLayer(creds: TlsCredsX509, end: 'server' | 'client', host: string): StreamLayer {
  if (creds.endpoint !== end) throw new QemuError(`Expected TLS credentials for a ${end} endpoint`);
  return (stream) => within(stream, end === 'server' ? accept(stream, creds) : join(stream, creds, host));
}
