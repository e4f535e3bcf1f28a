import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { deadline, eventually } from './deadline.js';

const LIMIT_MS = 60_000;
const run = promisify(execFile);

/**
 * libvirtd of root is the system's; any other user's is private to the directories its environment names. Root becomes
 * another user in a user namespace, where its files (and /dev/kvm) stay its own.
 */
const asUser = process.getuid?.() === 0 ? ['unshare', '--user', '--map-user=1000', '--map-group=1000'] : [];

function command(...words: string[]): [program: string, args: string[]] {
  const [program = '', ...args] = [...asUser, ...words];
  return [program, args];
}

/** @returns undefined when a private libvirtd can run here, else what is missing */
export async function libvirtUnavailable(): Promise<string | undefined> {
  const path = `${process.env.PATH}:/usr/sbin`;
  for (const words of [
    ['libvirtd', '--version'],
    ['virsh', '--version'],
    ['script', '--version'],
  ]) {
    const found = await run(...command(...words), { env: { PATH: path } }).then(
      () => true,
      () => false,
    );
    if (!found) return `${words[0]} cannot run here (libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)`;
  }
  return undefined;
}

export interface VirshResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A libvirtd of its own, with its own home, sockets and state. */
export class Libvirt {
  readonly dir: string;
  readonly #env: NodeJS.ProcessEnv;
  #daemon: ChildProcess | undefined;
  #log = '';

  private constructor(dir: string) {
    this.dir = dir;
    this.#env = {
      PATH: `${dirname(process.execPath)}:${process.env.PATH}:/usr/sbin`,
      HOME: dir,
      XDG_RUNTIME_DIR: join(dir, 'run'),
      XDG_CONFIG_HOME: join(dir, 'config'),
      XDG_CACHE_HOME: join(dir, 'cache'),
      XDG_DATA_HOME: join(dir, 'data'),
      LIBVIRT_AUTOSTART: '0',
      LC_ALL: 'C',
    };
  }

  static async start(): Promise<Libvirt> {
    // Monitor sockets are below it: their paths must stay under 108 bytes.
    const libvirt = new Libvirt(await mkdtemp(join(tmpdir(), 'lv-')));
    await mkdir(libvirt.path('run'), { mode: 0o700 });
    await mkdir(libvirt.path('config/libvirt'), { recursive: true });
    // Without virtlogd there is one process less to end.
    await writeFile(libvirt.path('config/libvirt/qemu.conf'), 'stdio_handler = "file"\n');
    await libvirt.startDaemon();
    return libvirt;
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  async startDaemon(): Promise<void> {
    const [program, args] = command('libvirtd', '--pid-file', this.path('libvirtd.pid'));
    const daemon = spawn(program, args, { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] });
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    this.#daemon = daemon;
    const socket = this.path('run/libvirt/libvirt-sock');
    await eventually('the socket of libvirtd', () => existsSync(socket) || daemon.exitCode !== null, LIMIT_MS);
    if (daemon.exitCode !== null) throw new Error(`libvirtd ended: ${this.#log}`);
    await this.ok('version');
  }

  /** Ends libvirtd; its domains run on. */
  async stopDaemon(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.exitCode !== null) return;
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await deadline('the end of libvirtd', ended, LIMIT_MS);
    await rm(this.path('run/libvirt/libvirt-sock'), { force: true });
  }

  virsh(...args: string[]): Promise<VirshResult> {
    const work = run(...command('virsh', '-q', '-c', 'qemu:///session', ...args), { env: this.#env }).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      (error: { code?: number; stdout?: string; stderr?: string }) => ({
        status: error.code ?? -1,
        stdout: error.stdout ?? '',
        stderr: error.stderr ?? String(error),
      }),
    );
    return deadline(`virsh ${args.join(' ')}`, work, LIMIT_MS);
  }

  /** Output of a virsh command that must succeed. */
  async ok(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.virsh(...args);
    if (status !== 0) throw new Error(`virsh ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  /** What a virsh command is refused with. */
  async refusal(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.virsh(...args);
    if (status === 0) throw new Error(`virsh ${args.join(' ')} was not refused: ${stdout}`);
    return stderr.trim();
  }

  /** Defines a domain. @returns what virsh says */
  async define(xml: string): Promise<string> {
    const file = this.path('domain.xml');
    await writeFile(file, xml);
    return this.ok('define', file);
  }

  /** The return value of a QMP command sent through libvirt. */
  async qmp(domain: string, execute: string, args: object = {}): Promise<unknown> {
    const text = await this.ok('qemu-monitor-command', domain, JSON.stringify({ execute, arguments: args }));
    return (JSON.parse(text) as { return?: unknown }).return;
  }

  /** Waits until `virsh domstate --reason` says so. */
  async state(domain: string, wanted: string): Promise<void> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const state = await this.ok('domstate', domain, '--reason');
      if (state === wanted) return;
      if (Date.now() > end) throw new Error(`domain ${domain} is ${state} instead of ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** A virsh command that goes on: on a terminal of its own, as `virsh console` wants it. */
  terminal(...args: string[]): Terminal {
    const [program, words] = command('virsh', '-q', '-c', 'qemu:///session', ...args);
    const line = [program, ...words].map((word) => `'${word}'`).join(' ');
    return new Terminal(spawn('script', ['-qec', line, '/dev/null'], { env: this.#env }), args.join(' '));
  }

  /** What the emulator wrote, and the command line before it. */
  log(domain: string): Promise<string> {
    return readFile(this.path(`cache/libvirt/qemu/log/${domain}.log`), 'utf8');
  }

  /** Process ids of the domains by their names. */
  async pids(): Promise<Map<string, number>> {
    const dir = this.path('run/libvirt/qemu/run');
    const names = (await readdir(dir).catch(() => [])).filter((name) => name.endsWith('.pid') && name !== 'driver.pid');
    const pids = names.map(
      async (name) => [name.slice(0, -4), Number(await readFile(join(dir, name), 'utf8'))] as const,
    );
    return new Map(await Promise.all(pids));
  }

  /** Ends the domains and the daemon, and removes all. */
  async remove(): Promise<void> {
    const pids = await this.pids();
    await this.stopDaemon();
    for (const pid of pids.values()) {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    }
    await rm(this.dir, { recursive: true, maxRetries: 5 });
  }
}

/** A program on a terminal. */
export class Terminal {
  output = '';
  readonly #child: ChildProcess;
  readonly #what: string;
  readonly #ended: Promise<void>;

  constructor(child: ChildProcess, what: string) {
    this.#child = child;
    this.#what = what;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Waits for output. */
  async until(pattern: string | RegExp, ms = LIMIT_MS): Promise<void> {
    const has = () => (typeof pattern === 'string' ? this.output.includes(pattern) : pattern.test(this.output));
    await eventually(`${pattern} from virsh ${this.#what}`, has, ms).catch((error: Error) => {
      throw new Error(`${error.message}: ${this.output}`);
    });
  }

  /** Types Ctrl-] or another key that ends it, and waits for that. */
  async end(key = '\x1d'): Promise<void> {
    this.#child.stdin?.write(key);
    await deadline(`the end of virsh ${this.#what}`, this.#ended, LIMIT_MS);
  }
}
