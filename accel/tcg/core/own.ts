export * from './far';
export * from './integer';
export * from './legacy';
export * from './ports';
export {
  op_breakpoint,
  op_cross,
  op_invalid,
  op_link,
  op_next_page,
  op_poll,
  op_stale,
  op_too_long,
  op_unimplemented,
} from './settle';
export * from './stack';
export * from './strings';
export * from './system';

import { NM } from './bits';
import { raise } from './exceptions';
import { raisePending } from './fp/unit';
import { CR0 } from './state';

/** Takes a pending x87 exception. Only CR0.MP and TS together make it #NM, not EM. */
export function op_fwait(rec: usize): void {
  if ((load<u64>(CR0) & 10) == 10) raise(NM);
  else raisePending();
}
