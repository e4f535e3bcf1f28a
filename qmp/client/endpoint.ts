import type { ConnectionOptions } from 'node:tls';

/** Where a QMP server listens. */
export type Endpoint = UnixEndpoint | AbstractEndpoint | TcpEndpoint | WebSocketEndpoint;

export interface UnixEndpoint {
  readonly path: string;
  /** The connection can pass descriptors (`fds` of `execute`). */
  readonly descriptors?: boolean;
}

/** A unix socket in Linux's abstract name space, on which descriptors can be passed too. */
export interface AbstractEndpoint {
  readonly abstract: string;
  /** False when the server pads the name with NULs (QEMU's `tight=off`). */
  readonly tight?: boolean;
}

export interface TcpEndpoint {
  readonly host: string;
  readonly port: number;
  /** TLS, with Node's options for certificates and names. */
  readonly tls?: ConnectionOptions;
}

export interface WebSocketEndpoint {
  /** `ws://` or `wss://`. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** Options for `wss://`. */
  readonly tls?: ConnectionOptions;
}

/**
 * The endpoint that a text names: `unix:PATH`, `tcp:HOST:PORT`, `ws://...`, `wss://...`, `HOST:PORT` (no slash in it; an
 * IPv6 address in brackets), else a path.
 *
 * @throws TypeError for an empty path, a bad port or a bad URL
 */
export function parseEndpoint(text: string): Endpoint {
  if (/^wss?:\/\//i.test(text)) {
    if (!URL.canParse(text)) throw new TypeError(`'${text}' is not a WebSocket URL`);
    return { url: text };
  }
  if (text.startsWith('unix:')) return pathEndpoint(text.slice('unix:'.length));
  if (text.startsWith('tcp:')) return tcpEndpoint(text.slice('tcp:'.length), text);
  if (!text.includes('/') && /:\d+$/.test(text)) return tcpEndpoint(text, text);
  return pathEndpoint(text);
}

function pathEndpoint(path: string): UnixEndpoint {
  if (path === '') throw new TypeError('the socket path is empty');
  return { path };
}

function tcpEndpoint(address: string, text: string): TcpEndpoint {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) throw new TypeError(`'${text}' is not HOST:PORT`);
  return { host: match[1] ?? (match[2] || 'localhost'), port };
}

/** The endpoint in the form that `parseEndpoint` reads, for messages; a token is not shown. */
export function endpointName(endpoint: Endpoint): string {
  if ('path' in endpoint) return `unix:${endpoint.path}`;
  if ('abstract' in endpoint) return `abstract socket ${endpoint.abstract}`;
  if ('url' in endpoint) return endpoint.url;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.tls === undefined ? 'tcp' : 'tls'}:${host}:${endpoint.port}`;
}
