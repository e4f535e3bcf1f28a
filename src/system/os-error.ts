import { strerror } from '../host/libc.js';
import { asError } from './errors.js';

/** The C library's text for a failed file operation of Node or call of src/host, as QEMU's sentences end with it. */
export function osErrorText(thrown: unknown): string {
  const error = asError(thrown);
  const errno = 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;
  return errno === undefined ? error.message : strerror(Math.abs(errno));
}
