import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { deadline, eventually } from './deadline.js';

/** Flags of a terminal's struct termios, <asm-generic/termbits.h>. */
export interface Modes {
  readonly iflag: number;
  readonly oflag: number;
  readonly lflag: number;
}

/** ISIG, ICANON, ECHO of lflag; all set where a shell has the terminal. */
export const [ISIG, ICANON, ECHO] = [0o1, 0o2, 0o10];

/** Why programs cannot be run on a terminal here; undefined when they can. */
export const terminalUnavailable = spawnSync('python3', ['-c', 'import pty']).status === 0 ? undefined : 'no python3';

export interface TerminalOptions {
  readonly command: readonly string[];
  /** At most so many bytes are read from the terminal at a time, after so many milliseconds. */
  readonly chunk?: number;
  readonly delayMs?: number;
}

const running = new Set<ChildProcess>();

/** Ends what a failed test left; for a suite's after.each hook. */
export function closeTerminals(): void {
  for (const bridge of running) bridge.kill('SIGKILL');
}

/** A program on a terminal of its own (test/support/pty-bridge.py). */
export class TerminalSession {
  /** All that came out of the terminal. */
  output = '';
  /** Of the program; known soon after the start. */
  pid = 0;
  #modes: Modes | null | undefined;
  #status: number | undefined;
  readonly #bridge: ChildProcess;
  readonly #closed: Promise<void>;

  constructor({ command, chunk = 65536, delayMs = 0 }: TerminalOptions) {
    const args = ['test/support/pty-bridge.py', String(chunk), String(delayMs), ...command];
    const env = { ...process.env, TERM: 'xterm' };
    const bridge = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit', 'pipe'], env });
    this.#bridge = bridge;
    running.add(bridge);
    (bridge.stdin as Writable).on('error', () => {});
    (bridge.stdout as Readable).setEncoding('latin1').on('data', (text: string) => {
      this.output += text;
    });
    let rest = '';
    this.#control.on('error', () => {});
    this.#control.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#told(JSON.parse(line) as { pid?: number; modes?: Modes; status?: number });
    });
    this.#closed = new Promise((resolve) => {
      bridge.on('close', () => {
        running.delete(bridge);
        resolve();
      });
    });
  }

  get #control(): Duplex {
    return this.#bridge.stdio[3] as Duplex;
  }

  #told({ pid, modes, status }: { pid?: number; modes?: Modes; status?: number }): void {
    if (pid !== undefined) this.pid = pid;
    if (modes !== undefined) this.#modes = modes;
    if (status !== undefined) this.#status = status;
  }

  /** Presses keys, one byte a character. */
  type(keys: string): void {
    this.#bridge.stdin?.write(Buffer.from(keys, 'latin1'));
  }

  /** Waits until the output from `from` on has `pattern`, and gives that output. */
  async shows(pattern: string | RegExp, from = 0, ms = 30_000): Promise<string> {
    const has = (text: string) => (typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text));
    await eventually(`${pattern}`, () => has(this.output.slice(from)), ms).catch((error: Error) => {
      throw new Error(`${error.message}; the terminal has ${JSON.stringify(this.output.slice(-2000))}`);
    });
    return this.output.slice(from);
  }

  /** Types and waits for `pattern` in what comes after. */
  async ask(keys: string, pattern: string | RegExp): Promise<string> {
    const from = this.output.length;
    this.type(keys);
    return await this.shows(pattern, from);
  }

  /** The terminal's modes now. */
  async modes(): Promise<Modes> {
    this.#modes = undefined;
    this.#control.write('modes\n');
    const modes = await eventually('the modes', () => this.#modes);
    if (modes === null) throw new Error('the terminal is gone');
    return modes;
  }

  /** Waits until the terminal is raw. */
  async raw(): Promise<void> {
    await eventually('the process id', () => this.pid || undefined);
    const look = async (): Promise<void> => {
      while (((await this.modes()).lflag & ICANON) !== 0) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await deadline('raw mode', look(), 30_000);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(await eventually('the process id', () => this.pid || undefined), signal);
  }

  hangUp(): void {
    this.#control.write('hangup\n');
  }

  /** Waits for the end of the program: its status, negative after a signal, and how it left the terminal. */
  async ended(ms = 30_000): Promise<{ status: number | undefined; modes: Modes | null | undefined }> {
    await deadline('the end of the program', this.#closed, ms);
    return { status: this.#status, modes: this.#modes };
  }
}

/** Rows that terminal output leaves on a screen without an edge, trailing blanks removed. */
export function screenRows(output: string): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  // The introducer as a printable character, for the pattern's sake.
  for (const [, sequence, count, final, character = ''] of output
    .replaceAll('\x1b[', '\u241b')
    .matchAll(/(\u241b(\d*)([A-Z]))|(.)/gs)) {
    const n = count === '' ? 1 : Number(count);
    const cells = rows[row] ?? [];
    rows[row] = cells;
    if (sequence !== undefined) {
      if (final === 'C') column += n;
      else if (final === 'D') column = Math.max(0, column - n);
      else if (final === 'K') cells.length = Math.min(cells.length, column);
    } else if (character === '\r') column = 0;
    else if (character === '\n') row++;
    else cells[column++] = character;
  }
  return Array.from(rows, (cells) =>
    Array.from(cells ?? [], (cell) => cell ?? ' ')
      .join('')
      .trimEnd(),
  );
}
