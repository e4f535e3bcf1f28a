import type { System } from '../system/system.js';
import { memoryBackends } from './backend.js';

/** A stretch of host memory, as `info ramblock` lists it. */
export interface RamBlock {
  /** Name of its region. */
  readonly id: string;
  /** Part of a guest's memory; `info ramblock` names no others. */
  readonly mapped: boolean;
  /** Where it is in this process. */
  readonly address: bigint;
  /** Bytes; used and total size are the same here. */
  readonly size: number;
  readonly pageSize: number;
  /** Position in the space of all blocks, bytes. */
  readonly offset: number;
  readonly readonly: boolean;
}

/** The machine's RAM blocks, or with `all` those of backends that no machine uses too; largest first. */
export function ramBlocks(system: System, which: 'mapped' | 'all' = 'mapped'): RamBlock[] {
  return memoryBackends(system)
    .filter((backend) => backend.allocated && (which === 'all' || backend.mapped))
    .map((backend) => ({
      id: backend.label,
      mapped: backend.mapped,
      address: backend.address,
      size: backend.size,
      pageSize: backend.pageSize,
      offset: backend.ramOffset,
      readonly: backend.rom,
    }))
    .sort((a, b) => b.size - a.size || a.offset - b.offset);
}
