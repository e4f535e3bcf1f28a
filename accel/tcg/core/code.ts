import { forgetMap, protectPage } from './paging';
import { LENGTH, OP, RECORD_SIZE } from './record';
import {
  CHUNK_MAX,
  CHUNK_SIZE,
  CHUNKS,
  CODE_MAP_SIZE,
  CODE_MAPS,
  CODE_PAGE_MAX,
  CODE_PAGE_SIZE,
  CODE_PAGES,
  PAGE_INDEX,
  RAM_BASE,
} from './state';
import { OP_STALE } from './tables';

// A code page: what was decoded of a page of RAM in one mode. u32 fields.
const PAGE: usize = 0; // linear address of the page
export const PAGE_MODE: usize = 4;
/** Map: for each offset in the page its record, or 0. */
export const PAGE_MAP: usize = 8;
const PAGE_CHUNKS: usize = 12; // list by the first word of a chunk
const PAGE_FREE: usize = 16; // next record to be given out
const PAGE_LIMIT: usize = 20; // end of the current chunk
const PAGE_NEXT: usize = 24; // the same page in another mode, or the next free code page
/** Not 0: an instruction that begins in the page before ends in this one. */
export const PAGE_CROSSED: usize = 28;

let pagesUsed: u32 = 0;
let freePages: usize = 0;
let chunksUsed: u32 = 0;
let freeChunks: usize = 0;
/** Changes whenever records are dropped. */
export let generation: u32 = 0;

function indexOf(at: usize): usize {
  return PAGE_INDEX + (((at - RAM_BASE) >>> 12) << 2);
}

export function hasCode(page: usize): bool {
  return load<u32>(indexOf(page)) != 0;
}

/** The code page of a page of RAM in a mode; made when there is none. */
export function codePage(page: usize, mode: u32): usize {
  const index = indexOf(page);
  const first = load<usize>(index);
  for (let at = first; at != 0; at = load<usize>(at, PAGE_NEXT)) if (load<u32>(at, PAGE_MODE) == mode) return at;
  let at = freePages;
  if (at != 0) {
    freePages = load<usize>(at, PAGE_NEXT);
  } else {
    if (pagesUsed == CODE_PAGE_MAX) {
      dropAll();
      return codePage(page, mode);
    }
    at = CODE_PAGES + pagesUsed * CODE_PAGE_SIZE;
    store<usize>(at, CODE_MAPS + pagesUsed * CODE_MAP_SIZE, PAGE_MAP);
    pagesUsed += 1;
  }
  store<usize>(at, page, PAGE);
  store<u32>(at, mode, PAGE_MODE);
  store<usize>(at, 0, PAGE_CHUNKS);
  store<usize>(at, 0, PAGE_FREE);
  store<usize>(at, 0, PAGE_LIMIT);
  store<usize>(at, first, PAGE_NEXT);
  store<u32>(at, 0, PAGE_CROSSED);
  store<usize>(index, at);
  if (first == 0) protectPage(page);
  return at;
}

/** Room for a record behind the last one. 0 when `count` records do not fit behind one another: the caller links to newChunk(). */
export function newRecord(code: usize, count: u32): usize {
  const at = load<usize>(code, PAGE_FREE);
  if (at + count * RECORD_SIZE > load<usize>(code, PAGE_LIMIT)) return 0;
  store<usize>(code, at + RECORD_SIZE, PAGE_FREE);
  return at;
}

/** Gives a code page a fresh chunk. False when all are in use. */
export function newChunk(code: usize): bool {
  let at = freeChunks;
  if (at != 0) {
    freeChunks = load<usize>(at);
  } else {
    if (chunksUsed == CHUNK_MAX) return false;
    at = CHUNKS + chunksUsed * CHUNK_SIZE;
    chunksUsed += 1;
  }
  store<usize>(at, load<usize>(code, PAGE_CHUNKS));
  store<usize>(code, at, PAGE_CHUNKS);
  store<usize>(code, at + RECORD_SIZE, PAGE_FREE);
  store<usize>(code, at + CHUNK_SIZE, PAGE_LIMIT);
  return true;
}

/** Whether another chunk can be had. */
export function chunkLeft(): bool {
  return freeChunks != 0 || chunksUsed < CHUNK_MAX;
}

/** Forgets the code of a page of RAM in all modes. A record that runs stays as it is; those behind it look up RIP again. */
function dropPage(page: usize): void {
  const index = indexOf(page);
  let code = load<usize>(index);
  store<usize>(index, 0);
  generation += 1;
  while (code != 0) {
    const map = load<usize>(code, PAGE_MAP);
    memory.fill(map, 0, CODE_MAP_SIZE);
    forgetMap(map);
    let chunk = load<usize>(code, PAGE_CHUNKS);
    while (chunk != 0) {
      for (let at = chunk + RECORD_SIZE; at < chunk + CHUNK_SIZE; at += RECORD_SIZE) store<u16>(at, <u16>OP_STALE, OP);
      const next = load<usize>(chunk);
      store<usize>(chunk, freeChunks);
      freeChunks = chunk;
      chunk = next;
    }
    const next = load<usize>(code, PAGE_NEXT);
    store<usize>(code, freePages, PAGE_NEXT);
    freePages = code;
    code = next;
  }
}

/** Forgets all code: the room for it is used up. */
export function dropAll(): void {
  for (let i: u32 = 0; i < pagesUsed; i++) {
    const page = load<usize>(CODE_PAGES + i * CODE_PAGE_SIZE, PAGE);
    if (page != 0 && load<usize>(indexOf(page)) != 0) dropPage(page);
  }
}

/** Called before `length` bytes within a page of RAM are changed. */
export function codeWritten(at: usize, length: u32): void {
  let code = load<usize>(indexOf(at));
  const from = <u32>at & 0xfff;
  for (; code != 0; code = load<usize>(code, PAGE_NEXT)) {
    if (load<u32>(code, PAGE_CROSSED) != 0 && from < 15) return dropPage(at & ~0xfff);
    const map = load<usize>(code, PAGE_MAP);
    for (let offset: u32 = from < 14 ? 0 : from - 14; offset < from + length; offset++) {
      const rec = load<usize>(map + (offset << 2));
      if (rec != 0 && offset + <u32>load<u8>(rec, LENGTH) > from) return dropPage(at & ~0xfff);
    }
  }
}
