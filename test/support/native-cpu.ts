import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Offsets in a state of native-cpu/runner.c, which see. */
export const STATE_SIZE = 360;
export const state = {
  xmm: 0,
  gpr: 48,
  rflags: 80,
  mxcsr: 88,
  fcw: 92,
  fsw: 94,
  ftw: 96,
  signal: 100,
  st: 104,
  mem: 232,
} as const;

/** Where `runner.c` maps memory; RSI holds it. */
export const MEM = 0x3000_0000;

const runnerSource = 'test/support/native-cpu/runner.c';

/** Why native code can't run here, or undefined. */
export function noNativeCpu(): string | undefined {
  if (process.arch !== 'x64') return 'this host is not x86-64';
  for (const tool of ['gcc', 'as', 'objcopy']) {
    if (spawnSync(tool, ['--version']).error !== undefined) return `${tool} is not installed`;
  }
  return undefined;
}

/** This host's CPU, as something that runs a few instructions from a given state. */
export class NativeCpu {
  readonly #dir = mkdtempSync(join(tmpdir(), 'native-cpu-'));
  readonly #runner = join(this.#dir, 'runner');

  constructor() {
    if (!existsSync(runnerSource)) throw new Error(`${runnerSource}: run the tests from the top of the tree`);
    execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-no-pie', '-mno-red-zone', '-o', this.#runner, runnerSource]);
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }

  /** @returns the machine code of each line of AT&T assembler */
  assemble(lines: readonly string[]): Uint8Array[] {
    const source = join(this.#dir, 'code.s');
    const object = join(this.#dir, 'code.o');
    const text = lines.map(
      (line, i) => `s${i}: ${line}\ne${i}:\n.pushsection .sizes,"a"\n.word e${i}-s${i}\n.popsection\n`,
    );
    writeFileSync(source, text.join(''));
    execFileSync('as', ['--64', '-o', object, source]);
    const section = (name: string): Uint8Array => {
      const file = join(this.#dir, 'section');
      execFileSync('objcopy', ['-O', 'binary', '-j', name, object, file]);
      return readFileSync(file);
    };
    const code = section('.text');
    const sizes = section('.sizes');
    const view = new DataView(sizes.buffer, sizes.byteOffset, sizes.length);
    let at = 0;
    return lines.map((_, i) => {
      const from = at;
      at += view.getUint16(2 * i, true);
      return code.subarray(from, at);
    });
  }

  /** @returns the states after `code` ran from each of `states`, which are `STATE_SIZE` bytes each */
  run(code: Uint8Array, states: Uint8Array): Uint8Array {
    const head = new Uint8Array(new Uint32Array([code.length, states.length / STATE_SIZE]).buffer);
    const { stdout, status, signal } = spawnSync(this.#runner, {
      input: Buffer.concat([head, code, states]),
      maxBuffer: states.length + 1,
      timeout: 120_000,
    });
    if (status !== 0 || stdout.length !== states.length)
      throw new Error(`native-cpu runner ended with ${status ?? signal}`);
    return stdout;
  }
}
