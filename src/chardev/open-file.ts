import { closeSync, constants, openSync } from 'node:fs';
import { watch } from '../host/reactor.js';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';

/** Opens `/dev/fdset/N`: a duplicate of a descriptor given with -add-fd or add-fd that fits `flags`. @throws QemuError */
export type OpenFdset = (set: number, flags: number) => number;

/**
 * open(2) without waiting: a FIFO whose other end is missing fails instead.
 *
 * @param flags of node:fs constants; O_CREAT makes the file with mode 0666
 * @param verb of the sentence
 * @throws QemuError `Could not open 'PATH': ...`
 */
export function openFile(path: string, flags: number, openFdset?: OpenFdset, verb: 'open' | 'create' = 'open'): number {
  const set = /^\/dev\/fdset\/(\d+)$/.exec(path)?.[1];
  if (set !== undefined && openFdset !== undefined) return openFdset(Number(set), flags);
  try {
    return openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY, 0o666);
  } catch (error) {
    throw new QemuError(`Could not ${verb} '${path}': ${osErrorText(error)}`, { cause: asError(error) });
  }
}

/** Whether epoll can watch it: FIFOs, sockets and terminals, not regular files. */
export function isPollable(fd: number): boolean {
  try {
    watch(fd, { hangup: true }, () => {}).close();
    return true;
  } catch {
    return false;
  }
}

export function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It is gone either way.
  }
}
