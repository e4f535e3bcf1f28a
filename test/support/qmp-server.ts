import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deadline } from './deadline.js';
import { whenListening } from './qmp-connection.js';

/** What came of an input: the lines before the mark, and how the server ended, if it did. */
export interface Answer {
  readonly lines: readonly string[];
  readonly end?: string;
}

/**
 * An input with a request behind it whose reply tells that all before it has been answered. 0xFF ends whatever the
 * input left unfinished, at the price of one error; the newline ends the recovery.
 */
export function marked(input: string, mark: string): Buffer {
  return Buffer.from(`${input}\xff\n{"execute": "query-name", "id": "${mark}"}\n`, 'latin1');
}

/** Any QMP server as a process with `-M none`, in a folder of its own, and the one client it has. */
export class QmpServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'qmp-server-'));
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #socket: Socket | undefined;
  #text = '';
  #marks = 0;
  #end: string | undefined;
  #look = (): void => {};

  private constructor([program = '', ...args]: readonly string[]) {
    const qmp = ['-M', 'none', '-display', 'none', '-qmp', 'unix:qmp,server=on,wait=off'];
    // The largest file it may write is of 4 MiB.
    const limited = ['-c', 'ulimit -f 4096; exec "$0" "$@"', program, ...args, ...qmp];
    this.#process = spawn('/bin/bash', limited, { cwd: this.#folder, stdio: 'ignore' });
    this.#exited = once(this.#process, 'exit').then(([status, signal]) => {
      this.#end = signal === null ? `exit ${status}` : String(signal);
    });
  }

  /**
   * Starts a server and negotiates.
   *
   * @param command program and its first arguments
   */
  static async start(command: readonly string[], { oob = false } = {}): Promise<QmpServer> {
    const server = new QmpServer(command);
    try {
      await server.#connect();
      await server.ask(`{"execute": "qmp_capabilities", "arguments": {"enable": [${oob ? '"oob"' : ''}]}}`);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async #connect(): Promise<void> {
    const socket = await whenListening(join(this.#folder, 'qmp'), this.#exited);
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      this.#look();
    });
    socket.on('error', () => {}).on('close', () => void this.#exited.then(() => this.#look()));
    this.#socket = socket;
  }

  /** Sends input, one character a byte, and waits until all of it is answered or the server has ended. */
  async ask(input: string): Promise<Answer> {
    const mark = `mark ${this.#marks++}`;
    const last = `"id": "${mark}"}\r\n`;
    const answered = new Promise<Answer>((resolve) => {
      this.#look = () => {
        if (!this.#text.endsWith(last) && this.#end === undefined) return;
        const lines = this.#text.split('\r\n').slice(0, -1);
        this.#text = '';
        resolve(this.#end === undefined ? { lines: lines.slice(0, -1) } : { lines, end: this.#end });
      };
    });
    this.#socket?.write(marked(input, mark));
    this.#look();
    return await deadline('an answer', answered).catch(() => ({ lines: [], end: 'no answer' }));
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    await deadline('the end of the server', this.#exited);
    this.#socket?.destroy();
    rmSync(this.#folder, { recursive: true });
  }
}
