import type { Duplex } from 'node:stream';
import type { Endpoint, TcpEndpoint, WebSocketEndpoint } from './endpoint.js';
import { type Limits, limited } from './limits.js';
import type { ClientSession, ClientTransport } from './session.js';

/** A stream that passes descriptors, as UnixSocket of src/host/unix.ts does. */
interface DescriptorStream {
  writeWithFds(data: Uint8Array, fds: readonly number[]): boolean;
}

/** How long a peer may take to end a connection that we ended. */
const closeGraceMs = 1000;
/** A server's message; what QEMU bounds its input by. */
const maxMessageBytes = 64 * 2 ** 20;

/** Carries a session over any stream of bytes, which is its own from then on. */
export class StreamTransport implements ClientTransport {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Feeds the session; leaves no listener on the stream once that is closed. */
  attach(session: ClientSession): void {
    const stream = this.#stream;
    let failure: Error | undefined;
    const data = (chunk: Buffer) => session.receive(chunk);
    const end = () => stream.destroy();
    const error = (reason: Error) => {
      failure ??= reason;
    };
    const close = () => {
      stream.off('data', data).off('end', end).off('error', error);
      session.end(failure);
    };
    stream.on('data', data).on('end', end).on('error', error).once('close', close);
    // It may have ended while nobody listened.
    if (stream.closed) close();
    else if (stream.readableEnded) end();
  }

  send(bytes: Uint8Array, fds?: readonly number[]): void {
    const stream = this.#stream;
    if (fds === undefined) stream.write(bytes);
    else if (passesDescriptors(stream)) stream.writeWithFds(bytes, fds);
    else throw new TypeError('this connection passes no descriptors; connect with { path, descriptors: true }');
  }

  close(): void {
    const stream = this.#stream;
    const timer = setTimeout(() => stream.destroy(), closeGraceMs);
    stream.once('close', () => clearTimeout(timer));
    stream.end();
  }
}

function passesDescriptors(stream: Duplex): stream is Duplex & DescriptorStream {
  return 'writeWithFds' in stream && typeof stream.writeWithFds === 'function';
}

/** Connects to a server. Code for TLS, WebSocket and descriptors is loaded when it is needed. @throws Node's errors */
export async function openStream(endpoint: Endpoint, name: string, limits: Limits): Promise<Duplex> {
  if ('url' in endpoint) return openWebSocket(endpoint, name, limits);
  if ('abstract' in endpoint || ('path' in endpoint && endpoint.descriptors === true)) {
    const { connectUnix } = await import('../../src/host/unix.js');
    limits.signal?.throwIfAborted();
    return limited(name, limits, (resolve, reject) => {
      const abort = new AbortController();
      connectUnix({ ...endpoint, signal: abort.signal }).then(resolve, reject);
      return () => abort.abort();
    });
  }
  if ('path' in endpoint) {
    const { connect } = await import('node:net');
    return opened(name, limits, 'connect', () => connect(endpoint.path));
  }
  return endpoint.tls === undefined ? openTcp(endpoint, name, limits) : openTls(endpoint, name, limits);
}

async function openTcp({ host, port }: TcpEndpoint, name: string, limits: Limits): Promise<Duplex> {
  const { connect } = await import('node:net');
  return opened(name, limits, 'connect', () => connect({ host, port, noDelay: true }));
}

async function openTls({ host, port, tls }: TcpEndpoint, name: string, limits: Limits): Promise<Duplex> {
  const [{ connect }, { isIP }] = await Promise.all([import('node:tls'), import('node:net')]);
  const servername = isIP(host) === 0 ? { servername: host } : {};
  return opened(name, limits, 'secureConnect', () => connect({ ...servername, ...tls, host, port }).setNoDelay());
}

/** Our server's subprotocol is `qmp`; QEMU's character devices know `binary` only, and binary frames. */
async function openWebSocket({ url, token, tls }: WebSocketEndpoint, name: string, limits: Limits): Promise<Duplex> {
  const { WebSocket, createWebSocketStream } = await import('ws');
  return limited(name, limits, (resolve, reject) => {
    const socket = new WebSocket(url, ['qmp', 'binary'], {
      ...tls,
      ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
    });
    // The greeting may follow in this turn of the event loop; the stream must listen by then.
    const open = () => resolve(createWebSocketStream(socket));
    socket.once('open', open).on('error', reject);
    return () => {
      socket.off('open', open);
      if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
      else socket.off('error', reject);
    };
  });
}

/** Waits for `event` of a stream that is connecting; it is destroyed when that does not come. */
function opened(name: string, limits: Limits, event: string, connect: () => Duplex): Promise<Duplex> {
  return limited(name, limits, (resolve, reject) => {
    const stream = connect();
    let done = false;
    const ready = () => {
      done = true;
      resolve(stream);
    };
    stream.once(event, ready).once('error', reject);
    return () => {
      stream.off(event, ready).off('error', reject);
      if (!done) stream.on('error', () => {}).destroy();
    };
  });
}
