import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import type { BackendData } from './backend.js';
import type { Peer } from './endpoint.js';

/** Something between the socket and the bytes: shakes hands with the peer and returns it with the inner stream. */
export type StreamLayer = (peer: Peer) => Promise<Peer>;

export interface Layers {
  /** The outermost first. */
  readonly layers: readonly StreamLayer[];
  /** Only clients that prove who they are get through: by a certificate or a token. */
  readonly authenticated: boolean;
}

type Options = BackendData['socket'];

const DEFAULT_HANDSHAKE_MS = 10_000;

/** The layers that the options ask for. @throws QemuError */
export async function layersFor(system: System, options: Options): Promise<Layers> {
  const layers: StreamLayer[] = [];
  let authenticated = false;
  const credsId = options['tls-creds'];
  if (options['tls-authz'] !== undefined) throw new QemuError("'tls-authz' is not supported");
  if (credsId !== undefined) {
    const creds = await tlsCredentials(system, credsId, options.server === false ? 'client' : 'server');
    const host = options.addr.type === 'inet' ? options.addr.data.host : undefined;
    layers.push((await import('./tls-layer.js')).tlsLayer(creds, host));
    authenticated = creds.verifyPeer;
  }
  if (options.websocket === true) {
    const { readAccess } = await import('./websocket-options.js');
    const access = await readAccess(system, options);
    layers.push((await import('./websocket-layer.js')).webSocketLayer(access));
    authenticated ||= access.token !== undefined;
  }
  return { layers, authenticated };
}

async function tlsCredentials(system: System, id: string, end: 'server' | 'client') {
  const { TlsCredsX509 } = await import('../system/tls-creds.js');
  const object = system.tree.objects.component(id);
  if (object === undefined) throw new QemuError(`No TLS credentials with id '${id}'`);
  if (!(object instanceof TlsCredsX509)) throw new QemuError(`Object with id '${id}' is not TLS credentials`);
  if (object.endpoint !== end) throw new QemuError(`Expected TLS credentials for a ${end} endpoint`);
  return object;
}

/**
 * Takes a peer through the layers.
 *
 * @throws the error of a layer, also when it took longer than `x-handshake-timeout-ms`; the peer's stream is destroyed
 */
export async function shakeHands(layers: readonly StreamLayer[], peer: Peer, options: Options): Promise<Peer> {
  const { stream } = peer;
  // A layer sees the end of the stream below it.
  const timer = setTimeout(() => stream.destroy(), options['x-handshake-timeout-ms'] ?? DEFAULT_HANDSHAKE_MS);
  let inner = peer;
  try {
    for (const layer of layers) inner = await layer(inner);
    return inner;
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
