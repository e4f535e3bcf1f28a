import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { deadline } from './deadline.js';

const LIMIT_MS = 30_000;

/** A test's own QMP client on a unix socket: sends lines, keeps all that comes. */
export class QmpConnection {
  /** Every line received, in order. */
  readonly received: JsonObject[] = [];
  /** Settles at the end of the connection. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #watchers = new Set<() => void>();
  #taken = 0;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.received.push(JSON.parse(line) as JsonObject);
      this.#look();
    });
    // A reset at quit is an end like another.
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) =>
      socket.on('close', () => {
        this.#ended = true;
        this.#look();
        resolve();
      }),
    );
  }

  #look(): void {
    for (const look of [...this.#watchers]) look();
  }

  /** Waits for the first line from `from` on that `wanted` accepts; fails when the connection ends before. */
  async until(
    what: string,
    wanted: (line: JsonObject) => boolean,
    from: number,
  ): Promise<{ line: JsonObject; at: number }> {
    const found = new Promise<{ line: JsonObject; at: number }>((resolve, reject) => {
      const look = (): void => {
        const at = this.received.findIndex((line, index) => index >= from && wanted(line));
        const line = this.received[at];
        if (line === undefined && !this.#ended) return;
        this.#watchers.delete(look);
        if (line === undefined) reject(new Error(`${what}: the connection ended`));
        else resolve({ line, at });
      };
      this.#watchers.add(look);
      look();
    });
    return await deadline(what, found, LIMIT_MS);
  }

  /** Runs a command and gives its whole answer, `{return}` or `{error}`. */
  async ask(execute: string, args: JsonObject = {}): Promise<JsonObject> {
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    const answered = (line: JsonObject) => 'return' in line || 'error' in line;
    const { line, at } = await this.until(`the answer to ${execute}`, answered, this.#taken);
    this.#taken = at + 1;
    return line;
  }

  /** Sends a line as it is. */
  send(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  /** Runs a command that must succeed. */
  async run(execute: string, args: JsonObject = {}): Promise<JsonValue> {
    const answer = await this.ask(execute, args);
    if (!('return' in answer)) throw new Error(`${execute}: ${JSON.stringify(answer)}`);
    return answer.return ?? null;
  }

  /** The sentence a command is refused with. */
  async refusal(execute: string, args: JsonObject = {}): Promise<string> {
    const { error } = (await this.ask(execute, args)) as { error?: { desc: string } };
    if (error === undefined) throw new Error(`${execute} was not refused`);
    return error.desc;
  }

  /** Output of an HMP command. */
  async hmp(line: string): Promise<string> {
    return String(await this.run('human-monitor-command', { 'command-line': line }));
  }

  /** Waits for an event and gives its data. */
  async event(name: string): Promise<JsonObject> {
    const { line } = await this.until(`event ${name}`, (each) => each.event === name, 0);
    return (line.data ?? {}) as JsonObject;
  }

  /** Names of the events so far. */
  get events(): string[] {
    return this.received.flatMap(({ event }) => (typeof event === 'string' ? [event] : []));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/**
 * Connects to a unix socket as soon as something listens there.
 *
 * @param ended settles when there is nothing left to wait for
 */
export async function whenListening(path: string, ended: Promise<unknown>): Promise<Socket> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const connected = async (): Promise<Socket> => {
    for (;;) {
      const attempt = connect(path);
      try {
        await once(attempt, 'connect');
        return attempt;
      } catch {
        if (over) throw new Error(`the program ended before it listened on ${path}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  return await deadline(`a connection to ${path}`, connected(), LIMIT_MS);
}

/**
 * Connects as soon as the socket is there and does the capability negotiation.
 *
 * @param ended settles when there is nothing left to wait for
 */
export async function connectQmp(path: string, ended: Promise<unknown>): Promise<QmpConnection> {
  const connection = new QmpConnection(await whenListening(path, ended));
  await connection.until('the greeting', (line) => 'QMP' in line, 0);
  await connection.run('qmp_capabilities');
  return connection;
}
