import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { deadline, eventually } from './deadline.js';
import { emulatorPath } from './emulator.js';
import { connectQmp, type QmpConnection } from './qmp-connection.js';

/** The emulator with a machine that executes code, its console on stdout, and a monitor. */
export class MachineProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** What the guest wrote. */
  console = '';
  stderr = '';
  readonly #qmpSocket: string;

  /**
   * @param dir for the monitor's socket
   * @param args machine, accelerator, image and the like; DIR stands for `dir`
   */
  constructor(
    readonly dir: string,
    args: readonly string[],
    serial = 'stdio',
  ) {
    this.#qmpSocket = join(dir, 'qmp.sock');
    const quiet = ['-nodefaults', '-display', 'none', '-serial', serial];
    const monitor = ['-qmp', `unix:${this.#qmpSocket},server=on,wait=off`];
    const all = [...quiet, ...monitor, ...args].map((arg) => arg.replaceAll('DIR', dir));
    this.child = spawn(process.execPath, [emulatorPath(), ...all]);
    this.child.stdout?.setEncoding('latin1').on('data', (piece: string) => {
      this.console += piece;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      this.stderr += piece;
    });
    this.exited = once(this.child, 'close').then(() => this.child.exitCode);
  }

  /** The monitor. */
  async qmp(): Promise<QmpConnection> {
    return await connectQmp(this.#qmpSocket, this.exited);
  }

  /** Waits until the guest has written this, as often as `times` says; not longer than the emulator lives. */
  async says(wanted: string, ms = 30_000, times = 1): Promise<void> {
    const said = () => this.console.split(wanted).length > times;
    try {
      await eventually(`'${wanted}'`, () => said() || this.child.exitCode !== null, ms);
      if (!said()) throw new Error(`ended with status ${this.child.exitCode} before '${wanted}'`);
    } catch (error) {
      throw new Error(`${(error as Error).message}; console: ${this.console.slice(-500)}; stderr: ${this.stderr}`);
    }
  }

  /** Types at the console. */
  type(input: string): void {
    this.child.stdin?.write(input);
  }

  /** Exit status, once it has ended by itself. */
  async status(ms = 30_000): Promise<number | null> {
    return await deadline(`the end of the emulator (${this.stderr})`, this.exited, ms);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await deadline('the end of the emulator', this.exited);
  }
}
