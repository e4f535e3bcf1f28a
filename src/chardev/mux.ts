import { QemuError } from '../system/errors.js';
import type { BackendData } from './backend.js';
import { Chardev, type CharFrontend, type CharPort } from './chardev.js';
import type { BackendContext } from './create.js';
import { CTRL_A, helpText, LineStamper, type MuxCommand, MuxEscape } from './mux-escape.js';
import { MuxPort } from './mux-port.js';

const MAX_FRONTENDS = 4;

/**
 * Several front ends on one chardev: all of them write, one has the input, and Ctrl-A commands switch between them and
 * more. A front end writes and pauses through the port that `attach` returns. QEMU: chardev/char-mux.c.
 */
export class MuxChardev extends Chardev {
  readonly #baseId: string;
  readonly #context: BackendContext;
  readonly #ports: MuxPort[] = [];
  readonly #escape: MuxEscape;
  #focus: MuxPort | undefined;
  #base: Chardev | undefined;
  #stamper: LineStamper | undefined;
  /** Input not looked at yet: the front end that has the focus takes no more. At most what the base gave at once. */
  #input: Uint8Array = new Uint8Array();
  #processing = false;
  #greeting = false;

  readonly #baseSide: CharFrontend = {
    receive: (data) => {
      this.#input = this.#input.length === 0 ? data : Buffer.concat([this.#input, data]);
      this.inputWanted();
    },
    opened: () => this.setConnected(true),
    closed: () => (this.#base?.connected ? this.inputEnded() : this.setConnected(false)),
    break: () => this.raiseBreak(),
    drained: () => this.drained(),
  };

  constructor({ chardev }: BackendData['mux'], context: BackendContext) {
    super(context.type);
    this.#baseId = chardev;
    this.#context = context;
    this.#escape = new MuxEscape(this.#escapeCharacter);
  }

  get #escapeCharacter(): number {
    return this.#context.system.settings.escapeCharacter ?? CTRL_A;
  }

  protected override acquire(): void {
    const { system } = this.#context;
    const base = system.tree.chardevs.component(this.#baseId);
    if (!(base instanceof Chardev)) throw new QemuError(`mux: base chardev ${this.#baseId} not found`);
    base.attach(this.#baseSide);
    // The base counts as taken up once somebody is there to use it.
    base.frontendOpen = false;
    base.pause();
    this.#base = base;
    this.#greeting = system.ready;
  }

  protected override release(): void {
    this.#base?.detach(this.#baseSide);
  }

  /**
   * Tells the front ends `opened` and `closed` from now on, and takes input. Not before the end of start-up, because each
   * may still get or lose the focus: a monitor greets only with it, and what was typed is for the one that has it then.
   */
  startGreeting(): void {
    if (this.#greeting) return;
    this.#greeting = true;
    if (this.connected) this.notify('opened');
    this.inputWanted();
  }

  protected override notify(event: 'opened' | 'closed' | 'drained'): void {
    if (event !== 'drained' && !this.#greeting) return;
    for (const port of [...this.#ports]) {
      if (event === 'drained') port.drained();
      else port.frontend[event]?.();
    }
  }

  override get sharable(): boolean {
    return this.#ports.length < MAX_FRONTENDS;
  }

  override get busy(): boolean {
    return this.#ports.length > 0;
  }

  override get frontend(): CharFrontend | undefined {
    return this.#focus?.frontend;
  }

  override get frontendOpen(): boolean {
    return this.#focus !== undefined;
  }

  override attach(frontend: CharFrontend): CharPort {
    return this.#attach(() => frontend);
  }

  override attachEach(make: (port: CharPort) => CharFrontend): void {
    this.#attach(make);
  }

  /** The new front end gets the focus. @throws QemuError when there are four already */
  #attach(make: (port: CharPort) => CharFrontend): MuxPort {
    if (this.#ports.length >= MAX_FRONTENDS) {
      throw new QemuError(`too many uses of multiplexed chardev '${this.label}' (maximum is ${MAX_FRONTENDS})`);
    }
    const port = new MuxPort(this, make);
    this.#ports.push(port);
    if (this.#base !== undefined) this.#base.frontendOpen = true;
    if (this.#greeting && this.connected) port.frontend.opened?.();
    this.#setFocus(port);
    this.inputWanted();
    return port;
  }

  override detach(frontend: CharFrontend): void {
    const at = this.#ports.findIndex((port) => port.frontend === frontend);
    if (at < 0) return;
    const [port] = this.#ports.splice(at, 1);
    if (port !== this.#focus) return;
    this.#focus = undefined;
    const next = this.#ports[at] ?? this.#ports[0];
    if (next !== undefined) this.#setFocus(next);
    this.inputWanted();
  }

  #setFocus(port: MuxPort): void {
    this.#focus?.frontend.unfocused?.();
    this.#focus = port;
    port.frontend.focused?.();
  }

  /** A break is for the front end that has the focus. */
  override raiseBreak(): void {
    this.#focus?.frontend.break?.();
  }

  protected override send(data: Uint8Array): boolean {
    return this.#base?.write(this.#stamper?.stamp(data) ?? data) ?? true;
  }

  override get queued(): number {
    return this.#base?.queued ?? 0;
  }

  override disconnect(): void {
    this.#base?.disconnect();
  }

  /** Goes on with the input as far as the front ends take it; holds the base up while something is left. */
  inputWanted(): void {
    // A front end may pause, resume or detach from within `receive`.
    if (this.#processing || !this.#greeting) return;
    this.#processing = true;
    const run: number[] = [];
    let at = 0;
    for (; at < this.#input.length && this.#focus !== undefined && !this.#focus.full; at++) {
      const taken = this.#escape.take(this.#input[at] ?? 0);
      if (typeof taken === 'string') {
        this.#deliver(run.splice(0));
        this.#execute(taken);
      } else if (taken !== undefined) {
        if (this.#focus.ready) run.push(taken);
        else this.#focus.keep(taken);
      }
    }
    this.#deliver(run);
    this.#input = this.#input.subarray(at);
    this.#processing = false;
    const stuck = this.#focus === undefined || this.#focus.full;
    if (stuck) this.#base?.pause();
    else if (this.#input.length > 0) this.inputWanted();
    else this.#base?.resume();
  }

  #deliver(bytes: number[]): void {
    if (bytes.length > 0) this.#focus?.frontend.receive(Uint8Array.from(bytes));
  }

  #execute(command: MuxCommand): void {
    const { system } = this.#context;
    switch (command) {
      case 'help':
        this.write(Buffer.from(helpText(this.#escapeCharacter)));
        return;
      case 'exit':
        this.write(Buffer.from('QEMU: Terminated\n\r'));
        void system.run.kill('host-qmp-quit');
        return;
      case 'break':
        this.raiseBreak();
        return;
      case 'next': {
        const at = this.#focus === undefined ? -1 : this.#ports.indexOf(this.#focus);
        const next = this.#ports[at + 1] ?? this.#ports[0];
        if (next !== undefined) this.#setFocus(next);
        return;
      }
      case 'timestamps':
        this.#stamper = this.#stamper === undefined ? new LineStamper(() => performance.now()) : undefined;
        return;
      case 'commit':
    }
  }
}
