import { writeSync } from 'node:fs';

/** Bytes of messages kept for a standard error that takes none at the moment; more are dropped. */
const KEPT_MAX = 64 * 1024;
const RETRY_MS = 20;
/** How long the end of the process waits for the last messages. */
const EXIT_LIMIT_MS = 1_000;

let kept = Buffer.alloc(0);
let timer: NodeJS.Timeout | undefined;

/**
 * Writes a message to standard error. That is often the open file of a terminal or pipe which a character device has made
 * non-blocking: what it has no room for follows later, and what cannot be written at all is dropped.
 */
export function writeStderr(text: string): void {
  const message = Buffer.from(text);
  if (kept.length + message.length > KEPT_MAX) return;
  kept = Buffer.concat([kept, message]);
  if (timer === undefined) flush();
}

function flush(): void {
  timer = undefined;
  if (writeSome()) return;
  timer = setTimeout(flush, RETRY_MS).unref();
  process.off('exit', finish);
  process.once('exit', finish);
}

/** @returns false when some of it has to wait */
function writeSome(): boolean {
  try {
    while (kept.length > 0) kept = kept.subarray(writeSync(2, kept));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    kept = Buffer.alloc(0);
  }
  return true;
}

function finish(): void {
  const limit = Date.now() + EXIT_LIMIT_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (!writeSome() && Date.now() < limit) Atomics.wait(pause, 0, 0, RETRY_MS);
}
