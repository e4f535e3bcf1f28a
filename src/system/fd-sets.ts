import { closeSync } from 'node:fs';
import { QemuError } from './errors.js';
import type { System } from './system.js';

export interface FdSetEntry {
  readonly fd: number;
  readonly opaque: string | undefined;
}

/** Sets of descriptors handed over with add-fd or -add-fd, opened as `/dev/fdset/ID` (QEMU: monitor/fds.c). */
export class FdSets {
  readonly #sets = new Map<number, FdSetEntry[]>();

  /** In ascending order of ids. */
  list(): [id: number, entries: readonly FdSetEntry[]][] {
    return [...this.#sets].sort(([a], [b]) => a - b);
  }

  /**
   * Puts a descriptor into a set, by default into a new one with the lowest free id. The set owns it from now on.
   *
   * @throws QemuError when the id is negative
   */
  add(fd: number, id: number | undefined, opaque: string | undefined): number {
    if (id !== undefined && id < 0) throw new QemuError("Parameter 'fdset-id' expects a non-negative value");
    let free = 0;
    while (this.#sets.has(free)) free++;
    const chosen = id ?? free;
    this.#sets.set(chosen, [...(this.#sets.get(chosen) ?? []), { fd, opaque }]);
    return chosen;
  }

  /** Closes one descriptor of a set, or all. @throws QemuError when there is no such set or descriptor */
  remove(id: number, fd: number | undefined): void {
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
