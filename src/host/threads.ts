import { libc } from './libc.js';

const SIGUSR2 = 12;
let kicksTaken = false;

/** Kernel id of the calling thread, as in /proc/PID/task. */
export function threadId(): number {
  return libc.gettid();
}

/** Makes kicks harmless; to be called on the main thread, once before the first kick. The handler stays for good. */
export function takeKicks(): void {
  if (kicksTaken) return;
  kicksTaken = true;
  process.on('SIGUSR2', () => {});
}

/**
 * Interrupts the system call that a thread of this process waits in, which then fails with EINTR. Without effect on a
 * thread that runs or has ended.
 */
export function kickThread(tid: number): void {
  libc.tgkill(process.pid, tid, SIGUSR2);
}
