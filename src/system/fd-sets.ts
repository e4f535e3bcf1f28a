import { closeSync, constants, readFileSync } from 'node:fs';
import { duplicate } from '../host/fd.js';
import { QemuError } from './errors.js';
import type { Int64 } from './json.js';
import type { System } from './system.js';

export interface FdSetEntry {
  readonly fd: number;
  readonly opaque: string | undefined;
}

/** Sets of descriptors handed over with add-fd or -add-fd, opened as `/dev/fdset/ID` (QEMU: monitor/fds.c). */
export class FdSets {
  readonly #sets = new Map<Int64, FdSetEntry[]>();

  /** In ascending order of ids. */
  list(): [id: Int64, entries: readonly FdSetEntry[]][] {
    return [...this.#sets].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /**
   * Puts a descriptor into a set, by default into a new one with the lowest free id. The set owns it from now on.
   *
   * @throws QemuError when the id is negative
   */
  add(fd: number, id: Int64 | undefined, opaque: string | undefined): Int64 {
    if (id !== undefined && id < 0) throw new QemuError("Parameter 'fdset-id' expects a non-negative value");
    let free = 0;
    while (this.#sets.has(free)) free++;
    const chosen = id ?? free;
    this.#sets.set(chosen, [...(this.#sets.get(chosen) ?? []), { fd, opaque }]);
    return chosen;
  }

  /**
   * Opens `/dev/fdset/ID`: a duplicate of a descriptor of the set that was opened to read, write or both, as asked.
   *
   * @param flags of node:fs constants
   * @throws QemuError when there is no such set or no such descriptor in it
   */
  open(id: number, flags: number): number {
    const fail = (reason: string): QemuError => new QemuError(`Could not open '/dev/fdset/${id}': ${reason}`);
    const entries = this.#sets.get(id);
    if (entries === undefined) throw fail('No such file or directory');
    const fitting = entries.find(({ fd }) => (openFlags(fd) & ACCESS_MODE) === (flags & ACCESS_MODE));
    if (fitting === undefined) throw fail('Permission denied');
    return duplicate(fitting.fd);
  }

  /** Closes one descriptor of a set, or all. @throws QemuError when there is no such set or descriptor */
  remove(id: Int64, fd: Int64 | undefined): void {
    const entries = this.#sets.get(id);
    const going = entries?.filter((entry) => fd === undefined || entry.fd === fd) ?? [];
    if (entries === undefined || (fd !== undefined && going.length === 0)) {
      const named = fd === undefined ? `fdset-id:${id}` : `fdset-id:${id}, fd:${fd}`;
      throw new QemuError(`File descriptor named '${named}' not found`);
    }
    for (const entry of going) closeSync(entry.fd);
    const left = entries.filter((entry) => !going.includes(entry));
    if (left.length > 0) this.#sets.set(id, left);
    else this.#sets.delete(id);
  }
}

const ACCESS_MODE = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR;

/** Flags a descriptor of this process was opened with. */
function openFlags(fd: number): number {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
  return Number.parseInt(flags ?? '0', 8);
}

const ofSystem = new WeakMap<System, FdSets>();

/** The descriptor sets of a process. */
export function fdSetsOf(system: System): FdSets {
  let sets = ofSystem.get(system);
  if (sets === undefined) {
    sets = new FdSets();
    ofSystem.set(system, sets);
  }
  return sets;
}
