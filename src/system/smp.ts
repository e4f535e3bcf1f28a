import * as qapi from '../qom/qapi.js';
import { QemuError } from './errors.js';
import type { Int64, JsonObject } from './json.js';

/** `-smp` and the machine property `smp` (qapi/machine.json). */
export const SMPConfiguration = qapi.struct('SMPConfiguration', {
  cpus: qapi.optional(qapi.int),
  drawers: qapi.optional(qapi.int),
  books: qapi.optional(qapi.int),
  sockets: qapi.optional(qapi.int),
  dies: qapi.optional(qapi.int),
  clusters: qapi.optional(qapi.int),
  modules: qapi.optional(qapi.int),
  cores: qapi.optional(qapi.int),
  threads: qapi.optional(qapi.int),
  maxcpus: qapi.optional(qapi.int),
});
export type SmpOptions = qapi.Infer<typeof SMPConfiguration>;

/** A complete topology; every count is at least 1. */
export interface SmpTopology {
  readonly cpus: number;
  readonly maxcpus: number;
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

export interface SmpLimits {
  readonly machine: string;
  readonly min: number;
  readonly max: number;
}

function count(value: Int64 | undefined): number {
  return value === undefined ? 0 : Number(value);
}

/**
 * Fills in the counts that were left out and checks the whole, as QEMU's machine_parse_smp_config does: cores are
 * preferred over sockets over threads. Levels that our machines lack (dies, clusters, ...) must be 1.
 *
 * @throws QemuError with QEMU's sentences
 */
export function completeSmp(options: SmpOptions, limits: SmpLimits): SmpTopology {
  for (const value of Object.values(options)) {
    if (value !== undefined && Number(value) === 0) {
      throw new QemuError('Invalid CPU topology: CPU topology parameters must be greater than zero');
    }
  }
  for (const level of ['drawers', 'books', 'dies', 'clusters', 'modules'] as const) {
    if (count(options[level]) > 1) throw new QemuError(`${level} > 1 not supported by this machine's CPU topology`);
  }
  let cpus = count(options.cpus);
  let sockets = count(options.sockets);
  let cores = count(options.cores);
  let threads = count(options.threads);
  let maxcpus = count(options.maxcpus);
  if (cpus === 0 && maxcpus === 0) {
    sockets ||= 1;
    cores ||= 1;
    threads ||= 1;
  } else {
    maxcpus ||= cpus;
    if (cores === 0) {
      sockets ||= 1;
      threads ||= 1;
      cores = Math.trunc(maxcpus / (sockets * threads));
    } else if (sockets === 0) {
      threads ||= 1;
      sockets = Math.trunc(maxcpus / (cores * threads));
    }
    threads ||= Math.trunc(maxcpus / (sockets * cores));
  }
  maxcpus ||= sockets * cores * threads;
  cpus ||= maxcpus;
  if (sockets * cores * threads !== maxcpus) {
    throw new QemuError(
      'Invalid CPU topology: product of the hierarchy must match maxcpus: ' +
        `sockets (${sockets}) * cores (${cores}) * threads (${threads}) != maxcpus (${maxcpus})`,
    );
  }
  if (maxcpus < cpus) {
    throw new QemuError(
      'Invalid CPU topology: maxcpus must be equal to or greater than smp: ' +
        `sockets (${sockets}) * cores (${cores}) * threads (${threads}) == maxcpus (${maxcpus}) < smp_cpus (${cpus})`,
    );
  }
  const range = (word: string, limit: number): QemuError =>
    new QemuError(`Invalid SMP CPUs ${cpus}. The ${word} CPUs supported by machine '${limits.machine}' is ${limit}`);
  if (cpus < 0) throw range('max', limits.max);
  if (cpus < limits.min) throw range('min', limits.min);
  if (maxcpus > limits.max) {
    throw new QemuError(
      `Invalid SMP CPUs ${maxcpus}. The max CPUs supported by machine '${limits.machine}' is ${limits.max}`,
    );
  }
  return { cpus, maxcpus, sockets, cores, threads };
}

/** Where a CPU is in the topology, as query-cpus-fast tells it (CpuInstanceProperties). */
export function cpuPlace({ threads, cores }: SmpTopology, index: number): JsonObject {
  return {
    'core-id': Math.floor(index / threads) % cores,
    'thread-id': index % threads,
    'socket-id': Math.floor(index / (threads * cores)),
  };
}
