import type { CharFrontend, CharPort } from '../chardev/chardev.js';
import type { System } from '../system/system.js';
import { GdbStub } from './stub.js';
import type { DebugTarget } from './target.js';

/** A debugger's end of a character device: the machine stops when one connects. */
export class GdbFrontend implements CharFrontend {
  readonly #system: System;
  readonly #target: DebugTarget;
  readonly #port: CharPort;
  readonly #monitor: (line: string) => Promise<string>;
  #stub: GdbStub | undefined;

  /** @param monitor runs a line of the human monitor */
  constructor(system: System, target: DebugTarget, port: CharPort, monitor: (line: string) => Promise<string>) {
    this.#system = system;
    this.#target = target;
    this.#port = port;
    this.#monitor = monitor;
    system.run.changed.on((state) => this.#stub?.stateChanged(state));
  }

  opened(): void {
    const { run, report } = this.#system;
    const kill = (): void => {
      report.line('QEMU: Terminated via GDBstub');
      run.end(0);
    };
    const host = {
      resume: () => run.resume(),
      pause: (state: 'paused' | 'debug') => run.pause(state),
      get state() {
        return run.state;
      },
      monitor: this.#monitor,
      kill,
    };
    this.#stub = new GdbStub(this.#target, host, (bytes) => void this.#port.write(bytes));
    void run.pause('paused');
  }

  receive(data: Uint8Array): void {
    this.#stub?.receive(data);
  }

  async finish(): Promise<void> {
    await this.#stub?.idle();
  }

  closed(): void {
    if (this.#port.connected) return;
    const stub = this.#stub;
    this.#stub = undefined;
    void stub?.close();
  }
}
