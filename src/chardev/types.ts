import { prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { JsonObject } from '../system/json.js';
import type { System } from '../system/system.js';
import type { Chardev } from './chardev.js';

/** What the properties of a socket chardev read; its class is loaded with the first socket only. */
interface SocketLike extends Chardev {
  readonly address: JsonObject;
}

/**
 * Defines the QOM types of the character devices. Objects are made by `addChardev`, which loads their classes; the types
 * are there to be listed. `-object` cannot make them.
 */
export function defineChardevTypes({ types }: System): void {
  types.define({ name: 'chardev', parent: 'object', abstract: true });
  types.define({ name: 'chardev-fd', parent: 'chardev', abstract: true });
  types.define({
    name: 'chardev-socket',
    parent: 'chardev',
    properties: {
      connected: prop.bool<SocketLike>({ get: (chardev) => chardev.connected }),
      addr: prop.of<JsonObject>('SocketAddress', qapi.any)<SocketLike>({ get: (chardev) => chardev.address }),
    },
  });
  for (const kind of ['file', 'pipe', 'serial', 'stdio'])
    types.define({ name: `chardev-${kind}`, parent: 'chardev-fd' });
  for (const kind of ['hub', 'mux', 'null', 'pty', 'ringbuf', 'udp', 'vc']) {
    types.define({ name: `chardev-${kind}`, parent: 'chardev' });
  }
  types.define({ name: 'chardev-memory', parent: 'chardev-ringbuf' });
}
