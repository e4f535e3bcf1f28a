import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import type { Duplex, Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { deadline } from './deadline.js';

/** What the simulated host is like: test/e2e/double/config.h gives each member. */
export interface DoubleConfig {
  device?: 'present' | 'absent' | 'denied';
  /** Cores of the CPU pool, each with its threads; [[1, 5], [2, 6], [3, 7]] by default. */
  pool?: number[][];
  parentCpus?: number;
  maxRegions?: number;
  contiguous?: boolean;
  poolNode?: number;
  memoryNode?: number;
  firstCid?: number;
  firstSlot?: number;
  /** Free huge pages by size in KiB; sizes not named do not exist. */
  hugepages?: Record<string, number>;
  hugetlbfs?: { dir: string; kib: number }[];
  /** Path prefixes (absolute) that are looked up under another directory or file. */
  redirect?: Record<string, string>;
  loopback?: boolean;
  connectDelayMs?: number;
  unanswered?: boolean;
  image?: 'full' | 'header' | 'none';
  heartbeat?: false | { delayMs?: number; bytes?: number[]; fatal?: boolean };
  console?: ConsoleScript & { delayMs?: number };
  faults?: Fault[];
}

/** More console output: `lines` numbered lines `console line 00000000 of the enclave` are made as the client reads. */
export interface ConsoleScript {
  text?: string;
  file?: string;
  lines?: number;
  /** End of file once all has been read. */
  close?: boolean;
  available?: boolean;
}

/** `call` is a record's name, or one of the device commands SLOT_ALLOC, SLOT_ADD_VCPU, SLOT_ADD_MEM, ENCLAVE_START. */
export interface Fault {
  call: string;
  /** First occurrence that fails, from 1. */
  nth?: number;
  times?: number;
  errno?: number;
  /** The call is held this long before anything happens. */
  delayMs?: number;
}

/** One thing that the double saw: a name, its fields (as reference/qemu/trace has them), milliseconds since start. */
export type DoubleRecord = JsonObject & { call: string; t: number };

/** Which enclave a command is about; the newest by default. */
interface Which {
  cid?: number;
  slot?: number;
}

/** Arguments of each control command; test/e2e/double/control.h tells what each does. */
export interface DoubleCommands {
  end: Which;
  fault: Fault;
  console: Which & ConsoleScript;
  connect: { port: number; cid?: number; echo?: boolean };
  listen: { port: number; cid?: number; echo?: boolean };
  send: { conn: number; text?: string; hex?: string };
  shutdown: { conn: number };
  close: { conn: number };
  pause: { conn: number };
  resume: { conn: number };
  memory: Which & { offset?: number; length?: number };
  query: Record<string, never>;
}

export interface DoubleOptions {
  /** Program and arguments. */
  command: string[];
  config?: DoubleConfig;
  /** File for the EIF bytes found at 8 MiB of the donated memory. */
  dumpImage?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Time limit of each wait, milliseconds. */
  waitMs?: number;
}

const sources = 'test/e2e/double';
const cache = '.tmp/double';
const run = promisify(execFile);

/**
 * Compiles C sources with gcc, once for each content.
 *
 * @returns path of the program
 * @throws Error when gcc is missing or refuses
 */
export async function compile(name: string, files: string[], dependencies: string[] = []): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...files, ...dependencies]) hash.update(file).update(await readFile(file));
  const program = `${cache}/${name}-${hash.digest('hex').slice(0, 16)}`;
  const built = await access(program).then(
    () => true,
    () => false,
  );
  if (built) return program;
  await mkdir(cache, { recursive: true });
  const draft = `${program}.${process.pid}`;
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];
  await deadline('gcc', run('gcc', [...flags, '-o', draft, ...files, '-lm']), 120_000);
  await rename(draft, program);
  return program;
}

/** Path of the double's program, built when its sources have changed. */
export async function doubleProgram(): Promise<string> {
  const names = (await readdir(sources)).sort().map((name) => `${sources}/${name}`);
  return compile(
    'ne-double',
    names.filter((name) => name.endsWith('.c')),
    names.filter((name) => name.endsWith('.h')),
  );
}

/** @returns undefined when programs can run under the double here, else what is missing */
export async function doubleUnavailable(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'not Linux';
  try {
    await run('gcc', ['--version']);
  } catch {
    return 'gcc is missing';
  }
  const program = await doubleProgram();
  return await run(program, ['--check']).then(
    () => undefined,
    (error: { stdout?: string }) => `the device double cannot run here: ${error.stdout?.trim() || 'refused'}`,
  );
}

/** A program running under the double. */
export class UnderDouble implements AsyncIterable<DoubleRecord> {
  /** All records so far, in order. */
  readonly records: DoubleRecord[] = [];
  /** What the program wrote so far. */
  stdout = '';
  stderr = '';
  readonly stdin: Writable;
  /** The program's end (with all that it started), once every record has been read. */
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #ended = false;
  #nextId = 1;
  readonly #watchers = new Set<() => void>();
  readonly #replies = new Map<number, (reply: JsonObject) => void>();

  constructor(
    /** The supervisor; it passes signals on and exits as the program does. */
    readonly child: ChildProcess,
    readonly waitMs: number,
  ) {
    const [stdin, stdout, stderr, records, control] = child.stdio as [Writable, Readable, Readable, Readable, Duplex];
    this.stdin = stdin;
    this.#control = control;
    stdin.on('error', () => undefined);
    control.on('error', () => undefined);
    stdout.setEncoding('utf8').on('data', (text: string) => this.#changed(() => (this.stdout += text)));
    stderr.setEncoding('utf8').on('data', (text: string) => this.#changed(() => (this.stderr += text)));
    lines(records, (line) => this.#changed(() => this.records.push(JSON.parse(line) as DoubleRecord)));
    lines(control, (line) => this.#reply(JSON.parse(line) as JsonObject));
    this.exit = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.#changed(() => (this.#ended = true));
        resolve({ code, signal });
      });
    });
  }

  readonly #control: Duplex;

  /** The program's own process id (the child's is the supervisor's). */
  async pid(): Promise<number> {
    return Number((await this.record('target')).pid);
  }

  /** Sends a signal to the program alone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(await this.pid(), signal);
  }

  /** Waits for `ready` to return something, looking again after each change. Fails at once when the program has ended. */
  async until<T>(what: string, ready: () => T | undefined | false, ms = this.waitMs): Promise<T> {
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const value = ready();
        const over = this.#ended;
        if (value === undefined || value === false) {
          if (!over) return;
          reject(new Error(`${what}: the program ended first\n${this.stderr}`));
        } else {
          resolve(value);
        }
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
    return await deadline(what, found, ms);
  }

  /** The nth record (from 1) of a call, waiting for it. */
  record(call: string, nth = 1, ms = this.waitMs): Promise<DoubleRecord> {
    return this.until(`record ${nth} of ${call}`, () => this.calls(call)[nth - 1], ms);
  }

  /** Records of one call so far. */
  calls(call: string): DoubleRecord[] {
    return this.records.filter((record) => record.call === call);
  }

  /** Waits for the program's output to contain a text or match. */
  output(pattern: string | RegExp, from: 'stdout' | 'stderr' = 'stdout', ms = this.waitMs): Promise<true> {
    const has = (text: string) => (typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text));
    return this.until(`${from} with ${pattern}`, () => has(this[from]) || undefined, ms);
  }

  /** Waits for the end. */
  ended(ms = this.waitMs): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return deadline('the end of the program', this.exit, ms);
  }

  /**
   * Gives the double a command.
   *
   * @returns its reply
   * @throws Error with the double's reason when it refuses
   */
  async control<C extends keyof DoubleCommands>(cmd: C, args: DoubleCommands[C]): Promise<JsonObject> {
    const id = this.#nextId++;
    const reply = new Promise<JsonObject>((resolve) => this.#replies.set(id, resolve));
    this.#control.write(`${JSON.stringify({ id, cmd, ...args })}\n`);
    const answer = await deadline(`control ${cmd}`, reply, this.waitMs);
    if (answer.ok !== true) throw new Error(`double: ${cmd}: ${String(answer.error)}`);
    return answer;
  }

  /** Ends the program if it still runs, and waits. */
  async stop(): Promise<void> {
    if (!this.#ended) this.#control.destroy();
    await this.ended();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DoubleRecord> {
    for (let next = 0; ; next++) {
      await this.until('another record', () => this.records.length > next || this.#ended || undefined);
      const record = this.records[next];
      if (record === undefined) return;
      yield record;
    }
  }

  #changed(change: () => void): void {
    change();
    for (const look of [...this.#watchers]) look();
  }

  #reply(reply: JsonObject): void {
    const id = Number(reply.id);
    this.#replies.get(id)?.(reply);
    this.#replies.delete(id);
  }
}

function lines(stream: Readable, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) take(line);
  });
}

const running = new Set<UnderDouble>();

/** Ends what a failed test left running; for a suite's after.each hook. */
export async function stopDoubles(): Promise<void> {
  await Promise.all([...running].map((double) => double.stop()));
}

/** Starts a program under the double. */
export async function startUnderDouble(options: DoubleOptions): Promise<UnderDouble> {
  const { command, config = {}, dumpImage, cwd, env, waitMs = 30_000 } = options;
  const program = await doubleProgram();
  const args = ['--config', JSON.stringify(config), '--records', 'fd:3', '--control', 'fd:4'];
  if (dumpImage !== undefined) args.push('--dump-image', dumpImage);
  const child = spawn(`${process.cwd()}/${program}`, [...args, '--', ...command], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  });
  const double = new UnderDouble(child, waitMs);
  running.add(double);
  void double.exit.then(() => running.delete(double));
  return double;
}

/** Names of the device's calls in order, as `device_calls` of reference/qemu/cli has them: a failure as `CALL -> NAME`. */
export function deviceCalls(records: readonly DoubleRecord[]): string[] {
  const named = /^(open|NE_.*|vsock_(socket|bind|connect)|image|release)$/;
  const result = (record: DoubleRecord): JsonValue | undefined =>
    record.call === 'vsock_connect' ? record.errno : record.error;
  return records
    .filter((record) => named.test(record.call))
    .map((record) => (result(record) ? `${record.call} -> ${result(record)}` : record.call));
}
