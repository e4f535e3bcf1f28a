import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { deadline } from './deadline.js';

/** The client's side of the test protocol: it listens, and an emulator's `-qtest unix:PATH` connects. */
export class QtestClient {
  /** `IRQ` lines that came so far. */
  readonly irqs: string[] = [];
  readonly #server: Server;
  readonly #connected: Promise<Socket>;
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor(path: string) {
    this.#server = createServer();
    this.#connected = new Promise((resolve) => this.#server.once('connection', resolve));
    void this.#connected.then((socket) => {
      socket.on('error', () => {});
      const lines = createInterface({ input: socket });
      lines.on('line', (line) => {
        if (line.startsWith('IRQ ')) this.irqs.push(line.slice(4));
        else this.#waiting.shift()?.(line);
      });
      lines.on('close', () => {
        for (const resolve of this.#waiting.splice(0)) resolve('CLOSED');
      });
    });
    this.#server.listen(path);
    // A client that nobody came to does not hold the test up; waits have deadlines.
    this.#server.unref();
  }

  /** @returns the answer; `CLOSED` when the emulator went away */
  async ask(command: string): Promise<string> {
    const socket = await deadline('the emulator to connect', this.#connected, 60_000);
    const answer = new Promise<string>((resolve) => this.#waiting.push(resolve));
    socket.write(`${command}\n`);
    return await deadline(`the answer to ${command.slice(0, 60)}`, answer, 30_000);
  }

  /** The number in an answer. @throws Error for other answers than `OK NUMBER` */
  async value(command: string): Promise<number> {
    const answer = await this.ask(command);
    if (!/^OK (0x)?[0-9a-f]+$/.test(answer)) throw new Error(`${command}: ${answer}`);
    return Number(answer.slice(3));
  }

  async close(): Promise<void> {
    this.#server.close();
    void this.#connected.then((socket) => socket.destroy());
  }
}
