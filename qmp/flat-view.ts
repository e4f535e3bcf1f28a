import type { MemoryRegion } from '../src/system/memory.js';

/** A stretch of an address space and the region that answers there. Addresses are inclusive. */
export interface FlatRange {
  readonly first: bigint;
  readonly last: bigint;
  readonly region: MemoryRegion;
  /** Of `first` within the region. */
  readonly offset: bigint;
}

/**
 * What is visible in the address space below `root`, in ascending order (QEMU: generate_memory_topology).
 *
 * @param answers whether a region answers accesses by itself, or only holds others
 */
export function flatView(root: MemoryRegion, answers: (region: MemoryRegion) => boolean): FlatRange[] {
  const ranges: FlatRange[] = [];
  const render = (region: MemoryRegion, base: bigint, first: bigint, last: bigint): void => {
    const start = base > first ? base : first;
    const end = base + region.size - 1n < last ? base + region.size - 1n : last;
    if (start > end) return;
    if (region.alias !== undefined) {
      render(region.alias.region, base - region.alias.offset, start, end);
      return;
    }
    // What lies above hides what is drawn later.
    const above = [...region.subregions].sort((a, b) => b.priority - a.priority);
    for (const child of above) render(child, base + child.addr, start, end);
    if (answers(region)) fillGaps(ranges, region, base, start, end);
  };
  render(root, 0n, 0n, root.size - 1n);
  return ranges;
}

/** Puts `region` wherever nothing is drawn yet between `first` and `last`. */
function fillGaps(ranges: FlatRange[], region: MemoryRegion, base: bigint, first: bigint, last: bigint): void {
  const added: FlatRange[] = [];
  let from = first;
  const add = (to: bigint): void => {
    if (from <= to) added.push({ first: from, last: to, region, offset: from - base });
  };
  for (const taken of ranges) {
    if (taken.last < from) continue;
    if (taken.first > last) break;
    add(taken.first - 1n);
    from = taken.last + 1n;
  }
  add(last);
  ranges.push(...added);
  ranges.sort((a, b) => (a.first < b.first ? -1 : 1));
}
