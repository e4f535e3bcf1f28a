import { readFileSync } from 'node:fs';
import { QemuError } from './errors.js';

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Name for the supplementary groups; undefined for a numeric identity, which has none. */
  readonly name: string | undefined;
}

/**
 * Reads `-run-with user=`: a name of /etc/passwd or `UID:GID`.
 *
 * @throws QemuError
 */
export function parseRunAs(text: string, passwd: () => string = () => readFileSync('/etc/passwd', 'utf8')): Identity {
  const numeric = /^(\d+):(\d+)$/.exec(text);
  if (numeric !== null) return { uid: Number(numeric[1]), gid: Number(numeric[2]), name: undefined };
  for (const line of passwd().split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === text && uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid), name };
  }
  // QEMU quotes the whole option here.
  throw new QemuError(`User "user=${text}" doesn't exist (and is not <uid>:<gid>)`);
}

/** Node has it on POSIX hosts; its types leave it out. */
const initgroups = process as { initgroups?: (user: string, group: number) => void };

/** Gives up root for good. @throws QemuError */
export function runAs({ uid, gid, name }: Identity): void {
  try {
    if (name === undefined) process.setgroups?.([gid]);
    else initgroups.initgroups?.(name, gid);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    throw new QemuError(`Failed to change to user ${uid}:${gid}`, { cause: error });
  }
}
