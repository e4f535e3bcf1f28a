import { statfs } from 'node:fs/promises';
import { HostFacts } from '../host/host-facts.js';

/** <linux/magic.h> */
const HUGETLBFS_MAGIC = 0x958458f6;

/** Bytes of an ordinary page of this host. */
export function smallPageSize(): number {
  return new HostFacts().pageSize() ?? 4096;
}

/** Bytes of the pages of an open file: huge ones on hugetlbfs. */
export async function filePageSize(fd: number): Promise<{ pageSize: number; hugetlbfs: boolean }> {
  const { type, bsize } = await statfs(`/proc/self/fd/${fd}`);
  const hugetlbfs = type >>> 0 === HUGETLBFS_MAGIC;
  return { pageSize: hugetlbfs ? bsize : smallPageSize(), hugetlbfs };
}
