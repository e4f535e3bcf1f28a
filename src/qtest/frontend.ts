import type { CharFrontend, CharPort } from '../chardev/chardev.js';
import { LINE_LIMIT, QtestSession } from './session.js';
import type { QtestTarget } from './target.js';

/** Takes lines of the protocol's log. */
export type QtestLog = (line: string) => void;

/** A test's end of a character device: lines of commands, answered in their order. */
export class QtestFrontend implements CharFrontend {
  readonly #session: QtestSession;
  readonly #port: CharPort;
  readonly #log: QtestLog;
  readonly #failed: (error: unknown) => void;
  #partial: Buffer[] = [];
  #partialLength = 0;
  #answered: Promise<void> = Promise.resolve();
  #waiting = 0;
  #drained: (() => void) | undefined;
  #start = performance.now();

  /** @param failed the target is gone: no command is answered any more */
  constructor(target: QtestTarget, port: CharPort, log: QtestLog, failed: (error: unknown) => void) {
    this.#session = new QtestSession(target);
    this.#port = port;
    this.#log = log;
    this.#failed = failed;
    target.onLineChange(({ pin, level }) => this.#send(`IRQ ${level ? 'raise' : 'lower'} ${pin}`));
  }

  opened(): void {
    this.#start = performance.now();
    this.#log('[I 0.000000] OPENED');
  }

  receive(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = Buffer.concat([...this.#partial, rest.subarray(0, end)]).toString('latin1');
      this.#forget();
      rest = rest.subarray(end + 1);
      this.#enqueue(line);
    }
    if (rest.length === 0) return;
    this.#partial.push(Buffer.from(rest));
    this.#partialLength += rest.length;
    if (this.#partialLength > LINE_LIMIT) {
      this.#forget();
      this.#port.disconnect();
    }
  }

  #forget(): void {
    this.#partial = [];
    this.#partialLength = 0;
  }

  #enqueue(line: string): void {
    if (this.#waiting === 0) this.#port.pause();
    this.#waiting += 1;
    this.#answered = this.#answered
      .then(() => this.#answer(line))
      .catch((error) => this.#failed(error))
      .then(() => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#port.resume();
      });
  }

  async #answer(line: string): Promise<void> {
    this.#log(`[R +${this.#elapsed()}] ${line}`);
    const flowing = this.#send(await this.#session.execute(line));
    if (flowing || !this.#port.connected) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  #send(text: string): boolean {
    this.#log(`[S +${this.#elapsed()}] ${text}`);
    return this.#port.write(Buffer.from(`${text}\n`, 'latin1'));
  }

  /** Seconds, with microseconds. */
  #elapsed(): string {
    return ((performance.now() - this.#start) / 1000).toFixed(6);
  }

  async finish(): Promise<void> {
    await this.#answered;
  }

  drained(): void {
    this.#drained?.();
    this.#drained = undefined;
  }

  closed(): void {
    if (this.#port.connected) return;
    this.#forget();
    this.#log(`[I +${this.#elapsed()}] CLOSED`);
  }
}
