import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Highest CPU number that a list may name: the kernel's own limit is 8192 (CONFIG_NR_CPUS). */
const CPU_MAX = 65535;
const AT_PAGESZ = 6n;
const HUGE_PAGES_DIR = /^hugepages-(\d+)kB$/;

/** Huge pages of one size. */
export interface HugePages {
  /** Bytes of one page. */
  size: number;
  /** Pages reserved for use as huge pages. */
  total: number;
  /** Of these, pages that nobody uses. Pages promised to a mapping but not yet touched still count as free. */
  free: number;
  /** Of the free pages, those promised to mappings; 0 for one NUMA node, as the kernel does not count them by node. */
  reserved: number;
}

export type DeviceState = 'usable' | 'missing' | 'not permitted';

/** `software`: /dev/kvm opens, but the CPU has no virtualisation of its own, so that guests are interpreted. */
export type KvmState = DeviceState | 'software';

/**
 * Numbers of a kernel CPU or node list such as `0,2-5` (Documentation/admin-guide/cputopology.rst), ascending, without
 * repetition. An empty list is valid.
 *
 * @returns undefined if `text` is no such list
 */
export function parseCpuList(text: string): number[] | undefined {
  const numbers = new Set<number>();
  const body = text.trim();
  if (body === '') return [];
  for (const part of body.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > CPU_MAX) return undefined;
    for (let cpu = first; cpu <= last; cpu++) numbers.add(cpu);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** AT_PAGESZ of a 64-bit little-endian auxiliary vector (getauxval(3)). @returns bytes, undefined if it is not in there */
export function parsePageSize(auxv: Buffer): number | undefined {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === AT_PAGESZ) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return undefined;
}

/** What /sys, /proc and /dev say about this host. Each answer is read when asked for; undefined means the host does not say. */
export class HostFacts {
  readonly #root: string;

  /** @param root directory that holds sys, proc and dev (tests have their own) */
  constructor(root = '/') {
    this.#root = root;
  }

  /** CPUs that Linux uses; those in the enclave pool are not among them. */
  onlineCpus(): number[] | undefined {
    return this.#list('sys/devices/system/cpu/online');
  }

  /** Hardware threads of a core, taken from CPU 0, which no enclave can own; 1 where the topology is not known. */
  threadsPerCore(): number {
    return this.#list('sys/devices/system/cpu/cpu0/topology/thread_siblings_list')?.length || 1;
  }

  /** Whether the nitro_enclaves driver is loaded or built in. */
  nitroModuleLoaded(): boolean {
    return existsSync(this.#path('sys/module/nitro_enclaves'));
  }

  /** CPUs set aside for enclaves, in use or not. */
  nitroCpuPool(): number[] | undefined {
    return this.#list('sys/module/nitro_enclaves/parameters/ne_cpus');
  }

  /** Whether this process may open a device node for reading and writing, for example `/dev/nitro_enclaves`. */
  device(path: string): DeviceState {
    try {
      accessSync(this.#path(path), constants.R_OK | constants.W_OK);
      return 'usable';
    } catch (error) {
      return errorName(error) === 'ENOENT' ? 'missing' : 'not permitted';
    }
  }

  /** What KVM is worth to a machine of this process. */
  kvm(): KvmState {
    const state = this.device('/dev/kvm');
    if (state !== 'usable') return state;
    const flags = this.#cpuInfo('flags')?.split(' ') ?? [];
    return flags.includes('vmx') || flags.includes('svm') ? 'usable' : 'software';
  }

  /** The CPU's name for people, as CPUID gives it. */
  cpuName(): string | undefined {
    return this.#cpuInfo('model name');
  }

  /** A line about the first CPU. */
  #cpuInfo(name: string): string | undefined {
    return new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(this.#text('proc/cpuinfo') ?? '')?.[1];
  }

  /** Bytes of a small page. */
  pageSize(): number | undefined {
    try {
      return parsePageSize(readFileSync(this.#path('proc/self/auxv')));
    } catch {
      return undefined;
    }
  }

  /** Huge pages by size, ascending: of the host, or of one NUMA node. Empty without huge page support. */
  hugePages(node?: number): HugePages[] {
    const base = node === undefined ? 'sys/kernel/mm/hugepages' : `sys/devices/system/node/node${node}/hugepages`;
    const pools = this.#names(base).flatMap((name) => {
      const kib = HUGE_PAGES_DIR.exec(name)?.[1];
      if (kib === undefined) return [];
      const count = (file: string) => this.#number(`${base}/${name}/${file}`) ?? 0;
      const [total, free, reserved] = [count('nr_hugepages'), count('free_hugepages'), count('resv_hugepages')];
      return [{ size: Number(kib) * 1024, total, free, reserved }];
    });
    return pools.sort((a, b) => a.size - b.size);
  }

  /** Bytes of a huge page where none is asked for by size; undefined without huge page support. */
  defaultHugePageSize(): number | undefined {
    return this.memory('Hugepagesize');
  }

  /** A line of /proc/meminfo in bytes, for example `MemTotal` or `SwapTotal`. */
  memory(name: string): number | undefined {
    const kib = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(this.#text('proc/meminfo') ?? '')?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  }

  /** NUMA nodes that are online. */
  numaNodes(): number[] | undefined {
    return this.#list('sys/devices/system/node/online');
  }

  /** NUMA node of an online CPU; the kernel does not say it of one that is offline, as those of the enclave pool are. */
  numaNodeOfCpu(cpu: number): number | undefined {
    for (const name of this.#names(`sys/devices/system/cpu/cpu${cpu}`)) {
      const node = /^node(\d+)$/.exec(name)?.[1];
      if (node !== undefined) return Number(node);
    }
    return undefined;
  }

  #path(name: string): string {
    return join(this.#root, name);
  }

  #text(name: string): string | undefined {
    try {
      return readFileSync(this.#path(name), 'utf8');
    } catch {
      return undefined;
    }
  }

  #list(name: string): number[] | undefined {
    const text = this.#text(name);
    return text === undefined ? undefined : parseCpuList(text);
  }

  #number(name: string): number | undefined {
    const text = this.#text(name)?.trim();
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  }

  #names(directory: string): string[] {
    try {
      return readdirSync(this.#path(directory));
    } catch {
      return [];
    }
  }
}

function errorName(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
