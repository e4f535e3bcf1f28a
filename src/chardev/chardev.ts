import { QomObject } from '../qom/object.js';
import { QemuError } from '../system/errors.js';
import type { LogFile } from './log-file.js';

/** The device or monitor that uses a character device. */
export interface CharFrontend {
  /** Bytes from the outside, the front end's to keep. Call the port's `pause` to hold further ones back. */
  receive(data: Uint8Array): void;
  /**
   * Somebody is at the other side, now or again. Called from within `attach` when that is so already; chardevs without
   * such a notion are open from the start.
   */
  opened?(): void;
  /**
   * The other side sends no more, but may still listen. `closed` comes when what was received has been answered, or after
   * a limit of time.
   */
  finish?(): Promise<void>;
  /** The other side went away; or it sends no more, but still takes output, while the port is `connected`. */
  closed?(): void;
  /** A serial break. */
  break?(): void;
  /** `write` returned false earlier; there is room again, or what was waiting has been dropped with its peer. */
  drained?(): void;
  /** Of a multiplexer: the front end got or lost the user's attention. */
  focused?(): void;
  unfocused?(): void;
  /**
   * chardev-change put `next` in place of the chardev; the front end attaches to it. Front ends without this method
   * cannot have their chardev changed.
   */
  changed?(next: Chardev): void;
}

/** What a front end is given when it attaches: its end of the bytes. */
export interface CharPort {
  /**
   * Sends bytes to the outside, all of them, in order; the array may be reused after the call returns. With nobody at the
   * other side they are dropped, as QEMU does.
   *
   * @returns false when the caller should wait for `drained` before it writes more
   */
  write(data: Uint8Array): boolean;
  /** Stops calls of `receive` until `resume`; the host side feels the back-pressure. */
  pause(): void;
  resume(): void;
  /** Ends the connection with the present peer at once, if the host side has such a thing; what waits is dropped. */
  disconnect(): void;
  /** The oldest descriptor that came with the peer's bytes (SCM_RIGHTS), given away for good. */
  takeDescriptor(): number | undefined;
  /** Bytes written that the host has not taken yet. */
  readonly queued: number;
  /** True while somebody is at the other side. */
  readonly connected: boolean;
  /** What a WebSocket client asked to speak: `qmp`, `jsonrpc`; each `write` is then one message, as is each `receive`. */
  readonly subprotocol?: string | undefined;
}

/**
 * A character device: bytes between one front end and something on the host. Lives at /chardevs/ID. It is made by
 * `addChardev` (create.ts). A subclass is the host side: it acquires and releases it, sends what the front end writes,
 * and reports bytes and events through the protected methods. QEMU: chardev/char.c.
 */
export abstract class Chardev extends QomObject implements CharPort {
  /** The id, also the name below /chardevs. */
  label = '';
  #frontend: CharFrontend | undefined;
  #frontendOpen = false;
  #connected = false;
  #paused = false;
  #flowing = false;
  #sendBlocked = false;
  #log: LogFile | undefined;
  #logBlocked = false;
  #closed = false;

  /** As query-chardev shows it: `pty:/dev/pts/3`, `unix:PATH,server=on`, `file`, `null`. */
  get filename(): string {
    return this.type.name.slice('chardev-'.length);
  }

  /**
   * Acquires the host side. Call `connect` here if somebody is at the other side from the start.
   *
   * @throws QemuError with QEMU's sentence; nothing stays acquired
   */
  protected abstract acquire(): void | Promise<void>;

  /** Writes out what is queued, within a limit of time, and lets go of the host side. */
  protected abstract release(): void | Promise<void>;

  /** `write` towards the host, while there is somebody. Bytes must be copied if they are kept. */
  protected abstract send(data: Uint8Array): boolean;

  /** Bytes may be read from the host, or not any more. Off at first. */
  protected flow(_on: boolean): void {}

  /** Of a terminal: echo and line editing, for front ends that have none of their own. Off at first. */
  setEcho(_echo: boolean): void {}

  disconnect(): void {}

  takeDescriptor(): number | undefined {
    return undefined;
  }

  /**
   * The peer's unix socket, for a user that speaks with the peer by itself: a duplicate, the caller's. This chardev then
   * carries nothing any more; disconnect() it when the peer is gone. Undefined where there is no such socket.
   */
  takeSocket(): number | undefined {
    return undefined;
  }

  get queued(): number {
    return 0;
  }

  get subprotocol(): string | undefined {
    return undefined;
  }

  /** Acquires the host side. @param log copies what the front end writes. @throws QemuError */
  async open(log?: LogFile): Promise<void> {
    this.#log = log;
    log?.onDrained(() => {
      this.#logBlocked = false;
      this.#reportDrained();
    });
    try {
      await this.acquire();
    } catch (error) {
      await log?.close();
      throw error;
    }
  }

  /** Lets go of the host side; the front end is told `closed` first if it was open. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.setConnected(false);
    await this.release();
    await this.#log?.close();
  }

  write(data: Uint8Array): boolean {
    if (data.length === 0) return !this.#sendBlocked && !this.#logBlocked;
    if (!this.send(data)) this.#sendBlocked = true;
    if (this.#log !== undefined && !this.#log.write(data)) this.#logBlocked = true;
    return !this.#sendBlocked && !this.#logBlocked;
  }

  pause(): void {
    this.#paused = true;
    this.#updateFlow();
  }

  resume(): void {
    this.#paused = false;
    this.#updateFlow();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** More than one front end may share it (mux). */
  get sharable(): boolean {
    return false;
  }

  /** A front end uses it: it cannot be removed. */
  get busy(): boolean {
    return this.#frontend !== undefined;
  }

  get frontend(): CharFrontend | undefined {
    return this.#frontend;
  }

  /** The front end has taken up work: query-chardev's frontend-open. */
  get frontendOpen(): boolean {
    return this.#frontendOpen;
  }

  set frontendOpen(open: boolean) {
    this.#frontendOpen = open;
  }

  /** @returns what the front end writes to. @throws QemuError when another front end has it */
  attach(frontend: CharFrontend): CharPort {
    if (this.#frontend !== undefined) throw new QemuError(`chardev '${this.label}' is already in use`);
    this.#frontend = frontend;
    this.#frontendOpen = true;
    if (this.#connected) frontend.opened?.();
    this.#updateFlow();
    return this;
  }

  /**
   * Attaches a front end per client, for chardevs that serve several at once (`x-clients=N`); others get one front end
   * for good, whose `opened` and `closed` tell its clients apart.
   *
   * @param make called with the client's port; `opened` follows
   */
  attachEach(make: (port: CharPort) => CharFrontend): void {
    this.attach(make(this));
  }

  detach(frontend: CharFrontend): void {
    if (this.#frontend !== frontend) return;
    this.#frontend = undefined;
    this.#frontendOpen = false;
    this.#paused = false;
    this.#updateFlow();
  }

  /** A serial break arrived, or chardev-send-break plays one. */
  raiseBreak(): void {
    this.#frontend?.break?.();
  }

  /** Bytes came from the host. Called only while `flow` is on. */
  protected received(data: Uint8Array): void {
    this.#frontend?.receive(data);
  }

  /** Input has ended: resolves when the front end has answered all of it. */
  protected async answered(): Promise<void> {
    await this.#frontend?.finish?.();
  }

  /** There is room again after `send` returned false. */
  protected drained(): void {
    if (!this.#sendBlocked) return;
    this.#sendBlocked = false;
    this.#reportDrained();
  }

  /** Somebody appeared at the other side or left it. */
  protected setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.notify(connected ? 'opened' : 'closed');
    this.#updateFlow();
    if (!connected) this.drained();
  }

  /** No more input will come, while output still goes out: the front end is told `closed` when it has answered. */
  protected inputEnded(): void {
    void this.answered().then(() => this.notify('closed'));
  }

  #reportDrained(): void {
    if (!this.#sendBlocked && !this.#logBlocked) this.notify('drained');
  }

  /** Tells the front end. */
  protected notify(event: 'opened' | 'closed' | 'drained'): void {
    this.#frontend?.[event]?.();
  }

  #updateFlow(): void {
    const on = this.#frontend !== undefined && this.#connected && !this.#paused;
    if (on === this.#flowing) return;
    this.#flowing = on;
    this.flow(on);
  }
}
