import { mkdtempSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { socketName } from '../host/socket.js';
import { connectUnix, listenUnix, type UnixServer, UnixSocket } from '../host/unix.js';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import type { Listener, Peer } from './endpoint.js';
import type { UnixAddress } from './socket-address.js';

/** sizeof(sockaddr_un.sun_path), which also holds a NUL: after a path, before an abstract name. */
const SUN_PATH_SIZE = 108;

function hostAddress({ path, abstract = false, tight = true }: UnixAddress) {
  if (Buffer.byteLength(path) >= SUN_PATH_SIZE) {
    const what = abstract ? 'Abstract path' : 'Path';
    throw new QemuError(`UNIX socket path '${path}' is too long`, {
      hint: `${what} must be less than ${SUN_PATH_SIZE} bytes`,
    });
  }
  return abstract ? { abstract: path, tight } : { path };
}

/** struct sockaddr_un, whose family the caller has looked at. */
function decode(name: Buffer): UnixAddress {
  const bytes = name.subarray(2);
  if (bytes[0] === 0) {
    return {
      type: 'unix',
      path: bytes.subarray(1).toString().replace(/\0+$/, ''),
      abstract: true,
      tight: bytes.length < SUN_PATH_SIZE,
    };
  }
  return { type: 'unix', path: bytes.toString().replace(/\0.*$/s, '') };
}

function peer(stream: UnixSocket, local: string, remote: string): Peer {
  const ends = { family: 'unix', local, remote } as const;
  return { stream, ends, takeDescriptor: () => stream.takeFd(), takeSocket: () => stream.handOver() };
}

function serve(server: UnixServer, address: UnixAddress, accept: (peer: Peer) => void, cleanup: () => void): Listener {
  server.on('connection', (stream) => accept(peer(stream, address.path, '')));
  server.on('error', () => {});
  return {
    address,
    exposed: false,
    close: () => {
      server.close();
      cleanup();
    },
  };
}

/** @throws QemuError `Failed to bind socket to PATH: ...` */
export function listen(address: UnixAddress, accept: (peer: Peer) => void): Listener {
  const where = hostAddress(address);
  // QEMU makes up a name when it is given none.
  const made = address.path === '' && address.abstract !== true;
  if (made)
    Object.assign(where, {
      path: join(mkdtempSync(join(process.getBuiltinModule('node:os').tmpdir(), 'qemu-socket-')), 'socket'),
    });
  const path = 'path' in where ? where.path : where.abstract;
  try {
    const server = listenUnix({ ...where, allowHalfOpen: true });
    return serve(server, decode(socketName(server.fd)), accept, () => made && rmdirSync(dirname(path)));
  } catch (error) {
    throw new QemuError(`Failed to bind socket to ${path}: ${osErrorText(error)}`, { cause: asError(error) });
  }
}

/** Serves an inherited socket that is bound already. */
export function listenAt(fd: number, accept: (peer: Peer) => void): Listener {
  return serve(listenUnix({ fd, allowHalfOpen: true }), decode(socketName(fd)), accept, () => {});
}

/** @throws HostError */
export async function connect(address: UnixAddress, signal: AbortSignal): Promise<Peer> {
  return peer(await connectUnix({ ...hostAddress(address), signal }), '', address.path);
}

export function adopt(fd: number): Peer {
  return peer(new UnixSocket(fd), decode(socketName(fd)).path, '');
}
