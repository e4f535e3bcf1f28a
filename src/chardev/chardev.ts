import { QomObject } from '../qom/object.js';
import { QemuError } from '../system/errors.js';

/** The device or monitor that uses a character device. */
export interface CharFrontend {
  /** Bytes from the outside. Call the chardev's `pause` to hold further ones back. */
  receive(data: Uint8Array): void;
  /** The other side appeared (a client connected) or went away. Chardevs without such a notion open once, at attach. */
  opened?(): void;
  closed?(): void;
  /** A serial break. */
  break?(): void;
  /** `write` returned false earlier; there is room again. */
  drained?(): void;
}

/**
 * A character device: bytes between one front end and something on the host. Lives at /chardevs/ID.
 * QEMU: chardev/char.c.
 */
export abstract class Chardev extends QomObject {
  /** The id, also the name below /chardevs. */
  label = '';
  #frontend: CharFrontend | undefined;
  #frontendOpen = false;

  /** As query-chardev shows it: `pty:/dev/pts/3`, `unix:PATH,server=on`, `file`, `null`. */
  abstract get filename(): string;

  /** Acquires the host side. @throws QemuError with QEMU's sentence */
  abstract open(): void | Promise<void>;

  /** Lets go of the host side; the front end is told `closed` first if it was open. */
  abstract close(): void | Promise<void>;

  /**
   * Sends bytes to the outside, all of them, in order; the array may be reused after the call returns.
   *
   * @returns false when the caller should wait for `drained` before it writes more
   */
  abstract write(data: Uint8Array): boolean;

  /** Stops calls of `receive` until `resume`; the host side feels the back-pressure. */
  pause(): void {}

  resume(): void {}

  /** Sends a break where the host side has one. */
  sendBreak(): void {}

  /** True while somebody is at the other side. */
  get connected(): boolean {
    return true;
  }

  /** More than one front end may share it (mux). */
  get sharable(): boolean {
    return false;
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

  /** @throws QemuError when another front end has it */
  attach(frontend: CharFrontend): void {
    if (this.#frontend !== undefined) throw new QemuError(`Device '${this.label}' is in use`);
    this.#frontend = frontend;
    this.#frontendOpen = true;
  }

  detach(frontend: CharFrontend): void {
    if (this.#frontend !== frontend) return;
    this.#frontend = undefined;
    this.#frontendOpen = false;
  }
}
