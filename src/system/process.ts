import { closeSync, fstatSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { isTerminal } from '../host/fd.js';
import { blockingCalls, check, libc, strerror } from '../host/libc.js';
import { asError, QemuError } from './errors.js';

/** Set for the process that -daemonize leaves behind. */
const DAEMON = 'NITRO_EMU_DAEMON';
/** The daemon's last word on its stderr while the launcher listens: everything is up. */
const READY = '\0';
/** Major device number of /dev/null and its like. */
const MEMORY_DEVICES = 1;

/**
 * -daemonize: Node cannot fork, so the launcher starts this program again in a session of its own, passes its messages
 * on, and ends once that one is up (status 0) or has failed (its status).
 *
 * @returns 'daemon' in the process that stays; the launcher does not return before it is to end, with its exit status
 */
export async function daemonize(): Promise<'daemon' | number> {
  if (process.env[DAEMON] !== undefined) {
    delete process.env[DAEMON];
    return 'daemon';
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    argv0: process.argv0,
    env: { ...process.env, [DAEMON]: '1' },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  return await new Promise((resolve) => {
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      const end = text.indexOf(READY);
      process.stderr.write(end < 0 ? text : text.slice(0, end));
      if (end < 0) return;
      child.unref();
      resolve(0);
    });
    child.on('error', (error) => {
      process.stderr.write(`cannot start the background process: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

/** In the daemon, once it is up: lets the launcher go and gives up standard output and error. @throws HostError */
export function daemonReady(): void {
  writeSync(2, READY);
  const nowhere = openSync('/dev/null', 'r+');
  for (const fd of [1, 2]) check('dup2', libc.dup2(nowhere, fd));
  closeSync(nowhere);
}

/**
 * Ends the process. A native call that is still waiting (a request with the Nitro card takes up to 120 s) would hold
 * process.exit() up; the kernel takes care of what such a call holds.
 */
export function exitProcess(code: number): never {
  if (blockingCalls() > 0) {
    // As process.exit() does: terminals are put back, the pid file goes.
    process.emit('exit', code);
    libc._exit(code);
  }
  leaveLostTerminals();
  process.exit(code);
}

/** Node aborts when it cannot put the modes of its standard descriptors back, and on a terminal that hung up it cannot. */
function leaveLostTerminals(): void {
  for (const fd of [0, 1, 2]) {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice() || stat.rdev >> 8 === MEMORY_DEVICES || isTerminal(fd)) continue;
    const nowhere = openSync('/dev/null', 'r+');
    libc.dup2(nowhere, fd);
    closeSync(nowhere);
  }
}

/**
 * Writes this process's id to `path` and returns the function that removes the file again.
 *
 * @throws QemuError `cannot create PID file: ...`
 */
export function writePidFile(path: string): () => void {
  const fail = (error: unknown): never => {
    const reason = systemReason(error);
    throw new QemuError(`cannot create PID file: Could not create '${path}': ${reason}`, { cause: error });
  };
  try {
    const fd = openSync(path, 'w', 0o600);
    writeSync(fd, `${process.pid}\n`);
    closeSync(fd);
  } catch (error) {
    fail(error);
  }
  return () => {
    try {
      if (readFileSync(path, 'utf8').trim() === String(process.pid)) unlinkSync(path);
    } catch {
      // Somebody else removed it first.
    }
  };
}

/** The C library's text for an error of node:fs, whose own message has other words and the path besides. */
export function systemReason(thrown: unknown): string {
  const error = asError(thrown) as NodeJS.ErrnoException;
  return typeof error.errno === 'number' ? strerror(Math.abs(error.errno)) : error.message;
}
