import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type QmpClient } from '../../qmp/client/index.js';
import { deadline } from './deadline.js';
import { emulatorPath } from './emulator.js';

/** The emulator with `-M none` and a QMP socket of its own beside the endpoints under test. */
export class MonitorProcess {
  readonly dir = mkdtempSync(join(tmpdir(), 'nitro-monitor-'));
  readonly control = join(this.dir, 'control');
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  stderr = '';

  /** @param args may hold DIR for the process's own directory */
  constructor(args: readonly string[], options: SpawnOptions = {}) {
    const all = ['-M', 'none', '-nodefaults', '-display', 'none', '-qmp', `unix:${this.control},server=on,wait=off`];
    const own = args.map((arg) => arg.replaceAll('DIR', this.dir));
    this.process = spawn(process.execPath, [emulatorPath(), ...all, ...own], {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...options,
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => this.process.once('close', resolve));
  }

  /** A client of the control socket; all other endpoints are there by then. */
  async ready(): Promise<QmpClient> {
    for (const end = Date.now() + 30_000; ; ) {
      try {
        return await connect(`unix:${this.control}`, { timeoutMs: 30_000 });
      } catch (error) {
        const { exitCode, signalCode } = this.process;
        if (Date.now() > end || exitCode !== null || signalCode !== null) {
          throw new Error(`the emulator did not start (${exitCode}): ${this.stderr}`, { cause: error });
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await deadline('the end of the emulator', this.exited);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A TCP port that most likely nobody else uses. */
export function freePort(which: number): number {
  return 20_000 + ((process.pid * 16 + which) % 12_000);
}
