import type { CharFrontend, CharPort } from '../../src/chardev/chardev.js';
import { asError } from '../../src/system/errors.js';
import { MonitorClient, type MonitorHost } from '../context.js';
import { versionNumber } from '../version.js';
import { completeLine } from './completion.js';
import { HmpInterpreter } from './interpreter.js';
import { LineEditor } from './readline.js';

/** Text as a terminal in raw mode needs it. */
export function terminalText(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

/**
 * The human monitor with its prompt on a character device. On a multiplexed one it shows nothing while another front end
 * has the user's attention: what it would say is kept until it gets that back.
 */
export class ReadlineMonitor implements CharFrontend {
  readonly #host: MonitorHost;
  readonly #port: CharPort;
  readonly #interpreter: HmpInterpreter;
  readonly #editor: LineEditor;
  #greeted = false;
  #focused = true;
  #held = '';
  #running = false;
  #paused = false;
  #drained: (() => void) | undefined;

  constructor(host: MonitorHost, port: CharPort) {
    this.#host = host;
    this.#port = port;
    this.#interpreter = new HmpInterpreter(host, new MonitorClient());
    this.#editor = new LineEditor({
      write: (bytes) => void port.write(bytes),
      submit: (line) => void this.#run(line),
      complete: (left) => completeLine(this.#interpreter.context, left),
    });
  }

  opened(): void {
    this.#greeted = true;
    this.#write(`QEMU ${versionNumber} monitor - type 'help' for more information\n`);
    this.#prompt();
  }

  focused(): void {
    this.#focused = true;
    if (!this.#greeted) return;
    const held = this.#held;
    this.#held = '';
    this.#write(held);
    this.#prompt();
  }

  /** A line begun is given up, as QEMU does. */
  unfocused(): void {
    if (this.#greeted && !this.#running) this.#write('\n');
    this.#focused = false;
  }

  receive(data: Uint8Array): void {
    if (this.#editor.feed(data) || this.#paused) return;
    this.#paused = true;
    this.#port.pause();
  }

  drained(): void {
    this.#drained?.();
  }

  async #run(line: string): Promise<void> {
    this.#running = true;
    try {
      await this.#answer(await this.#interpreter.run(line));
    } catch (error) {
      // A fault of ours must not end the monitor.
      await this.#answer(`Error: ${asError(error).message}\n`);
    }
    this.#running = false;
    if (this.#host.system.run.ending) return;
    if (this.#paused) {
      this.#paused = false;
      this.#port.resume();
    }
    this.#prompt();
  }

  /** Shows a command's output; a reader that is behind holds up the next command. */
  async #answer(text: string): Promise<void> {
    if (this.#write(text)) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#drained = undefined;
  }

  #prompt(): void {
    if (this.#focused && !this.#running) this.#editor.prompt();
  }

  #write(text: string): boolean {
    if (!this.#focused) this.#held += text;
    else if (text !== '') return this.#port.write(Buffer.from(terminalText(text), 'utf8'));
    return true;
  }
}
