import { ADDRESS_MASKS, CPU_INDEX } from './state';
import { flushAll, translate, READ } from './paging';
import { updateMode } from './segments';
import { getRflags as flags, setFlags as arithmetic } from './flags';

export { run } from './hot';
export { flushAll, flushLocal } from './paging';
export { updateMode } from './segments';
export { dropAll, codeWritten } from './code';
export { getFlags, setFlags } from './flags';

/** Once, in fresh memory. */
export function initialize(): void {
  store<u64>(ADDRESS_MASKS, ~0);
  store<u64>(ADDRESS_MASKS + 8, 0xffffffff);
  store<u64>(ADDRESS_MASKS + 16, 0xffff);
  flushAll();
}
