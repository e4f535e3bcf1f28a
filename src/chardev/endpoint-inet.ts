import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { BlockList, createServer, isIPv6, type Server, Socket } from 'node:net';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import type { Listener, Peer, SocketTuning } from './endpoint.js';
import type { InetAddress } from './socket-address.js';

const MAX_PORT = 65_535;

/** The address family that `ipv4=` and `ipv6=` leave; 0 for both. */
function familyOf({ ipv4, ipv6 }: InetAddress): 0 | 4 | 6 {
  if (ipv4 === false && ipv6 === false) throw new QemuError('Cannot disable IPv4 and IPv6 at same time');
  if ((ipv6 === true && ipv4 === true) || (ipv4 === undefined && ipv6 === undefined)) return 0;
  return ipv6 === true || ipv4 === false ? 6 : 4;
}

/** Host addresses and port. @param wildcard what an empty host stands for @throws QemuError `address resolution failed for HOST:PORT: ...` */
export async function resolveInet(
  address: InetAddress,
  wildcard: readonly string[],
): Promise<{ hosts: string[]; port: number }> {
  const failed = (reason: string, cause?: Error): QemuError =>
    new QemuError(`address resolution failed for ${address.host}:${address.port}: ${reason}`, { cause });
  const family = familyOf(address);
  const port = /^\d+$/.test(address.port) ? Number(address.port) : Number.NaN;
  if (!(port <= MAX_PORT)) throw failed('Servname not supported for ai_socktype');
  if (address.host === '') {
    const hosts = wildcard.filter((host) => family === 0 || isIPv6(host) === (family === 6));
    if (hosts.length === 0) throw failed('Name or service not known');
    return { hosts, port };
  }
  try {
    const found = await lookup(address.host, { all: true, family, verbatim: true });
    return { hosts: [...new Set(found.map((entry) => entry.address))], port };
  } catch (thrown) {
    const error = asError(thrown) as NodeJS.ErrnoException;
    throw failed(resolverText(error, address.host, family), error);
  }
}

/** gai_strerror(3) for the errors that Node tells apart. */
function resolverText(error: NodeJS.ErrnoException, host: string, family: number): string {
  if (error.code === 'EAI_AGAIN') return 'Temporary failure in name resolution';
  if (error.code !== 'ENOTFOUND') return error.message;
  const numeric = /^[\d.]+$/.test(host) || isIPv6(host);
  return numeric && family !== 0 ? 'Address family for hostname not supported' : 'Name or service not known';
}

function bracketed(host = '', port = 0): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function peer(stream: Socket): Peer {
  return {
    stream,
    ends: {
      family: 'inet',
      local: bracketed(stream.localAddress, stream.localPort),
      remote: bracketed(stream.remoteAddress, stream.remotePort),
    },
  };
}

function tune(stream: Socket, { keepAlive, keepAliveIdle = 0 }: KeepAlive, { noDelay }: SocketTuning): void {
  if (noDelay) stream.setNoDelay(true);
  if (keepAlive) stream.setKeepAlive(true, keepAliveIdle * 1000);
}

interface KeepAlive {
  readonly keepAlive: boolean;
  /** Seconds; Node has no way to set the count and the interval of probes. */
  readonly keepAliveIdle?: number;
}

function keepAliveOf(address: InetAddress): KeepAlive {
  const idle = address['keep-alive-idle'];
  return { keepAlive: address['keep-alive'] ?? false, ...(idle === undefined ? {} : { keepAliveIdle: idle }) };
}

async function started(server: Server, where: object): Promise<Server> {
  server.listen(where);
  await once(server, 'listening');
  // Later ones are about a connection that could not be accepted (no descriptors left); the next may do better.
  server.on('error', () => {});
  return server;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

function serve(servers: readonly Server[]): Listener {
  const names = servers.map((server) => server.address()).filter((name) => typeof name === 'object' && name !== null);
  const bound = names[0] ?? { address: '', port: 0, family: 'IPv4' };
  return {
    address: {
      type: 'inet',
      host: bound.address,
      port: String(bound.port),
      ...(bound.family === 'IPv6' ? { ipv6: true } : { ipv4: true }),
    },
    exposed: names.some(({ address }) => !loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')),
    close: () => {
      for (const server of servers) server.close();
    },
  };
}

/**
 * Listens on every address of the host at one port, the first free one up to `to`.
 *
 * @throws QemuError `Failed to find an available port: ...`, `Failed to bind socket: ...`
 */
export async function listen(
  address: InetAddress,
  tuning: SocketTuning,
  accept: (peer: Peer) => void,
): Promise<Listener> {
  const { hosts, port } = await resolveInet(address, ['0.0.0.0', '::']);
  let failure = new QemuError('Failed to create a socket');
  for (let candidate = port; candidate <= Math.min(address.to ?? port, MAX_PORT); candidate++) {
    const servers: Server[] = [];
    let busy = false;
    for (const host of hosts) {
      const server = createServer({ allowHalfOpen: true }, (stream) => {
        tune(stream, keepAliveOf(address), tuning);
        accept(peer(stream));
      });
      const [first] = servers;
      const chosen = first?.address();
      const at = typeof chosen === 'object' && chosen !== null ? chosen.port : candidate;
      try {
        servers.push(await started(server, { host, port: at, ipv6Only: isIPv6(host) }));
      } catch (error) {
        const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        busy ||= inUse && candidate !== 0;
        const what = inUse ? 'Failed to find an available port' : 'Failed to bind socket';
        failure = new QemuError(`${what}: ${osErrorText(error)}`, { cause: asError(error) });
      }
    }
    // A host may lack one of the families; a port that another process has on one of them is not free.
    if (servers.length > 0 && !busy) return serve(servers);
    for (const server of servers) server.close();
  }
  throw failure;
}

/** Serves an inherited socket that is bound already. */
export async function listenAt(fd: number, tuning: SocketTuning, accept: (peer: Peer) => void): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    tune(stream, { keepAlive: false }, tuning);
    accept(peer(stream));
  });
  return serve([await started(server, { fd })]);
}

/** Tries the host's addresses in turn. @throws the last one's error */
export async function connect(address: InetAddress, tuning: SocketTuning, signal: AbortSignal): Promise<Peer> {
  const { hosts, port } = await resolveInet(address, []);
  let failure: unknown;
  for (const host of hosts) {
    const stream = new Socket({ signal });
    try {
      stream.connect({ host, port });
      await once(stream, 'connect');
      tune(stream, keepAliveOf(address), tuning);
      return peer(stream);
    } catch (error) {
      stream.destroy();
      failure = error;
    }
  }
  throw failure;
}

export function adopt(fd: number, tuning: SocketTuning): Peer {
  const stream = new Socket({ fd });
  tune(stream, { keepAlive: false }, tuning);
  return peer(stream);
}
