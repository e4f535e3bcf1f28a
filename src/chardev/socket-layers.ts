import type { Duplex } from 'node:stream';
import type { QomObject } from '../qom/object.js';
import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import type { BackendData } from './backend.js';

/** Something between the socket and the bytes; it shakes hands with the peer and returns the inner stream. */
export type StreamLayer = (stream: Duplex) => Promise<Duplex>;

/** What an object of a tls-creds type has, for sockets to find. */
export interface TlsCredentials {
  /** @throws QemuError when the credentials are for the other end */
  tlsLayer(end: 'server' | 'client'): StreamLayer;
}

function isTlsCredentials(object: QomObject): object is QomObject & TlsCredentials {
  return 'tlsLayer' in object && typeof object.tlsLayer === 'function';
}

/** The layers that the options ask for, the outermost first. @throws QemuError */
export async function layersFor(system: System, options: BackendData['socket']): Promise<StreamLayer[]> {
  const layers: StreamLayer[] = [];
  const id = options['tls-creds'];
  if (id !== undefined) {
    const object = system.tree.objects.component(id);
    if (object === undefined) throw new QemuError(`No TLS credentials with id '${id}'`);
    if (!isTlsCredentials(object)) throw new QemuError(`Object with id '${id}' is not TLS credentials`);
    layers.push(object.tlsLayer(options.server === false ? 'client' : 'server'));
  }
  if (options.websocket === true) throw new QemuError("'websocket' is not supported by this version");
  return layers;
}
