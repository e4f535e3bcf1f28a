import { open } from 'node:fs/promises';
import { HostError } from '../host/libc.js';
import { Mapping } from '../host/memory.js';

/** libuv's pool has four threads by default; one stays free for files. */
const MAX_THREADS = 3;
const SLICE = 64 * 2 ** 20;
const EINVAL = 22;

/**
 * Populates all pages, on several threads of libuv's pool.
 *
 * @param threads asked for; small memory takes one
 * @param zero the memory holds nothing yet, so that zeros may be written on kernels before 5.14
 * @throws HostError or a system error when memory runs out
 */
export async function preallocate(mapping: Mapping, threads: number, zero: boolean): Promise<void> {
  try {
    await populate(mapping, threads);
  } catch (error) {
    if (!(error instanceof HostError) || error.errno !== EINVAL || !zero) throw error;
    await writeZeros(mapping);
  }
}

async function populate(mapping: Mapping, threads: number): Promise<void> {
  const share = Math.ceil(mapping.size / Math.min(threads, MAX_THREADS) / SLICE) * SLICE;
  const parts: Promise<void>[] = [];
  for (let at = 0; at < mapping.size; at += share) {
    const length = Math.min(share, mapping.size - at);
    parts.push(new Mapping(mapping.address + BigInt(at), length).populate());
  }
  // All threads are done with the memory before anyone can unmap it.
  for (const result of await Promise.allSettled(parts)) if (result.status === 'rejected') throw result.reason;
}

/**
 * The same for kernels without MADV_POPULATE_WRITE: the kernel copies zeros, and answers EFAULT where no page can be had
 * (a store of ours would be SIGBUS).
 */
export async function writeZeros(mapping: Mapping): Promise<void> {
  await using zeros = await open('/dev/zero');
  for (const window of mapping.windows()) {
    for (let at = 0; at < window.length; ) {
      const { bytesRead } = await zeros.read(window, at, Math.min(SLICE, window.length - at));
      at += bytesRead;
    }
  }
}
