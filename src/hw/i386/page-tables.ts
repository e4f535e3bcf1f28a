import type { GuestMemory } from '../../system/guest-memory.js';
import { ByteWriter } from './byte-writer.js';
import { IDENTITY_MAPPED, layout } from './memory-layout.js';

const PAGE = 4096;
const LARGE_PAGE = 0x200000;
const PRESENT_WRITABLE = 0x3;
const LARGE = 0x80;

/** Writes the three pages of tables at `layout.pml4` that map the first GiB onto itself in pages of 2 MiB (spec virtio.md, section 7). */
export function writePageTables(memory: GuestMemory): void {
  memory.write(layout.pml4, table([layout.pdpt | PRESENT_WRITABLE]));
  memory.write(layout.pdpt, table([layout.pageDirectory | PRESENT_WRITABLE]));
  const pages = Array.from(
    { length: IDENTITY_MAPPED / LARGE_PAGE },
    (_, i) => i * LARGE_PAGE + (LARGE | PRESENT_WRITABLE),
  );
  memory.write(layout.pageDirectory, table(pages));
}

function table(entries: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const entry of entries) writer.u64(entry);
  return writer.zeros(PAGE - writer.length).bytes();
}
