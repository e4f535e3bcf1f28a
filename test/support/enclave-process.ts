import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deadline, eventually } from './deadline.js';
import { makeImage, text } from './eif-image.js';
import { emulatorPath } from './emulator.js';
import { connectQmp, type QmpConnection } from './qmp-connection.js';
import { scratchDir } from './scratch.js';

/** Programs of test/guests/programs. */
export type GuestProgram = 'hello' | 'memory' | 'interrupts' | 'smp' | 'nsm' | 'vsock';

/** Why machines that execute code cannot run here, undefined when they can. */
export function enclaveMissing(): string | undefined {
  try {
    closeSync(openSync('/dev/kvm', constants.O_RDWR));
    return undefined;
  } catch (error) {
    return `/dev/kvm: ${(error as Error).message}`;
  }
}

export function guestProgram(name: GuestProgram): string {
  return new URL(`../../../test/guests/programs/${name}.elf`, import.meta.url).pathname;
}

export interface EnclaveOptions {
  /** What runs: a program, wrapped into an image, or the path of an image. */
  readonly program: GuestProgram | { readonly image: string };
  /** Command line of a program's image. */
  readonly cmdline?: string;
  /** Properties of the machine, `acpi=on,...`; DIR stands for the process's own directory. */
  readonly machine?: string;
  readonly accel?: 'kvm' | 'tcg';
  /** Further arguments; DIR stands for the process's own directory. */
  readonly args?: readonly string[];
  /** The console goes to stdout by default. */
  readonly serial?: string;
}

/** The emulator with `-M nitro-enclave` and a guest program in an EIF. */
export class EnclaveProcess {
  readonly dir = scratchDir();
  readonly image: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** What the guest wrote. */
  console = '';
  stderr = '';
  readonly #qmpSocket = join(this.dir, 'qmp.sock');

  constructor(options: EnclaveOptions) {
    const { program, cmdline = 'console=ttyS0', machine = '', accel = 'kvm', args = [], serial = 'stdio' } = options;
    this.image = typeof program === 'string' ? this.#wrap(program, cmdline) : program.image;
    const here = (arg: string) => arg.replaceAll('DIR', this.dir);
    const own = ['-M', here(`nitro-enclave${machine === '' ? '' : `,${machine}`}`), '-accel', accel, '-m', '64M'];
    const quiet = ['-nodefaults', '-display', 'none', '-serial', here(serial), '-kernel', this.image];
    const monitor = ['-qmp', `unix:${this.#qmpSocket},server=on,wait=off`];
    this.child = spawn(process.execPath, [emulatorPath(), ...own, ...quiet, ...monitor, ...args.map(here)]);
    this.child.stdout?.setEncoding('latin1').on('data', (piece: string) => {
      this.console += piece;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      this.stderr += piece;
    });
    this.exited = once(this.child, 'close').then(() => this.child.exitCode);
  }

  #wrap(program: GuestProgram, cmdline: string): string {
    const sections = [
      { type: 1, bytes: readFileSync(guestProgram(program)) },
      { type: 2, bytes: text(cmdline) },
      { type: 3, bytes: text('a ramdisk') },
      { type: 5, bytes: text('{}') },
    ];
    const path = join(this.dir, 'guest.eif');
    writeFileSync(path, makeImage({ sections }));
    return path;
  }

  /** The monitor. */
  async qmp(): Promise<QmpConnection> {
    return await connectQmp(this.#qmpSocket, this.exited);
  }

  /** Waits until the guest has written this. */
  async says(wanted: string, ms = 30_000): Promise<void> {
    try {
      await eventually(`'${wanted}'`, () => this.console.includes(wanted), ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; console: ${this.console.slice(-500)}; stderr: ${this.stderr}`);
    }
  }

  /** Types at the console. */
  type(input: string): void {
    this.child.stdin?.write(input);
  }

  /** Exit status, once it has ended by itself. */
  async status(): Promise<number | null> {
    return await deadline(`the end of the emulator (${this.stderr})`, this.exited, 30_000);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await deadline('the end of the emulator', this.exited);
  }
}
