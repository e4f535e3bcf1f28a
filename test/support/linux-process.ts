import { demoEif } from './boot-files.js';
import { MachineProcess } from './machine-process.js';
import { scratchDir } from './scratch.js';

export interface LinuxOptions {
  /** Properties of the machine, `acpi=on,...`; DIR stands for the process's own directory, here and in `args`. */
  readonly machine?: string;
  readonly memory?: string;
  readonly cpus?: number;
  /** An EIF, or a kernel with `-initrd` and `-append` in `args`; the demonstration enclave by default. */
  readonly kernel?: string;
  readonly args?: readonly string[];
}

/** The most that Linux takes to boot on the software CPU beside other work: 5 to 15 s are usual. */
export const BOOT_MS = 120_000;

/** The emulator with `-M nitro-enclave` on the software CPU and a real Linux. */
export class LinuxProcess extends MachineProcess {
  constructor({ machine = '', memory = '256M', cpus = 1, kernel = demoEif, args = [] }: LinuxOptions = {}) {
    const own = ['-M', `nitro-enclave${machine === '' ? '' : `,${machine}`}`, '-accel', 'tcg'];
    super(scratchDir(), [...own, '-m', memory, '-smp', String(cpus), '-kernel', kernel, ...args]);
  }
}

/** Runs `body` with a Linux that is ended after it. */
export async function withLinux(options: LinuxOptions, body: (linux: LinuxProcess) => Promise<void>): Promise<void> {
  const linux = new LinuxProcess(options);
  try {
    await body(linux);
  } finally {
    await linux.stop();
  }
}
