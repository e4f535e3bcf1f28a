import { check, Errno, HostError, koffi, libc } from './libc.js';

// <linux/memfd.h>, <bits/mman-linux.h>, <asm-generic/mman.h>
const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const MFD_HUGETLB = 0x4;
const HUGE_SHIFT = 26;
const PROT_NONE = 0x0;
const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_HUGETLB = 0x40000;
const MADV_POPULATE_WRITE = 23;
const F_ADD_SEALS = 1033;
const MPOL_MF_STRICT = 1;
const MPOL_MF_MOVE = 2;
const SYS_MBIND = process.arch === 'arm64' ? 235 : 237;

const GIB = 2 ** 30;
/**
 * One populate call covers this much. The kernel holds the address space's lock meanwhile, and the main thread waits for
 * it in its own mmap calls: measured gaps of 8 to 14 ms, where 64 MiB made them 200 ms.
 */
const POPULATE_SLICE = 8 * 2 ** 20;

/** Seals of memfd files (<linux/fcntl.h>), to be or-ed. */
export const Seal = { SEAL: 1, SHRINK: 2, GROW: 4, WRITE: 8, FUTURE_WRITE: 16 } as const;

/** Advice for Mapping.advise (<asm-generic/mman-common.h>). */
export const Advice = {
  REMOVE: 9,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  MERGEABLE: 12,
  UNMERGEABLE: 13,
  DONTDUMP: 16,
  DODUMP: 17,
} as const;

/** NUMA policies of mbind(2) (<linux/mempolicy.h>); the order is also QEMU's HostMemPolicy. */
export const MemPolicy = { default: 0, preferred: 1, bind: 2, interleave: 3 } as const;

export interface MemfdOptions {
  /** Size of the huge pages in bytes, a power of two; small pages if absent. */
  hugePageSize?: number;
  /** Allow F_ADD_SEALS. */
  sealable?: boolean;
}

/** A close-on-exec memfd_create(2) file of size 0. `name` shows in /proc/PID/maps. @throws HostError */
export function memfdCreate(name: string, { hugePageSize, sealable = false }: MemfdOptions = {}): number {
  let flags = MFD_CLOEXEC;
  if (sealable) flags |= MFD_ALLOW_SEALING;
  if (hugePageSize !== undefined) flags |= MFD_HUGETLB | hugeSizeFlag(hugePageSize);
  return check('memfd_create', libc.memfdCreate(name, flags >>> 0));
}

/** fcntl(F_ADD_SEALS) with a mask of Seal. @throws HostError */
export function addSeals(fd: number, seals: number): void {
  check('fcntl', libc.fcntl(fd, F_ADD_SEALS, seals));
}

export interface MapOptions {
  /** Bytes, a multiple of the page size used. */
  size: number;
  /** The file to map, anonymous memory if absent. */
  fd?: number;
  /** Where in the file, bytes, a multiple of the page size. */
  offset?: number;
  /** MAP_SHARED, the default; else MAP_PRIVATE. */
  shared?: boolean;
  /** Readable and writable, the default; else readable only. */
  writable?: boolean;
  /** Do not reserve swap or huge pages: a lack of them shows at first touch (SIGBUS), not here. */
  noReserve?: boolean;
  /** Anonymous memory of huge pages of this size in bytes, a power of two. */
  hugePageSize?: number;
  /** Alignment of the address in bytes, a power of two and a multiple of the page size; that of the page size if absent. */
  align?: number;
}

/** mmap(2). @throws HostError: ENOMEM also when not enough huge pages are free, EINVAL for sizes and offsets off the page grid */
export function mmap(options: MapOptions): Mapping {
  const { size, fd, offset = 0, shared = true, writable = true, noReserve = false, hugePageSize } = options;
  let flags = shared ? MAP_SHARED : MAP_PRIVATE;
  if (fd === undefined) flags |= MAP_ANONYMOUS;
  if (noReserve) flags |= MAP_NORESERVE;
  if (hugePageSize !== undefined) flags |= MAP_HUGETLB | hugeSizeFlag(hugePageSize);
  const prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = options.align === undefined ? null : reserveAligned(size, options.align);
  if (address !== null) flags |= MAP_FIXED;
  const result = libc.mmap(address, size, prot, flags, fd ?? -1, offset);
  if (result < 0 && address !== null) check('munmap', libc.munmap(address, size));
  return new Mapping(BigInt(check('mmap', result)), size);
}

/** Takes `size` bytes of address space at a multiple of `align`, to be mapped over. */
function reserveAligned(size: number, align: number): bigint {
  const whole = size + align;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const start = BigInt(check('mmap', libc.mmap(null, whole, PROT_NONE, flags, -1, 0)));
  const head = Number(-start & (BigInt(align) - 1n));
  const address = start + BigInt(head);
  if (head > 0) check('munmap', libc.munmap(start, head));
  check('munmap', libc.munmap(address + BigInt(size), align - head));
  return address;
}

function hugeSizeFlag(bytes: number): number {
  const log2 = Math.log2(bytes);
  if (!Number.isInteger(log2)) throw new RangeError(`${bytes} is not a power of two`);
  return log2 * 2 ** HUGE_SHIFT;
}

/**
 * Maps a file over memory that is mapped already: whoever has that memory sees the file's bytes from then on.
 *
 * @param address a multiple of the page size, `size` bytes of which the caller owns
 * @throws HostError
 */
export function mapOver(address: bigint, { size, fd, offset }: { size: number; fd: number; offset: number }): void {
  check('mmap', libc.mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset));
}

/** Where the bytes of a buffer lie, for a structure that points to them; good as long as somebody keeps the buffer. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi().address(buffer);
}

/** A range of this process's address space. Other threads get `address` and `size` and make a Mapping of their own. */
export class Mapping implements Disposable {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  #views: (ArrayBuffer | undefined)[] = [];
  #mapped = true;
  #populating = 0;

  constructor(address: bigint, size: number) {
    this.address = address;
    this.size = size;
  }

  /**
   * The bytes from `offset` on as views of the memory itself, in order, cut at multiples of 1 GiB from the start (an
   * ArrayBuffer above 4 GiB would abort the process). A view used after unmap(), or written to where the mapping is
   * read-only, is a fault that ends the process.
   *
   * @throws RangeError outside of the mapping or after unmap()
   */
  *windows(offset = 0, length = this.size - offset): Generator<Uint8Array> {
    this.#checkRange(offset, length);
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / GIB);
      const start = index * GIB;
      const stop = Math.min(end, start + GIB);
      yield new Uint8Array(this.#view(index), at - start, stop - at);
      at = stop;
    }
  }

  #view(index: number): ArrayBuffer {
    const start = index * GIB;
    const view = this.#views[index] ?? koffi().view(this.address + BigInt(start), Math.min(GIB, this.size - start));
    this.#views[index] = view;
    return view;
  }

  #checkRange(offset: number, length: number): void {
    if (!this.#mapped) throw new RangeError('the memory is not mapped any more');
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (!whole || offset < 0 || length < 0 || offset + length > this.size)
      throw new RangeError(`${length} bytes at ${offset} are outside of a mapping of ${this.size} bytes`);
  }

  /** madvise(2) on all of it, with a value of Advice. @throws HostError: EINVAL where the kernel lacks the feature */
  advise(advice: number): void {
    this.#checkRange(0, this.size);
    check('madvise', libc.madvise(this.address, this.size, advice));
  }

  /**
   * mbind(2) on all of it, moving pages that exist already.
   *
   * @param policy a value of MemPolicy
   * @param nodes NUMA nodes; none for MemPolicy.default
   * @throws HostError
   */
  bind(policy: number, nodes: readonly number[]): void {
    this.#checkRange(0, this.size);
    const top = Math.max(0, ...nodes);
    const mask = Buffer.alloc(8 * (Math.floor(top / 64) + 1));
    for (const node of nodes) mask[node >> 3] = (mask[node >> 3] ?? 0) | (1 << (node & 7));
    // The kernel looks at one bit less than it is told (mbind(2), "maxnode").
    const maxNode = mask.length * 8 + 1;
    const flags = MPOL_MF_STRICT | MPOL_MF_MOVE;
    check('mbind', libc.mbindSyscall(SYS_MBIND, this.address, this.size, policy, mask, maxNode, flags));
  }

  /**
   * Allocates every page (MADV_POPULATE_WRITE, Linux 5.14) on a thread of libuv's pool, slice by slice. Contents stay.
   *
   * @throws HostError EFAULT or ENOMEM when memory or huge pages run out, EINVAL on an older kernel, ECANCELED after an abort
   */
  async populate({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    for (let at = 0; at < this.size; at += POPULATE_SLICE) {
      if (signal?.aborted || !this.#mapped) throw new HostError('madvise', Errno.ECANCELED);
      const length = Math.min(POPULATE_SLICE, this.size - at);
      this.#populating += 1;
      try {
        check('madvise', await libc.madviseBlocking(this.address + BigInt(at), length, MADV_POPULATE_WRITE));
      } finally {
        this.#populating -= 1;
        if (!this.#mapped) this.#release();
      }
    }
  }

  /** munmap(2), after the slice that a running populate() is at; a second call does nothing. @throws HostError */
  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.#views = [];
    this.#release();
  }

  /**
   * As unmap(), on a thread of libuv's pool: freeing pages takes about 60 ms a GiB. No populate() may be running.
   *
   * @param slice bytes unmapped by one call, a multiple of the page size
   * @throws HostError
   */
  async release(slice: number): Promise<void> {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.#views = [];
    for (let at = 0; at < this.size; at += slice) {
      check('munmap', await libc.munmapBlocking(this.address + BigInt(at), Math.min(slice, this.size - at)));
    }
  }

  #release(): void {
    if (this.#populating === 0) check('munmap', libc.munmap(this.address, this.size));
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}

/** Gives memory that the C library's heap keeps for later back to the system (malloc_trim(3)); takes some 0.3 s of a thread. */
export async function trimHeap(): Promise<void> {
  await libc.mallocTrimBlocking(0);
}
