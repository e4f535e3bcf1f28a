import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type QmpClient, QmpConnectionError } from '../../qmp/client/index.js';
import { readRoot, verifyDocument } from '../attestation/index.js';
import { EnclaveClient } from '../demo/enclave-client.js';
import { Timeline } from '../demo/timeline.js';

/**
 * `npm start`: boots the demonstration enclave on what this host has: natively where /dev/nitro_enclaves opens, else
 * emulated, and then verifies its attestation document. Status 0 when all of it worked.
 */

const LIMIT_MS = 120_000;
const RETRY_MS = 10;
const image = fileURLToPath(new URL('../../../../test/guests/linux/demo.eif', import.meta.url));
const emulator = fileURLToPath(new URL('./qemu-system-x86_64.js', import.meta.url));

function opens(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The emulator with its machine stopped, its console on stdout. */
class Run {
  readonly timeline = new Timeline();
  readonly child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #qmp: string;
  readonly #signal: AbortSignal;
  #console = '';
  #printed: () => void = () => {};

  constructor(dir: string, machine: readonly string[], signal: AbortSignal) {
    this.#qmp = join(dir, 'qmp');
    this.#signal = signal;
    const args = [
      ...[emulator, ...machine, '-m', '512M', '-kernel', image, '-no-reboot', '-S', '-display', 'none'],
      ...['-serial', 'stdio', '-monitor', 'none', '-qmp', `unix:${this.#qmp},server=on,wait=off`],
    ];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
    this.#ended = once(this.child, 'close').then(([status]) => status as number | null);
    this.#ended.catch(() => {});
    this.child.stdout?.on('data', (bytes: Buffer) => {
      this.timeline.mark('first byte of the console');
      process.stdout.write(bytes);
      this.#console += bytes.toString('latin1');
      this.#printed();
    });
  }

  /** The result of `work`, unless the emulator ends before it is there. */
  async alive<T>(work: Promise<T>): Promise<T> {
    const ended = this.#ended.then((status) => {
      throw new Error(`the emulator ended with status ${status}`);
    });
    return await Promise.race([work, ended]);
  }

  async monitor(): Promise<QmpClient> {
    for (;;) {
      try {
        return await this.alive(connect(this.#qmp, { signal: this.#signal }));
      } catch (error) {
        if (!(error instanceof QmpConnectionError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async shows(text: string): Promise<void> {
    while (!this.#console.includes(text)) {
      await this.alive(
        new Promise<void>((resolve) => {
          this.#printed = resolve;
        }),
      );
    }
  }

  /** Waits for the end. @throws Error when it is not an orderly one */
  async end(): Promise<void> {
    const status = await this.#ended;
    if (status !== 0) throw new Error(`the emulator ended with status ${status}`);
    this.timeline.mark('end');
  }
}

/** Starts the machine and follows it until the heartbeat. */
async function boot(run: Run, monitor: QmpClient): Promise<void> {
  const heartbeat = monitor.waitFor('NITRO_HEARTBEAT');
  run.timeline.mark('start of the enclave');
  await monitor.execute('cont');
  const { data } = await run.alive(heartbeat);
  if (!data.ok) throw new Error(`the heartbeat was byte ${data.byte}`);
  run.timeline.mark('heartbeat');
}

/** Asks the enclave for a document that is bound to a fresh nonce and verifies it. @throws Error naming the step */
async function verify(enclave: EnclaveClient, monitor: QmpClient): Promise<string[]> {
  const { certificate } = await monitor.execute('x-nitro-query-attestation-root');
  const registers = await monitor.execute('x-nitro-query-pcrs');
  const pcrs = new Map<number, Uint8Array>();
  for (const { index, image: measured } of registers) {
    if (measured !== undefined) pcrs.set(index, Buffer.from(measured, 'hex'));
  }
  const nonce = randomBytes(32);
  const document = await enclave.attest(nonce);
  const result = verifyDocument(document, { root: readRoot(Buffer.from(certificate)), pcrs, nonce });
  const steps = result.steps.filter((step) => step.result !== 'skipped');
  const lines = steps.map(({ step, result: outcome, detail }) => `${step.padEnd(10)} ${outcome}: ${detail}`);
  if (!result.ok) throw new Error(`the attestation document does not verify\n${lines.join('\n')}`);
  return lines;
}

async function emulated(dir: string, signal: AbortSignal): Promise<string[]> {
  const vsock = join(dir, 'vsock');
  const machine = `nitro-enclave,vsock-uds=${vsock},attestation=ca0`;
  const run = new Run(dir, ['-M', machine, '-object', 'nitro-attestation-ca,id=ca0'], signal);
  const monitor = await run.monitor();
  await boot(run, monitor);
  const enclave = await run.alive(EnclaveClient.connect(vsock, signal));
  const steps = await run.alive(verify(enclave, monitor));
  run.timeline.mark('attestation document verified');
  const { enabled } = await monitor.execute('query-accelerators');
  enclave.reboot();
  await run.end();
  return [
    `The enclave booted on the accelerator '${enabled}' and proved what it runs:`,
    ...indented(steps),
    '',
    'Times:',
    ...indented(run.timeline.lines()),
  ];
}

async function native(dir: string, signal: AbortSignal): Promise<string[]> {
  const run = new Run(dir, ['-M', 'nitro', '-accel', 'nitro,debug-mode=on'], signal);
  const monitor = await run.monitor();
  await boot(run, monitor);
  await run.shows('enclave: ready');
  run.timeline.mark('ready');
  await monitor.execute('quit');
  await run.end();
  return [
    "The enclave ran under the Nitro Hypervisor. Its documents are signed under AWS's root: nitro-attest verify.",
    'Times:',
    ...indented(run.timeline.lines()),
  ];
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'nitro-emu-'));
  const signal = AbortSignal.timeout(LIMIT_MS);
  try {
    const summary = await (opens('/dev/nitro_enclaves') ? native : emulated)(dir, signal);
    const own = 'npx qemu-system-x86_64 -M nitro-enclave -nographic -smp 2 -m 512M -kernel enclave.eif';
    process.stdout.write(['', ...summary, '', `Your own: ${own}`, ''].join('\n'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`nitro-emu: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
