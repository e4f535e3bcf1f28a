import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { QemuError } from '../system/errors.js';
import type { StreamLayer } from './socket-layers.js';
import { type AccessRules, judge, type Subprotocol } from './websocket-access.js';
import { WebSocketStream } from './websocket-stream.js';

/** All header fields of an opening handshake together. */
const MAX_HEADER_BYTES = 8 * 1024;

export interface WebSocketOptions extends AccessRules {
  /** Bytes of one message; a longer one ends the connection with status 1009. */
  readonly maxMessage: number;
  /** A peer that gives no sign of life for so long is dropped. */
  readonly silenceMs: number;
}

/** A connection whose handshake is under way. */
interface Candidate {
  accept(socket: WebSocket, subprotocol: Subprotocol | undefined): void;
  /** Why it ends, once it is known. */
  why: string;
}

/** The server's side of WebSocket (RFC 6455) between a stream and messages. */
export function webSocketLayer(options: WebSocketOptions): StreamLayer {
  const candidates = new WeakMap<Duplex, Candidate>();
  const chosen = new WeakMap<IncomingMessage, string | false>();
  const refuse = (stream: Duplex, status: number, why: string): void => {
    const candidate = candidates.get(stream);
    if (candidate !== undefined) candidate.why = why;
    answer(stream, status, why);
  };
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: options.maxMessage,
    handleProtocols: (_offered, request) => chosen.get(request) ?? false,
  });
  // Neither server listens: each is handed connections that are there already.
  const http = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, ({ socket }) => {
    refuse(socket, 426, 'this is a WebSocket endpoint');
  });
  http.on('clientError', (error: Error, stream: Duplex) => refuse(stream, 400, error.message));
  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const verdict = judge({ path: request.url, headers: request.headers }, options);
    if ('status' in verdict) {
      refuse(stream, verdict.status, verdict.why);
      return;
    }
    chosen.set(request, verdict.subprotocol ?? false);
    sockets.handleUpgrade(request, stream, head, (socket) => {
      candidates.get(stream)?.accept(socket, verdict.subprotocol);
    });
  });
  return (peer) =>
    new Promise((resolve, reject) => {
      const candidate: Candidate = {
        accept: (socket, subprotocol) => {
          const text = subprotocol === 'qmp' || subprotocol === 'jsonrpc';
          const stream = new WebSocketStream(socket, { text, silenceMs: options.silenceMs });
          resolve({ ...peer, stream, ...(subprotocol === undefined ? {} : { subprotocol }) });
        },
        why: 'the peer went away',
      };
      candidates.set(peer.stream, candidate);
      peer.stream.once('close', () => reject(new QemuError(`WebSocket handshake failed: ${candidate.why}`)));
      http.emit('connection', peer.stream);
    });
}

/** Refuses with an HTTP response and ends the connection. */
function answer(stream: Duplex, status: number, why: string): void {
  const extra = { 401: 'WWW-Authenticate: Bearer realm="monitor"\r\n', 426: 'Upgrade: websocket\r\n' }[status] ?? '';
  const text = `${why}\n`;
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n${extra}\r\n`;
  if (stream.writable) stream.end(head + text, () => stream.destroy());
  else stream.destroy();
}
