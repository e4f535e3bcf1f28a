import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server, type Socket } from 'node:net';

/** A guest's own limit is 2 s by default; one that asked for more may wait. */
export const CONNECT_LIMIT_MS = 10_000;
/** As many as a muxer has connections: a burst of clients must not be refused before they were looked at. */
export const BACKLOG = 1024;

/** Connects a socket of node:net that may be half closed. @throws Error of node:net, or after CONNECT_LIMIT_MS */
export async function connectNet(options: NetConnectOpts): Promise<Socket> {
  const socket = connect({ ...options, allowHalfOpen: true, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Listens for sockets that may be half closed. @throws Error of node:net */
export async function listenNet(options: ListenOptions, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  server.listen({ backlog: BACKLOG, ...options });
  await once(server, 'listening');
  // A socket that cannot be accepted is its peer's loss alone.
  server.on('error', () => {});
  return server;
}
