import { duplicate } from '../host/fd.js';
import { QemuError } from '../system/errors.js';
import type { BackendData } from './backend.js';
import type { BackendContext } from './create.js';
import { type Descriptors, FdChardev } from './fd.js';
import { Terminal } from './terminal.js';

let inUse = false;

/**
 * Standard input and output of the process, terminal, pipe or file. A terminal is in raw mode from `open` to `close`, and
 * is put back on every way out of the process, except SIGKILL.
 */
export class StdioChardev extends FdChardev {
  readonly #signals: boolean;
  #terminals: Terminal[] = [];
  readonly #again = (): void => {
    for (const terminal of this.#terminals) terminal.again();
  };
  readonly #restore = (): void => {
    for (const terminal of this.#terminals.splice(0)) terminal.restore();
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
    this.setEcho(false);
    return { input: duplicate(0, 3), output: duplicate(1, 3) };
  }

  override setEcho(echo: boolean): void {
    this.#terminals[0]?.set({ echo, signals: this.#signals });
  }

  protected override async release(): Promise<void> {
    if (this.#terminals.length === 0) return;
    await super.release();
    process.off('exit', this.#restore);
    process.off('SIGCONT', this.#again);
    this.#restore();
    inUse = false;
  }
}
