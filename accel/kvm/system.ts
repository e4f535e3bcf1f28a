import type { CpuidLeaf, SupportedCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import {
  KVM_API_VERSION,
  KVM_CHECK_EXTENSION,
  KVM_GET_API_VERSION,
  KVM_GET_MSR_INDEX_LIST,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
  Size,
} from './abi.js';
import type { KvmParts } from './requests.js';

/** What KVM on this host says about itself. */
export interface KvmSystem {
  /** Descriptor of /dev/kvm. */
  readonly fd: number;
  /** Bytes of a mapped kvm_run. */
  readonly runSize: number;
  /** vCPUs that a machine can have, and that it should have at most. */
  readonly cpus: { readonly max: number; readonly recommended: number };
  /** Indices of the MSRs that make up a vCPU's state. */
  readonly msrs: readonly number[];
  readonly cpuid: SupportedCpuid;
}

/** Capabilities without which no machine is made, by the number that KVM_CHECK_EXTENSION takes. */
const required = {
  KVM_CAP_IRQCHIP: 0,
  KVM_CAP_USER_MEMORY: 3,
  KVM_CAP_SET_TSS_ADDR: 4,
  KVM_CAP_EXT_CPUID: 7,
  KVM_CAP_MP_STATE: 14,
  KVM_CAP_DESTROY_MEMORY_REGION_WORKS: 21,
  KVM_CAP_IRQFD: 32,
  KVM_CAP_PIT2: 33,
  KVM_CAP_PIT_STATE2: 35,
  KVM_CAP_IOEVENTFD: 36,
  KVM_CAP_SET_IDENTITY_MAP_ADDR: 37,
  KVM_CAP_ADJUST_CLOCK: 39,
  KVM_CAP_VCPU_EVENTS: 41,
  KVM_CAP_DEBUGREGS: 50,
  KVM_CAP_XSAVE: 55,
  KVM_CAP_GET_TSC_KHZ: 61,
  KVM_CAP_IMMEDIATE_EXIT: 136,
} as const;
const KVM_CAP_NR_VCPUS = 9;
const KVM_CAP_MAX_VCPUS = 66;
const KVM_CAP_TSC_DEADLINE_TIMER = 72;

const LEAF_1_ECX_TSC_DEADLINE = 2 ** 24;
const LEAF_1_ECX_HYPERVISOR = 2 ** 31;
const CPUID_INDEX_SIGNIFICANT = 1;
const MANY = 1024;

/**
 * Asks KVM what it can do.
 *
 * @param fd of /dev/kvm
 * @param brand the CPU's name, for models that are the host's
 * @throws QemuError naming the version or the first capability that is missing
 */
export function openKvm(parts: KvmParts, fd: number, brand: string): KvmSystem {
  const { host, QemuError } = parts;
  checkVersion(parts, fd);
  const capability = (number: number) => host.ioctl(fd, KVM_CHECK_EXTENSION, number);
  for (const [name, number] of Object.entries(required)) {
    if (capability(number) > 0) continue;
    throw new QemuError(`kvm does not support ${name}`, {
      hint: 'Guests need it: use a newer kernel, or KVM on the hardware itself.',
    });
  }
  const recommended = capability(KVM_CAP_NR_VCPUS);
  return {
    fd,
    runSize: host.ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, undefined),
    cpus: { recommended, max: Math.max(recommended, capability(KVM_CAP_MAX_VCPUS)) },
    msrs: msrIndices(host, fd),
    cpuid: { leaves: supportedCpuid(host, fd, capability(KVM_CAP_TSC_DEADLINE_TIMER) > 0), brand },
  };
}

/** Also tells KVM from any other device. */
function checkVersion({ host, QemuError }: KvmParts, fd: number): void {
  let version = 0;
  try {
    version = host.ioctl(fd, KVM_GET_API_VERSION, undefined);
  } catch (error) {
    if (!(error instanceof host.HostError)) throw error;
  }
  if (version === KVM_API_VERSION) return;
  throw new QemuError(version < KVM_API_VERSION ? 'kvm version too old' : 'kvm version not supported', {
    hint: `Its API is version ${version}, 12 is needed; a device that is not KVM has none.`,
  });
}

/** struct kvm_msr_list. */
function msrIndices(host: KvmParts['host'], fd: number): number[] {
  const list = Buffer.alloc(4 + 4 * MANY);
  list.writeUInt32LE(MANY);
  host.ioctl(fd, KVM_GET_MSR_INDEX_LIST, list);
  return Array.from({ length: list.readUInt32LE() }, (_, i) => list.readUInt32LE(4 + 4 * i));
}

/** With what KVM gives although it does not list it (Documentation/virt/kvm/api.rst, 4.46). */
function supportedCpuid(host: KvmParts['host'], fd: number, tscDeadline: boolean): CpuidLeaf[] {
  const list = Buffer.alloc(8 + MANY * Size.kvm_cpuid_entry2);
  list.writeUInt32LE(MANY);
  host.ioctl(fd, KVM_GET_SUPPORTED_CPUID, list);
  return decodeCpuid(list).map((leaf) => {
    if (leaf.leaf !== 1) return leaf;
    const added = LEAF_1_ECX_HYPERVISOR + (tscDeadline ? LEAF_1_ECX_TSC_DEADLINE : 0);
    return { ...leaf, ecx: (leaf.ecx | added) >>> 0 };
  });
}

/** struct kvm_cpuid2: function 0, index 4, flags 8, EAX 12, EBX 16, ECX 20, EDX 24 in entries of 40 bytes. */
export function decodeCpuid(list: Buffer): CpuidLeaf[] {
  return Array.from({ length: list.readUInt32LE() }, (_, i) => {
    const entry = list.subarray(8 + i * Size.kvm_cpuid_entry2);
    return {
      leaf: entry.readUInt32LE(0),
      subleaf: entry.readUInt32LE(4),
      indexed: (entry.readUInt32LE(8) & CPUID_INDEX_SIGNIFICANT) !== 0,
      eax: entry.readUInt32LE(12),
      ebx: entry.readUInt32LE(16),
      ecx: entry.readUInt32LE(20),
      edx: entry.readUInt32LE(24),
    };
  });
}

export function encodeCpuid(leaves: readonly CpuidLeaf[]): Buffer {
  const list = Buffer.alloc(8 + leaves.length * Size.kvm_cpuid_entry2);
  list.writeUInt32LE(leaves.length);
  for (const [i, { leaf, subleaf, indexed, eax, ebx, ecx, edx }] of leaves.entries()) {
    const words = [leaf, subleaf, indexed ? CPUID_INDEX_SIGNIFICANT : 0, eax, ebx, ecx, edx];
    for (const [j, word] of words.entries()) list.writeUInt32LE(word >>> 0, 8 + i * Size.kvm_cpuid_entry2 + 4 * j);
  }
  return list;
}
