import { socketName } from '../host/socket.js';
import { connectVsock, listenVsock, VsockServer, VsockSocket } from '../host/vsock.js';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import type { Listener, Peer } from './endpoint.js';
import { parseVsock, type VsockAddress } from './socket-address.js';

const BACKLOG = 128;
const VMADDR_CID_LOCAL = 1;

function peer(stream: VsockSocket): Peer {
  return {
    stream,
    ends: { family: 'vsock', local: '', remote: `${stream.remoteCid}:${stream.remotePort}` },
  };
}

function serve(server: VsockServer, accept: (peer: Peer) => void): Listener {
  const { cid, port } = server.address();
  server.on('connection', (stream) => accept(peer(stream)));
  server.on('error', () => {});
  return {
    address: { type: 'vsock', cid: String(cid), port: String(port) },
    exposed: cid !== VMADDR_CID_LOCAL,
    close: () => server.close(),
  };
}

/** @throws QemuError `Failed to bind socket: ...` */
export function listen(address: VsockAddress, accept: (peer: Peer) => void): Listener {
  const where = parseVsock(address);
  try {
    return serve(listenVsock({ ...where, allowHalfOpen: true }), accept);
  } catch (error) {
    throw new QemuError(`Failed to bind socket: ${osErrorText(error)}`, { cause: asError(error) });
  }
}

/** Serves an inherited socket that is bound already. */
export function listenAt(fd: number, accept: (peer: Peer) => void): Listener {
  return serve(new VsockServer(fd, BACKLOG, { allowHalfOpen: true }), accept);
}

/** @throws HostError */
export async function connect(address: VsockAddress, signal: AbortSignal): Promise<Peer> {
  return peer(await connectVsock({ ...parseVsock(address), signal }));
}

export function adopt(fd: number): Peer {
  const name = socketName(fd);
  return peer(new VsockSocket(fd, { cid: name.readUInt32LE(8), port: name.readUInt32LE(4) }));
}
