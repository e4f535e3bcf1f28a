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

/** The human monitor with its prompt on a character device. */
export class ReadlineMonitor implements CharFrontend {
  readonly #host: MonitorHost;
  readonly #port: CharPort;
  readonly #interpreter: HmpInterpreter;
  readonly #editor: LineEditor;
  #paused = false;

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
    this.#write(`QEMU ${versionNumber} monitor - type 'help' for more information\n`);
    this.#editor.prompt();
  }

  receive(data: Uint8Array): void {
    if (this.#editor.feed(data) || this.#paused) return;
    this.#paused = true;
    this.#port.pause();
  }

  async #run(line: string): Promise<void> {
    try {
      this.#write(await this.#interpreter.run(line));
    } catch (error) {
      // A fault of ours must not end the monitor.
      this.#write(`Error: ${asError(error).message}\n`);
    }
    if (this.#host.system.run.ending) return;
    if (this.#paused) {
      this.#paused = false;
      this.#port.resume();
    }
    this.#editor.prompt();
  }

  #write(text: string): void {
    if (text !== '') this.#port.write(Buffer.from(terminalText(text), 'utf8'));
  }
}
