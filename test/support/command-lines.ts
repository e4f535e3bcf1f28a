import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleImage } from './eif-example.js';

const PROGRAM = 'qemu-system-x86_64';

/** A recorded command line: what QEMU 10.2.50 answered. `PROGRAM` stands for the program's name. */
export interface CommandLine {
  readonly args: string[];
  readonly status: number;
  /** It started and was ended with SIGTERM. */
  readonly runs: boolean;
  readonly stdout?: string;
  readonly stderr: string;
  /** What the device saw. */
  readonly calls?: string[];
  readonly console?: boolean;
}

/** Where we answer otherwise, on purpose; the same table stands in docs/differences-from-qemu.md. */
export interface Deviation {
  readonly args: string[];
  readonly status: number;
  readonly runs?: boolean;
  readonly stderr: string;
  readonly calls?: string[];
  readonly reason: string;
}

/** What is compared of a run. */
export interface Answer {
  readonly status: number | null;
  readonly runs: boolean;
  readonly stderr: string;
}

const data = new URL('../../../test/cli/data/', import.meta.url);

export async function recordedCommandLines(name: 'without-device' | 'with-device'): Promise<CommandLine[]> {
  return JSON.parse(await readFile(new URL(`${name}.json`, data), 'utf8')) as CommandLine[];
}

export async function deviations(): Promise<Deviation[]> {
  return JSON.parse(await readFile(new URL('deviations.json', data), 'utf8')) as Deviation[];
}

/** A folder with the files the recorded command lines name; recorded paths begin with /tmp/run. */
export async function commandLineFolder(): Promise<{ dir: string; here: (text: string) => string }> {
  const dir = await mkdtemp(join(tmpdir(), 'nitro-cli-'));
  const kernel = Buffer.alloc(65536);
  kernel.write('HdrS', 0x202, 'latin1');
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  await writeFile(join(dir, 'bzImage'), kernel);
  await writeFile(join(dir, 'initrd.img'), 'initrd text\n'.repeat(128));
  await writeFile(join(dir, 'test.eif'), exampleImage);
  await writeFile(join(dir, 'big.bin'), Buffer.alloc(80 * 1024 * 1024));
  await writeFile(join(dir, 'bad.ini'), '[machine\n  type = "none"\n');
  await writeFile(join(dir, 'cfg2.ini'), '[nonsense]\n  a = "b"\n');
  await writeFile(join(dir, 'cfg3.ini'), '[device]\n  driver = "nonesuch"\n');
  return { dir, here: (text) => text.replaceAll('/tmp/run', dir) };
}

/** What each recorded command line is to answer here: as recorded, but for the deviations. */
export class Expectations {
  readonly #deviations: Map<string, Deviation>;
  readonly #here: (text: string) => string;

  private constructor(list: readonly Deviation[], here: (text: string) => string) {
    this.#deviations = new Map(list.map((deviation) => [deviation.args.join(' '), deviation]));
    this.#here = here;
  }

  static async load(here: (text: string) => string): Promise<Expectations> {
    return new Expectations(await deviations(), here);
  }

  deviates(line: CommandLine): boolean {
    return this.#deviations.has(line.args.join(' '));
  }

  /** The answer to expect, and the device calls when the row has them. */
  of(line: CommandLine): { answer: Answer; calls: readonly string[] } {
    const deviation = this.#deviations.get(line.args.join(' '));
    const { status, stderr } = deviation ?? line;
    const runs = deviation === undefined ? line.runs : (deviation.runs ?? false);
    const answer = { status, runs, stderr: this.#here(stderr).replaceAll('PROGRAM', PROGRAM) };
    return { answer, calls: deviation?.calls ?? line.calls ?? [] };
  }
}

/**
 * An answer without the lines that this program adds: hints, which neither begin with the program's name nor are
 * `expected`, and what it says of its own about the host.
 */
export function withoutHints(answer: Answer, expected: Answer): Answer {
  const known = new Set(expected.stderr.split('\n'));
  const added = (line: string) => !line.startsWith(PROGRAM) || line.startsWith(`${PROGRAM}: info: `);
  const lines = answer.stderr.split('\n').filter((line) => !added(line) || known.has(line));
  return { ...answer, stderr: lines.join('\n') };
}

/** Rows of the table in docs/differences-from-qemu.md: command line, answer of QEMU, answer here, reason. */
export function differenceRows(list: readonly Deviation[], recorded: readonly CommandLine[]): string[] {
  return list.flatMap((deviation) => {
    const same = (line: CommandLine): boolean => line.args.join(' ') === deviation.args.join(' ');
    const here = answerText(deviation, deviation.calls);
    return recorded
      .filter(same)
      .map((line) => answerText(line, deviation.calls === undefined ? undefined : line.calls))
      .filter((answer) => answer !== here)
      .map((answer) => {
        const command = deviation.args.map((word) => (word === '' ? "''" : word)).join(' ');
        return `| \`${command}\` | ${answer} | ${here} | ${deviation.reason} |`;
      });
  });
}

function answerText({ status, runs, stderr }: CommandLine | Deviation, calls: readonly string[] | undefined): string {
  const outcome = runs === true ? 'runs' : `exit ${status}: ${stderr.trim()}`;
  const device = calls === undefined || calls.length === 0 ? '' : `; device: ${calls.join(', ')}`;
  return `${outcome}${device}`.replaceAll('\n', ' / ').replaceAll('PROGRAM: ', '');
}
