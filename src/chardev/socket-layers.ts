import type { Duplex } from 'node:stream';
import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import type { BackendData } from './backend.js';

/** Something between the socket and the bytes; it shakes hands with the peer and returns the inner stream. */
export type StreamLayer = (stream: Duplex) => Promise<Duplex>;

/** The layers that the options ask for, the outermost first. @throws QemuError */
export async function layersFor(system: System, options: BackendData['socket']): Promise<StreamLayer[]> {
  const layers: StreamLayer[] = [];
  const { 'tls-creds': id, addr } = options;
  if (id !== undefined) {
    const object = system.tree.objects.component(id);
    if (object === undefined) throw new QemuError(`No TLS credentials with id '${id}'`);
    const { TlsCredsX509 } = await import('../system/tls-creds.js');
    if (!(object instanceof TlsCredsX509)) throw new QemuError(`Object with id '${id}' is not TLS credentials`);
    if (options['tls-authz'] !== undefined) throw new QemuError("'tls-authz' is not supported");
    const { tlsLayer } = await import('./tls-layer.js');
    const host = addr.type === 'inet' ? addr.data.host : '';
    layers.push(tlsLayer(object, options.server === false ? 'client' : 'server', host));
  }
  if (options.websocket === true) throw new QemuError("'websocket' is not supported");
  return layers;
}
