import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage, text } from './eif-image.js';
import { MachineProcess } from './machine-process.js';
import { scratchDir } from './scratch.js';

/** Programs of test/guests/programs. */
export type GuestProgram = 'hello' | 'memory' | 'interrupts' | 'smp' | 'nsm' | 'vsock';

export const accelerators = ['kvm', 'tcg'] as const;
export type EnclaveAccelerator = (typeof accelerators)[number];

/** Why an accelerator cannot run here, undefined when it can. */
export function enclaveMissing(accelerator: EnclaveAccelerator = 'kvm'): string | undefined {
  if (accelerator === 'tcg') return undefined;
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
  readonly program: GuestProgram;
  /** Command line of the image. */
  readonly cmdline?: string;
  /** Properties of the machine, `acpi=on,...`; DIR stands for the process's own directory. */
  readonly machine?: string;
  /** `kvm` by default. */
  readonly accelerator?: EnclaveAccelerator;
  /** Further arguments; DIR stands for the process's own directory. */
  readonly args?: readonly string[];
  /** The console goes to stdout by default. */
  readonly serial?: string;
}

/** The emulator with `-M nitro-enclave` and a guest program in an EIF. */
export class EnclaveProcess extends MachineProcess {
  readonly image: string;
  readonly accelerator: EnclaveAccelerator;

  constructor(options: EnclaveOptions) {
    const { program, cmdline = 'console=ttyS0', machine = '', args = [], serial = 'stdio' } = options;
    const { accelerator = 'kvm' } = options;
    const dir = scratchDir();
    const image = wrap(dir, program, cmdline);
    const own = ['-M', `nitro-enclave${machine === '' ? '' : `,${machine}`}`, '-accel', accelerator, '-m', '64M'];
    super(dir, [...own, '-kernel', image, ...args], serial);
    this.image = image;
    this.accelerator = accelerator;
  }
}

function wrap(dir: string, program: GuestProgram, cmdline: string): string {
  const path = join(dir, 'guest.eif');
  const sections = [
    { type: 1, bytes: readFileSync(guestProgram(program)) },
    { type: 2, bytes: text(cmdline) },
    { type: 3, bytes: text('a ramdisk') },
    { type: 5, bytes: text('{}') },
  ];
  writeFileSync(path, makeImage({ sections }));
  return path;
}
