import { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';

const NORMAL_CLOSURE = 1000;
/** Messages read ahead of a reader that has stopped; each may be as long as the limit of message size. */
const READ_AHEAD = 4;

export interface WebSocketStreamOptions {
  /** What is written goes out as text messages, not binary ones. */
  readonly text: boolean;
  /** A peer that gives no sign of life for so long is dropped; it is pinged three times in between. */
  readonly silenceMs: number;
}

/**
 * A WebSocket as a stream: each write is one message, each message (text or binary) is one chunk, which the reading side
 * keeps apart.
 */
export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #text: boolean;
  readonly #pings: NodeJS.Timeout;
  #missed = 0;

  constructor(socket: WebSocket, { text, silenceMs }: WebSocketStreamOptions) {
    super({ readableObjectMode: true, readableHighWaterMark: READ_AHEAD, allowHalfOpen: false });
    this.#socket = socket;
    this.#text = text;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data) => this.#receive(data));
    socket.on('pong', () => {
      this.#missed = 0;
    });
    // Protocol errors of the peer; ws has told it, and 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => this.push(null));
    this.#pings = setInterval(() => this.#ping(), silenceMs / 4);
    this.#pings.unref();
  }

  #receive(data: RawData): void {
    this.#missed = 0;
    if (!this.push(data)) this.#socket.pause();
  }

  #ping(): void {
    // What a paused socket has to say is not heard.
    if (this.#socket.isPaused) return;
    if (this.#missed === 3) this.destroy();
    else {
      this.#missed++;
      this.#socket.ping();
    }
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(chunk, { binary: !this.#text }, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#socket.readyState === WebSocket.CLOSED) done();
    else {
      this.#socket.once('close', () => done());
      this.#socket.close(NORMAL_CLOSURE);
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#pings);
    this.#socket.terminate();
    done(error);
  }
}
