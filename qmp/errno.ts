import { asError } from '../src/system/errors.js';

/** The C library's text for a failed file operation of Node, as QEMU's errors carry it. */
export async function errnoText(thrown: unknown): Promise<string> {
  const { errno } = thrown as { errno?: number };
  if (errno === undefined) return asError(thrown).message;
  const { strerror } = await import('../src/host/libc.js');
  return strerror(-errno);
}
