import { readFile, writeFile } from 'node:fs/promises';
import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';
import type { JsonObject } from '../../../src/system/json.js';
import { writeJson } from '../../json/writer.js';
import type { QmpClient } from '../client.js';
import { complete } from './complete.js';
import type { Evaluator } from './evaluate.js';
import type { ShellOptions } from './options.js';
import type { ShellIo } from './run.js';
import { SchemaIndex } from './schema.js';
import { ExitStatus } from './status.js';

const historySize = 1000;

/** Runs the lines of stdin: with a prompt and line editing on a terminal, else up to the first that fails. */
export async function interact(
  client: QmpClient,
  evaluator: Evaluator,
  options: ShellOptions,
  io: ShellIo,
): Promise<ExitStatus> {
  return io.stdin.isTTY === true && io.stdout.isTTY === true
    ? new Terminal(client, evaluator, options, io).run()
    : runPiped(client, evaluator, io);
}

async function runPiped(client: QmpClient, evaluator: Evaluator, io: ShellIo): Promise<ExitStatus> {
  const lines = createInterface({ input: io.stdin });
  let lost = false;
  void client.closed.then(() => {
    lost = true;
    lines.close();
  });
  for await (const line of lines) {
    const status = await evaluator.run(line);
    if (status !== ExitStatus.Success) return status;
  }
  if (!lost) return ExitStatus.Success;
  io.stderr.write(`nitro-qmp: ${(await client.closed).message}\n`);
  return ExitStatus.Connection;
}

class Terminal {
  readonly #client: QmpClient;
  readonly #evaluator: Evaluator;
  readonly #options: ShellOptions;
  readonly #io: ShellIo;
  #schema: Promise<SchemaIndex> | undefined;
  // Ends the wait for the command that runs.
  #running: AbortController | undefined;
  #history: string[] = [];

  constructor(client: QmpClient, evaluator: Evaluator, options: ShellOptions, io: ShellIo) {
    this.#client = client;
    this.#evaluator = evaluator;
    this.#options = options;
    this.#io = io;
  }

  async run(): Promise<ExitStatus> {
    const { stdin, stdout, stderr } = this.#io;
    this.#history = await this.#readHistory();
    const lines = createInterface({
      input: stdin,
      output: stdout,
      terminal: true,
      history: this.#history,
      historySize,
      removeHistoryDuplicates: true,
      completer: (left: string, done: (error: null, result: [string[], string]) => void) => {
        void this.#complete(left).then((result) => done(null, result));
      },
      prompt: this.#options.hmp ? '(hmp) ' : '(qmp) ',
    });
    lines.on('history', (history: string[]) => {
      this.#history = history;
    });
    lines.on('SIGINT', () => this.#interrupt(lines));
    let lost = false;
    void this.#client.closed.then(() => {
      lost = true;
      lines.close();
    });
    const printing = this.#printEvents(lines);
    const { qemu } = this.#client.greeting.version;
    stdout.write(`Connected to QEMU ${qemu.major}.${qemu.minor}.${qemu.micro}; TAB completes, Ctrl-D leaves.\n`);
    lines.prompt();
    for await (const line of lines) {
      this.#running = new AbortController();
      await this.#evaluator.run(line, this.#running.signal);
      this.#running = undefined;
      if (!lost) lines.prompt();
    }
    await this.#writeHistory();
    if (!lost) {
      stdout.write('\n');
      return ExitStatus.Success;
    }
    await printing;
    stderr.write(`nitro-qmp: ${(await this.#client.closed).message}\n`);
    return ExitStatus.Connection;
  }

  #interrupt(lines: Interface): void {
    if (this.#running !== undefined) {
      this.#running.abort();
      return;
    }
    this.#io.stdout.write('\n');
    // Erases the line to its start, from its end.
    lines.write(null, { ctrl: true, name: 'e' });
    lines.write(null, { ctrl: true, name: 'u' });
  }

  /** Above the line that is being edited. */
  async #printEvents(lines: Interface): Promise<void> {
    const { stdout } = this.#io;
    try {
      for await (const event of this.#client.events()) {
        const editing = this.#running === undefined;
        if (editing) {
          cursorTo(stdout, 0);
          clearLine(stdout, 0);
        }
        stdout.write(`${writeJson(event as unknown as JsonObject)}\n`);
        if (editing) lines.prompt(true);
      }
    } catch {
      // The connection is gone: run() tells.
    }
  }

  async #complete(left: string): Promise<[string[], string]> {
    if (this.#options.hmp) return [[], left];
    try {
      this.#schema ??= readSchema(this.#client);
      const { word, candidates } = complete(await this.#schema, left);
      const [only] = candidates;
      const finished = candidates.length === 1 && only !== undefined && !/[=.]$/.test(only);
      return [finished ? [`${only} `] : candidates, word];
    } catch {
      // A server without a schema, such as one with a read-only profile of its own; commands can still be typed.
      return [[], left];
    }
  }

  /** Newest first, as readline wants it. */
  async #readHistory(): Promise<string[]> {
    const { historyFile } = this.#io;
    if (historyFile === undefined) return [];
    const text = await readFile(historyFile, 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.slice(-historySize).reverse();
  }

  /** Arguments can be secrets, so nobody else may read it. That it cannot be written is no reason to fail. */
  async #writeHistory(): Promise<void> {
    const { historyFile } = this.#io;
    if (historyFile === undefined || this.#history.length === 0) return;
    const text = `${[...this.#history].reverse().join('\n')}\n`;
    await writeFile(historyFile, text, { mode: 0o600 }).catch(() => {});
  }
}

async function readSchema(client: QmpClient): Promise<SchemaIndex> {
  const schema = await client.execute<string>('query-qmp-schema');
  return new SchemaIndex(Array.isArray(schema) ? schema : []);
}
