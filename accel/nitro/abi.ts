/** <linux/nitro_enclaves.h>: ioctl numbers, structures (little-endian on both architectures) and error numbers. */

export const NE_DEVICE = '/dev/nitro_enclaves';

export const NE_CREATE_VM = 0x8008ae20;
export const NE_ADD_VCPU = 0xc004ae21;
export const NE_GET_IMAGE_LOAD_INFO = 0xc010ae22;
export const NE_SET_USER_MEMORY_REGION = 0x4018ae23;
export const NE_START_ENCLAVE = 0xc010ae24;

export const NE_ENCLAVE_DEBUG_MODE = 1n;
export const NE_DEFAULT_MEMORY_REGION = 0n;

/** Least memory of an enclave (NE_MIN_ENCLAVE_MEM_SIZE, drivers/virt/nitro_enclaves). */
export const NE_MIN_MEMORY = 64 * 1024 * 1024;

/** Error numbers 256..275 by name, as the header has them without `NE_ERR_`. */
const names = [
  'VCPU_ALREADY_USED',
  'VCPU_NOT_IN_CPU_POOL',
  'VCPU_INVALID_CPU_CORE',
  'INVALID_MEM_REGION_SIZE',
  'INVALID_MEM_REGION_ADDR',
  'UNALIGNED_MEM_REGION_ADDR',
  'MEM_REGION_ALREADY_USED',
  'MEM_NOT_HUGE_PAGE',
  'MEM_DIFFERENT_NUMA_NODE',
  'MEM_MAX_REGIONS',
  'NO_MEM_REGIONS_ADDED',
  'NO_VCPUS_ADDED',
  'ENCLAVE_MEM_MIN_SIZE',
  'FULL_CORES_NOT_USED',
  'NOT_IN_INIT_STATE',
  'INVALID_VCPU',
  'NO_CPUS_AVAIL_IN_POOL',
  'INVALID_PAGE_SIZE',
  'INVALID_FLAG_VALUE',
  'INVALID_ENCLAVE_CID',
] as const;

export type NeErrorName = (typeof names)[number];

/** The driver's own name for an error number; undefined for ordinary errno values. */
export function neErrorName(errno: number): NeErrorName | undefined {
  return names[errno - 256];
}

/** struct ne_user_memory_region, 24 bytes: flags, memory_size, userspace_addr. */
export function encodeMemoryRegion(size: number, address: bigint): Buffer {
  const region = Buffer.alloc(24);
  region.writeBigUInt64LE(NE_DEFAULT_MEMORY_REGION, 0);
  region.writeBigUInt64LE(BigInt(size), 8);
  region.writeBigUInt64LE(address, 16);
  return region;
}

/** struct ne_enclave_start_info, 16 bytes: flags, enclave_cid (in: wanted, 0 = any; out: in use). */
export function encodeStartInfo(debug: boolean, cid: bigint): Buffer {
  const info = Buffer.alloc(16);
  info.writeBigUInt64LE(debug ? NE_ENCLAVE_DEBUG_MODE : 0n, 0);
  info.writeBigUInt64LE(cid, 8);
  return info;
}

export function startedCid(info: Buffer): number {
  return Number(info.readBigUInt64LE(8));
}
