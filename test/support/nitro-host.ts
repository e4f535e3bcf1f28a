import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import { type DoubleConfig, doubleUnavailable, startUnderDouble, stopDoubles, type UnderDouble } from './double.js';
import { exampleImage } from './eif-example.js';
import { emulatorPath } from './emulator.js';
import { connectQmp, type QmpConnection } from './qmp-connection.js';

/** Two threads a core, CPUs 1-3 and 5-7 in the pool: the host that reference/qemu was recorded on. */
const facts: Readonly<Record<string, string>> = {
  'siblings/thread_siblings_list': '0,4\n',
  'module/parameters/ne_cpus': '1-3,5-7\n',
  'node/online': '0-1\n',
  ...hugePages('node/node0/hugepages', { 2048: [4096, 4096], 1048576: [4, 4] }),
  ...hugePages('node/node1/hugepages', { 2048: [16, 3] }),
  ...hugePages('hugepages', { 2048: [4112, 4099], 1048576: [4, 4] }),
};

/** Files of hugepages-NkB directories: total and free pages by size in KiB. */
export function hugePages(dir: string, pages: Record<number, [total: number, free: number]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(pages).flatMap(([kib, [total, free]]) =>
      Object.entries({ nr_hugepages: total, free_hugepages: free, resv_hugepages: 0 }).map(([file, count]) => [
        `${dir}/hugepages-${kib}kB/${file}`,
        `${count}\n`,
      ]),
    ),
  );
}

/** Where each part of the fixture is looked up from. */
const places: Readonly<Record<string, string>> = {
  '/sys/devices/system/cpu/cpu0/topology': 'siblings',
  '/sys/module/nitro_enclaves': 'module',
  '/sys/devices/system/node': 'node',
  '/sys/kernel/mm/hugepages': 'hugepages',
};

export interface NitroRun {
  /** Options after `-accel nitro -M nitro -smp 2 -m 128M -kernel test.eif -display none`; see `bare`. */
  readonly args?: readonly string[];
  /** `args` are all there is. */
  readonly bare?: boolean;
  readonly config?: DoubleConfig;
  readonly arch?: 'x86_64' | 'aarch64';
  readonly dumpImage?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/**
 * A suite of tests on one host: each is skipped, with a word, where the double cannot run, and leaves nothing running.
 */
export async function nitroSuite(title: string): Promise<{
  host: NitroHost;
  test: (name: string, work: () => Promise<void>) => void;
  run: () => void;
}> {
  const tests = suite(title);
  const unavailable = await doubleUnavailable();
  const host = await NitroHost.create();
  tests.after.each(stopDoubles);
  tests.after(() => host.remove());
  return {
    host,
    test: (name, work) =>
      tests(name, async () => (unavailable === undefined ? await work() : console.log(`SKIP ${unavailable}`))),
    run: () => tests.run(),
  };
}

/** A folder with a small image and the facts of a simulated parent instance. */
export class NitroHost {
  readonly dir: string;
  #runs = 0;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** @param changes files of the fixture that differ; '' removes one */
  static async create(changes: Readonly<Record<string, string>> = {}): Promise<NitroHost> {
    const host = new NitroHost(await mkdtemp(join(tmpdir(), 'nitro-')));
    await writeFile(host.path('test.eif'), exampleImage);
    for (const [name, text] of Object.entries({ ...facts, ...changes })) {
      if (text === '') continue;
      await mkdir(dirname(host.path(name)), { recursive: true });
      await writeFile(host.path(name), text);
    }
    return host;
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** The double's configuration for this host. */
  config(more: DoubleConfig = {}): DoubleConfig {
    const redirect = Object.fromEntries(Object.entries(places).map(([from, to]) => [from, this.path(to)]));
    return { ...more, redirect: { ...redirect, ...more.redirect } };
  }

  /** Starts the emulator under the double. */
  start({ args = [], bare = false, config, arch = 'x86_64', ...rest }: NitroRun = {}): Promise<UnderDouble> {
    const usual = ['-accel', 'nitro', '-M', 'nitro', '-smp', '2', '-m', '128M', '-kernel', this.path('test.eif')];
    const all = bare ? args : [...usual, '-display', 'none', ...args];
    return startUnderDouble({
      command: [process.execPath, emulatorPath(arch), ...all],
      config: this.config(config),
      ...rest,
    });
  }

  /** As `start`, with a monitor connection. */
  async startQmp(run: NitroRun = {}): Promise<{ double: UnderDouble; qmp: QmpConnection }> {
    const socket = this.path(`qmp${this.#runs++}.sock`);
    const double = await this.start({
      ...run,
      args: [...(run.args ?? []), '-qmp', `unix:${socket},server=on,wait=off`],
    });
    return { double, qmp: await connectQmp(socket, double.exit) };
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true });
  }
}
