/** Offsets of RAM blocks are multiples of this: 64 target pages (QEMU: find_ram_offset). */
const OFFSET_GRID = 64 * 4096;

/** A block in the space of all RAM blocks, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** The smallest gap between the blocks that `size` bytes fit in, or the end of the last. */
export function nextRamOffset(blocks: readonly Extent[], size: number): number {
  let best: Extent | undefined;
  let offset = 0;
  for (const block of [...blocks].sort((a, b) => a.offset - b.offset)) {
    const gap = block.offset - offset;
    if (gap >= size && (best === undefined || gap < best.size)) best = { offset, size: gap };
    offset = Math.ceil((block.offset + block.size) / OFFSET_GRID) * OFFSET_GRID;
  }
  return best?.offset ?? offset;
}
