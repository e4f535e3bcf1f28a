import { QemuError } from '../system/errors.js';
import type { Chardev } from './chardev.js';

/**
 * Takes a chardev's connected unix socket for a user that speaks with the peer by itself, in another thread. The chardev
 * stays taken and carries nothing; disconnect() it when the peer is gone.
 *
 * @returns a duplicate of the socket, the caller's
 * @throws QemuError when it is in use, or no connected unix socket
 */
export function takeUnixSocket(chardev: Chardev): number {
  chardev.attach({ receive: () => {} });
  const socket = chardev.takeSocket();
  if (socket === undefined) {
    throw new QemuError(`chardev '${chardev.label}' is not a connected unix socket`, {
      hint: `use -chardev socket,id=${chardev.label},path=PATH with the program that serves PATH running`,
    });
  }
  return socket;
}
