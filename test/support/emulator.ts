import { type ChildProcess, spawn } from 'node:child_process';
import { deadline } from './deadline.js';

/** The bundled program, as users run it. */
export function emulatorPath(arch: 'x86_64' | 'aarch64' = 'x86_64'): string {
  return new URL(`../../bundle/src/bin/qemu-system-${arch}.js`, import.meta.url).pathname;
}

export interface Outcome {
  /** Exit status; null after a signal that it did not handle. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It was still there after `settleMs` and was ended with SIGTERM. */
  readonly runs: boolean;
}

export interface RunOptions {
  readonly arch?: 'x86_64' | 'aarch64';
  /** A program alive for so long has started, milliseconds. */
  readonly settleMs?: number;
  /** Resolves when the program has started, instead of after settleMs. */
  readonly started?: (ended: Promise<unknown>) => Promise<unknown>;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Starts the emulator, waits until it ends or has settled, ends it in the latter case. */
export async function runEmulator(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [emulatorPath(options.arch), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return outcomeOf(child, options);
}

/** As runEmulator, for a child that was started otherwise. */
export async function outcomeOf(child: ChildProcess, options: RunOptions = {}): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let runs = false;
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const settled = (): void => {
    runs = child.exitCode === null && child.signalCode === null;
    child.kill('SIGTERM');
  };
  const timer = options.started === undefined ? setTimeout(settled, options.settleMs ?? 1500) : undefined;
  // Its end tells why it did not start.
  options.started?.(closed).then(settled, () => {});
  try {
    const status = await deadline('the end of the emulator', closed, 30_000);
    return { status, stdout, stderr, runs };
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}
