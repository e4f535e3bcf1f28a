import { registerHandlers } from './general';
import { flushAll } from './paging';
import { ADDRESS_MASKS } from './state';

export { codeWritten, dropAll } from './code';
export { getFlags, setFlags } from './flags';
export { run } from './hot';
export { flushAll } from './paging';
export { updateMode } from './segments';

/** Once, in fresh memory. */
export function initialize(): void {
  store<u64>(ADDRESS_MASKS, ~0);
  store<u64>(ADDRESS_MASKS + 8, 0xffffffff);
  store<u64>(ADDRESS_MASKS + 16, 0xffff);
  registerHandlers();
  flushAll();
}
