import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { QemuError } from '../system/errors.js';
import type { TlsCredsX509 } from '../system/tls-creds.js';
import type { StreamLayer } from './socket-layers.js';

/**
 * OpenSSL's verdict on the client's certificate, undefined for a good one. tls.Server asks the handle in the same way;
 * a TLSSocket on a stream of our own has no public name for it.
 */
function verdict(socket: TLSSocket): Error | null | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { verifyError?: () => Error | null | undefined } };
  if (handle?.verifyError === undefined) return new Error('no verdict on the certificate');
  return handle.verifyError();
}

/** Waits for the end of the handshake. @throws what went wrong, or that the peer went away */
async function secured(socket: TLSSocket, event: 'secure' | 'secureConnect'): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    // What comes later is seen by the connection, which listens itself.
    socket.on('error', reject);
    socket.once('end', () => reject(new QemuError('TLS handshake failed: the peer gave up')));
    socket.once('close', () => reject(new QemuError('TLS handshake failed: the peer went away')));
  });
}

function serverLayer(creds: TlsCredsX509, context: SecureContext): StreamLayer {
  return async (peer) => {
    const socket = new TLSSocket(peer.stream, {
      isServer: true,
      secureContext: context,
      requestCert: creds.verifyPeer,
      rejectUnauthorized: creds.verifyPeer,
    });
    await secured(socket, 'secure');
    const error = creds.verifyPeer ? verdict(socket) : undefined;
    if (error) {
      throw new QemuError(`The certificate of the TLS client is not accepted: ${error.message}`, { cause: error });
    }
    return { ...peer, stream: socket };
  };
}

function clientLayer(creds: TlsCredsX509, context: SecureContext, host: string | undefined): StreamLayer {
  return async (peer) => {
    const socket = connect({
      socket: peer.stream,
      secureContext: context,
      rejectUnauthorized: creds.verifyPeer,
      ...(host === undefined ? { checkServerIdentity: () => undefined } : { host, servername: serverName(host) }),
    });
    await secured(socket, 'secureConnect');
    return { ...peer, stream: socket };
  };
}

/** The name indication holds host names only (RFC 6066, section 3). */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host;
}

/**
 * TLS between the socket and the bytes.
 *
 * @param creds credentials for this end
 * @param host the server's name that its certificate must carry; undefined for addresses without one
 */
export function tlsLayer(creds: TlsCredsX509, host: string | undefined): StreamLayer {
  const { crl, cert, key, passphrase, dhparam, ca, ...versions } = creds.material;
  const context = createSecureContext({ ca, crl, cert, key, passphrase, dhparam, ...versions });
  return creds.endpoint === 'server' ? serverLayer(creds, context) : clientLayer(creds, context, host);
}
