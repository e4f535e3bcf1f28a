import { duplicate } from '../host/fd.js';
import { QemuError } from '../system/errors.js';
import type { BackendData } from './backend.js';
import type { BackendContext } from './create.js';
import { type Descriptors, FdChardev } from './fd.js';
import { Terminal } from './terminal.js';
import { TerminalStream } from './terminal-stream.js';

/** How often a job in the background looks whether it is in the foreground: not every shell tells it. */
const FOREGROUND_POLL_MS = 500;

let inUse = false;

/**
 * Standard input and output of the process, terminal, pipe or file. A terminal is in raw mode from `open` to `close`, and
 * is put back on every way out of the process, except SIGKILL. A job in the background leaves the terminal alone until
 * it is in the foreground.
 */
export class StdioChardev extends FdChardev {
  readonly #signals: boolean;
  #terminals: Terminal[] = [];
  #input: TerminalStream | undefined;
  #background: NodeJS.Timeout | undefined;
  readonly #again = (): void => {
    if (this.#mayRead()) for (const terminal of this.#terminals) terminal.again();
  };
  readonly #restore = (): void => {
    for (const terminal of this.#terminals.splice(0)) terminal.restore();
  };
  readonly #quit = (): void => {
    this.#restore();
    process.off('SIGQUIT', this.#quit);
    process.kill(process.pid, 'SIGQUIT');
  };

  constructor({ signal }: BackendData['stdio'], context: BackendContext) {
    super(context.type);
    this.#signals = signal ?? true;
  }

  protected override openDescriptors(): Descriptors {
    if (inUse) throw new QemuError('cannot use stdio by multiple character devices');
    inUse = true;
    // Standard output may be another terminal, or another open file of the same one.
    this.#terminals = [new Terminal(0), new Terminal(1)];
    process.on('exit', this.#restore);
    process.on('SIGCONT', this.#again);
    process.on('SIGQUIT', this.#quit);
    this.setEcho(false);
    this.#again();
    return { input: duplicate(0, 3), output: duplicate(1, 3) };
  }

  override setEcho(echo: boolean): void {
    this.#terminals[0]?.set({ echo, signals: this.#signals });
  }

  protected override inputStream(fd: number): TerminalStream {
    this.#input = new TerminalStream(fd, () => this.#mayRead());
    this.#input.hold(this.#background !== undefined);
    return this.#input;
  }

  /** Holds the input and looks again later while this is a job in the background. */
  #mayRead(): boolean {
    const inBackground = this.#terminals[0]?.inBackground === true;
    const wasInBackground = this.#background !== undefined;
    if (inBackground !== wasInBackground) {
      this.#input?.hold(inBackground);
      clearInterval(this.#background);
      this.#background = inBackground ? setInterval(this.#again, FOREGROUND_POLL_MS) : undefined;
    }
    return !inBackground;
  }

  protected override async release(): Promise<void> {
    if (this.#terminals.length === 0) return;
    await super.release();
    clearInterval(this.#background);
    process.off('exit', this.#restore);
    process.off('SIGCONT', this.#again);
    process.off('SIGQUIT', this.#quit);
    this.#restore();
    inUse = false;
  }
}
