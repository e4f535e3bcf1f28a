import type { Chardev, CharFrontend, CharPort } from '../../chardev/chardev.js';
import { addChardev, removeChardev } from '../../chardev/create.js';
import type { System } from '../../system/system.js';

/** The hypervisor serves the console of a debug enclave at CID 0, this port plus the enclave's CID. */
const CONSOLE_PORT_BASE = 10_000;
const CID_HYPERVISOR = '0';
/** The console does not exist at once when the enclave starts. */
const RECONNECT_MS = 100;
/** A console that is not there by then is worth a word. */
const LATE_MS = 5_000;
/** How long the last output of an ended enclave may take to arrive and be written. */
const DRAIN_LIMIT_MS = 5_000;

/** The trace point of whatever shows the console: QEMU's of its one console device. */
export function consoleTrace(system: System): (event: number) => void {
  return system.trace.define('nitro_serial_vsock_event', 'event %d');
}

/**
 * Copies the console of a debug enclave to a character device, from the first byte and without loss: while the output
 * is slow or not there, nothing is read, and the hypervisor keeps it.
 */
export class EnclaveConsole {
  readonly #system: System;
  readonly #traceEvent: (event: number) => void;
  #console: Chardev | undefined;
  readonly #output: Chardev | undefined;
  readonly #port: CharPort | undefined;
  #blocked = false;
  #ended: (() => void) | undefined;

  readonly #outputSide: CharFrontend = {
    // The enclave's console takes no input.
    receive: () => {},
    opened: () => this.#flow(),
    closed: () => this.#flow(),
    drained: () => {
      this.#blocked = false;
      this.#flow();
      this.#ended?.();
    },
  };

  readonly #consoleSide: CharFrontend = {
    receive: (data) => {
      if (this.#port === undefined || this.#port.write(data)) return;
      this.#blocked = true;
      this.#flow();
    },
    opened: () => {
      clearTimeout(this.#late);
      this.#traceEvent(1);
      this.#system.events.emit({ type: 'console-connected', cid: this.#cid });
    },
    closed: () => {
      this.#traceEvent(5);
      this.#ended?.();
    },
  };

  #cid = 0;
  #late: NodeJS.Timeout | undefined;

  /** Takes the output as its front end. @param output undefined throws the console away */
  constructor(system: System, output: Chardev | undefined, traceEvent: (event: number) => void) {
    this.#system = system;
    this.#traceEvent = traceEvent;
    this.#output = output;
    this.#port = output?.attach(this.#outputSide);
  }

  /** Gives the output back. */
  async detach(): Promise<void> {
    this.#output?.detach(this.#outputSide);
    await this.#disconnect();
  }

  /** Connects to the console of the enclave at `cid`. @throws QemuError */
  async start(cid: number): Promise<void> {
    const label = `nitro-console-${cid}`;
    if (this.#system.tree.chardevs.component(label) !== undefined) {
      const where = this.#output === undefined ? '' : `: '${this.#output.label}' stays silent`;
      this.#system.report.warn(`an enclave has one console, and another device has it${where}`);
      return;
    }
    this.#cid = cid;
    const addr = { type: 'vsock', data: { cid: CID_HYPERVISOR, port: String(CONSOLE_PORT_BASE + cid) } };
    const backend = { type: 'socket', data: { addr, server: false, 'reconnect-ms': RECONNECT_MS } };
    const chardev = await addChardev(this.#system, label, backend, { quiet: true });
    this.#console = chardev;
    this.#late = setTimeout(() => this.#sayLate(), LATE_MS);
    chardev.attach(this.#consoleSide);
    this.#flow();
  }

  #sayLate(): void {
    this.#system.report.warn(
      `the console of the enclave (CID ${CID_HYPERVISOR}, port ${CONSOLE_PORT_BASE + this.#cid}) is not there yet, ` +
        'trying on; only -accel nitro,debug-mode=on has one',
    );
  }

  /** The enclave is gone: resolves once what it wrote has been passed on. */
  async end(): Promise<void> {
    const limit = Date.now() + DRAIN_LIMIT_MS;
    while ((this.#console?.connected === true || this.#blocked) && Date.now() < limit) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, limit - Date.now()));
        this.#ended = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#ended = undefined;
    await this.#disconnect();
  }

  #flow(): void {
    const ready = this.#port?.connected !== false && !this.#blocked;
    if (ready) this.#console?.resume();
    else this.#console?.pause();
  }

  async #disconnect(): Promise<void> {
    const chardev = this.#console;
    if (chardev === undefined) return;
    this.#console = undefined;
    clearTimeout(this.#late);
    chardev.detach(this.#consoleSide);
    await removeChardev(this.#system, chardev.label);
  }
}
