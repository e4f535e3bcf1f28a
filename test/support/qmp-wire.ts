import { Duplex } from 'node:stream';
import { ClientSession, type ClientTransport } from '../../qmp/client/session.js';
import { Broadcast } from '../../qmp/session/wire.js';
import { QmpSession } from '../../qmp/session.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { FakeDispatcher, version } from './qmp-peer.js';

export const greeting: JsonObject = { QMP: { version, capabilities: ['oob'] } };

/** The server's side of a client session, by hand. */
export class WirePeer implements ClientTransport {
  readonly session: ClientSession;
  readonly sent: { readonly text: string; readonly fds: readonly number[] | undefined }[] = [];
  closed = false;

  constructor({ oob = false } = {}) {
    this.session = new ClientSession({ transport: this, endpoint: 'peer', oob });
  }

  send(bytes: Uint8Array, fds?: readonly number[]): void {
    this.sent.push({ text: Buffer.from(bytes).toString('latin1'), fds });
  }

  close(): void {
    this.closed = true;
    this.session.end();
  }

  /** Gives the client messages, or text as it stands. */
  tell(...messages: (JsonObject | string)[]): void {
    for (const message of messages) {
      this.session.receive(Buffer.from(typeof message === 'string' ? message : `${JSON.stringify(message)}\r\n`));
    }
  }

  /** Takes what the client sent; each line is a request. */
  async requests(): Promise<JsonObject[]> {
    await Promise.resolve();
    const text = this.sent.splice(0).map((piece) => piece.text);
    return text
      .join('')
      .split('\r\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JsonObject);
  }

  async negotiate(): Promise<this> {
    this.tell(greeting);
    const [request] = await this.requests();
    this.tell({ return: {}, id: request?.id ?? null });
    await this.session.ready;
    return this;
  }
}

class PipeEnd extends Duplex {
  other: PipeEnd | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.other?.readableEnded === false && !this.other.destroyed) this.other.push(null);
    done(error);
  }
}

/** Two streams; what is written to one is read from the other. */
export function pipe(): [Duplex, Duplex] {
  const [left, right] = [new PipeEnd(), new PipeEnd()];
  left.other = right;
  right.other = left;
  return [left, right];
}

/** Serves a stream with the project's own session and a handful of commands. */
export function serve(stream: Duplex, dispatcher = new FakeDispatcher()): QmpSession {
  const session = new QmpSession({
    dispatcher,
    version,
    transport: {
      send: (bytes) => stream.write(bytes),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
    },
  });
  stream
    .on('data', (chunk: Buffer) => session.receive(chunk))
    .on('drain', () => session.drained())
    .on('error', () => {})
    .on('end', () => stream.end())
    .on('close', () => session.close());
  return session;
}

/** An event with a time stamp. */
export function event(name: string, data?: JsonValue): JsonObject {
  const timestamp = { seconds: 1, microseconds: 2 };
  return data === undefined ? { timestamp, event: name } : { timestamp, event: name, data };
}

/** Sends an event to the client of a session. */
export function emit(session: QmpSession, name: string, data?: JsonValue): void {
  session.sendEvent(new Broadcast(event(name, data)));
}

/** What a promise is rejected with. */
export async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
