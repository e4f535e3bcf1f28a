import { NE_MIN_MEMORY, type NeErrorName } from './abi.js';

/** What the hints look up on the host; every field may be unknown. */
export interface NitroHostFacts {
  /** The nitro_enclaves module is loaded. */
  readonly moduleLoaded: boolean;
  /** CPUs in the pool (ne_cpus), undefined when it cannot be read. */
  readonly pool: readonly number[] | undefined;
  readonly threadsPerCore: number;
  /** Free and total huge pages for each size and NUMA node. */
  readonly hugePages: readonly HugePages[];
  /** NUMA node of the pool's CPUs. */
  readonly poolNode: number | undefined;
}

export interface HugePages {
  readonly node: number;
  /** Bytes a page. */
  readonly size: number;
  readonly free: number;
  readonly total: number;
}

/** What was asked for. */
export interface Request {
  /** 0 while nobody has asked for any: an enclave is being made. */
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly cid: bigint;
}

const mib = 1024 * 1024;

/** Why the driver's device did not open, and the command that fixes it. */
export function openHint(code: string | undefined, facts: NitroHostFacts): string {
  if (code === 'ENOENT' || code === 'ENXIO' || code === 'ENODEV') {
    return facts.moduleLoaded
      ? 'The nitro_enclaves module is loaded but found no Nitro Enclaves device: start the EC2 instance with ' +
          '--enclave-options Enabled=true. Off EC2 use -M nitro-enclave.'
      : 'The nitro_enclaves kernel module is not loaded: sudo modprobe nitro_enclaves ' +
          '(on an EC2 instance started with enclave support). Off EC2 use -M nitro-enclave.';
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return 'This user may not open /dev/nitro_enclaves: sudo usermod -aG ne $USER, then log in again.';
  }
  if (code === 'EMFILE' || code === 'ENFILE') return 'Too many open files: raise the limit with ulimit -n.';
  return 'See dmesg for messages of the nitro_enclaves module.';
}

/** The pool and what to do when CPUs are short. */
function poolHint(request: Request, facts: NitroHostFacts): string {
  const { threadsPerCore: threads } = facts;
  const cores = `${threads} thread${threads === 1 ? '' : 's'} a core on this host`;
  const fix = `set cpu_count: ${roundUp(Math.max(request.cpus, 1), threads)} in /etc/nitro_enclaves/allocator.yaml and run sudo systemctl restart nitro-enclaves-allocator`;
  if (facts.pool === undefined) return `The enclave CPU pool cannot be read (${cores}): ${fix}`;
  if (facts.pool.length === 0) return `The enclave CPU pool is empty (${cores}): ${fix}`;
  const asked = request.cpus === 0 ? '' : `, -smp asks for ${request.cpus}`;
  return `The enclave CPU pool holds ${facts.pool.length} CPUs (${facts.pool.join(',')}; ${cores})${asked} and other enclaves may hold some: ${fix}, or stop another enclave.`;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Huge pages of the host against the memory asked for. */
export function hugePageHint(request: Request, facts: NitroHostFacts): string {
  const table = facts.hugePages
    .map(({ node, size, free, total }) => `node ${node}: ${free} of ${total} pages of ${size / mib} MiB free`)
    .join('; ');
  const need = Math.ceil(request.memory / (2 * mib));
  const node = facts.poolNode ?? 0;
  return (
    `-m asks for ${request.memory / mib} MiB = ${need} huge pages of 2 MiB; this host has ` +
    `${table === '' ? 'none' : table}. ` +
    `echo ${need} | sudo tee /sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`
  );
}

/** The hint for a request the driver refused. `name` is the driver's own error, undefined for an ordinary errno. */
export function requestHint(
  name: NeErrorName | undefined,
  code: string | undefined,
  request: Request,
  facts: NitroHostFacts,
): string {
  switch (name) {
    case 'NO_CPUS_AVAIL_IN_POOL':
    case 'VCPU_NOT_IN_CPU_POOL':
    case 'VCPU_INVALID_CPU_CORE':
    case 'INVALID_VCPU':
    case 'VCPU_ALREADY_USED':
      return `NE_ERR_${name}: ${poolHint(request, facts)}`;
    case 'FULL_CORES_NOT_USED':
      return `NE_ERR_${name}: this host has ${facts.threadsPerCore} threads a core and -smp is ${request.cpus}: use -smp ${roundUp(request.cpus, facts.threadsPerCore)}.`;
    case 'ENCLAVE_MEM_MIN_SIZE':
      return `NE_ERR_${name}: -m gives ${request.memory / mib} MiB, an enclave needs at least ${NE_MIN_MEMORY / mib} MiB: use -m 64M or more.`;
    case 'INVALID_MEM_REGION_SIZE':
    case 'UNALIGNED_MEM_REGION_ADDR':
      return `NE_ERR_${name}: enclave memory comes in whole huge pages: make -m a multiple of 2 MiB (${roundUp(request.memory, 2 * mib) / mib}M).`;
    case 'MEM_NOT_HUGE_PAGE':
    case 'INVALID_PAGE_SIZE':
      return `NE_ERR_${name}: enclave memory must be huge pages of 2 MiB or more: leave out -machine memory-backend, or use -object memory-backend-memfd,hugetlb=on,... ${hugePageHint(request, facts)}`;
    case 'MEM_DIFFERENT_NUMA_NODE':
      return `NE_ERR_${name}: the memory must be on the NUMA node of the CPU pool (${facts.poolNode ?? 'unknown'}): give the backend host-nodes=${facts.poolNode ?? 0},policy=bind. ${hugePageHint(request, facts)}`;
    case 'MEM_MAX_REGIONS':
      return `NE_ERR_${name}: the memory is in too many pieces for the device: use bigger huge pages (hugetlbsize=1G) or a smaller -m.`;
    case 'INVALID_ENCLAVE_CID':
      return `NE_ERR_${name}: CID ${request.cid} is reserved (1, 2, 3 and 4294967295 are) or beyond 32 bits: use enclave-cid=0 to let the hypervisor choose, or 4 and up.`;
    case 'NO_MEM_REGIONS_ADDED':
    case 'NO_VCPUS_ADDED':
    case 'NOT_IN_INIT_STATE':
    case 'INVALID_FLAG_VALUE':
    case 'INVALID_MEM_REGION_ADDR':
    case 'MEM_REGION_ALREADY_USED':
      return `NE_ERR_${name}: the driver disagrees with this program about the state of the enclave; see dmesg.`;
    default:
      break;
  }
  if (code === 'EADDRINUSE' || code === 'EEXIST' || code === 'EBUSY') {
    return request.cid === 0n
      ? 'The Nitro device is busy; see dmesg.'
      : `CID ${request.cid} may be in use by another enclave: use enclave-cid=0 to let the hypervisor choose.`;
  }
  if (code === 'ENOMEM') return hugePageHint(request, facts);
  if (code === 'ETIMEDOUT') return 'The Nitro device did not answer within 120 seconds; see dmesg.';
  return 'See dmesg for messages of the nitro_enclaves module.';
}
