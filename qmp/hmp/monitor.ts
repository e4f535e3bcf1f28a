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

/** Who is at the other side: with each connection somebody new. */
interface User {
  readonly client: MonitorClient;
  readonly interpreter: HmpInterpreter;
  readonly editor: LineEditor;
}

/**
 * The human monitor with its prompt on a character device. On a multiplexed one it shows nothing while another front end
 * has the user's attention: what it would say is kept until it gets that back.
 */
export class ReadlineMonitor implements CharFrontend {
  readonly #host: MonitorHost;
  readonly #port: CharPort;
  readonly #readOnly: boolean;
  #user: User;
  #greeted = false;
  #focused = true;
  #held = '';
  #running = false;
  // Why input waits: the editor has enough, or the reader is behind.
  #full = false;
  #behind = false;
  #paused = false;
  #drained: (() => void) | undefined;
  #whenIdle: (() => void) | undefined;

  /** @param readOnly serves help, info, qom-list and qom-get only */
  constructor(host: MonitorHost, port: CharPort, readOnly = false) {
    this.#host = host;
    this.#port = port;
    this.#readOnly = readOnly;
    this.#user = this.#newUser();
  }

  #newUser(): User {
    const port = this.#port;
    const client = new MonitorClient({
      readOnly: this.#readOnly,
      takeDescriptor: () => port.takeDescriptor(),
    });
    const interpreter = new HmpInterpreter(this.#host, client);
    const editor = new LineEditor({
      write: (bytes) => {
        if (!port.write(bytes)) this.#behind = true;
      },
      submit: (line) => void this.#run(line),
      complete: (left) => completeLine(interpreter.context, left),
    });
    return { client, interpreter, editor };
  }

  opened(): void {
    this.#greeted = true;
    this.#write(`QEMU ${versionNumber} monitor - type 'help' for more information\n`);
    this.#prompt();
  }

  async finish(): Promise<void> {
    if (!this.#running) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  /** What the next one gets to see is of no concern to the one who left. */
  closed(): void {
    // A pipe that ended still wants the answers.
    if (this.#port.connected) return;
    this.#user.client.close();
    this.#user = this.#newUser();
    this.#greeted = false;
    this.#running = false;
    this.#held = '';
    this.#full = false;
    this.#whenIdle?.();
    this.drained();
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
    if (!this.#user.editor.feed(data)) this.#full = true;
    this.#throttle();
  }

  drained(): void {
    this.#behind = false;
    this.#drained?.();
    this.#throttle();
  }

  #throttle(): void {
    const stuck = this.#full || this.#behind;
    if (stuck === this.#paused) return;
    this.#paused = stuck;
    if (stuck) this.#port.pause();
    else this.#port.resume();
  }

  async #run(line: string): Promise<void> {
    this.#running = true;
    const user = this.#user;
    let text: string;
    try {
      text = await user.interpreter.run(line);
    } catch (error) {
      // A fault of ours must not end the monitor.
      text = `Error: ${asError(error).message}\n`;
    }
    if (user === this.#user) await this.#answer(text);
    if (user !== this.#user) return;
    this.#running = false;
    if (this.#host.system.run.ending) return;
    this.#prompt();
    // What had to wait may have held more than one line.
    this.#full = !user.editor.feed(Buffer.alloc(0));
    this.#throttle();
    if (!this.#running) this.#whenIdle?.();
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
    if (this.#focused && !this.#running) this.#user.editor.prompt();
  }

  #write(text: string): boolean {
    if (!this.#focused) this.#held += text;
    else if (text !== '') return this.#port.write(Buffer.from(terminalText(text), 'utf8'));
    return true;
  }
}
