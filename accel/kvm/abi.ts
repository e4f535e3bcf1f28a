/** <linux/kvm.h> and <asm/kvm.h> of x86-64: request numbers, constants, sizes and offsets. test/e2e/kvm-abi.c checks them. */

export const KVM_API_VERSION = 12;

/** Requests on the descriptor of /dev/kvm. */
export const KVM_GET_API_VERSION = 0xae00;
export const KVM_CREATE_VM = 0xae01;
export const KVM_GET_MSR_INDEX_LIST = 0xc004ae02;
export const KVM_CHECK_EXTENSION = 0xae03;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
export const KVM_GET_SUPPORTED_CPUID = 0xc008ae05;

/** Requests on a VM's descriptor. */
export const KVM_CREATE_VCPU = 0xae41;
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
export const KVM_SET_TSS_ADDR = 0xae47;
export const KVM_SET_IDENTITY_MAP_ADDR = 0x4008ae48;
export const KVM_CREATE_IRQCHIP = 0xae60;
export const KVM_GET_IRQCHIP = 0xc208ae62;
export const KVM_SET_IRQCHIP = 0x8208ae63;
export const KVM_IRQFD = 0x4020ae76;
export const KVM_CREATE_PIT2 = 0x4040ae77;
export const KVM_IOEVENTFD = 0x4040ae79;
export const KVM_SET_CLOCK = 0x4030ae7b;
export const KVM_GET_CLOCK = 0x8030ae7c;
export const KVM_GET_PIT2 = 0x8070ae9f;
export const KVM_SET_PIT2 = 0x4070aea0;

/** Requests on a vCPU's descriptor. */
export const KVM_RUN = 0xae80;
export const KVM_GET_REGS = 0x8090ae81;
export const KVM_SET_REGS = 0x4090ae82;
export const KVM_GET_SREGS = 0x8138ae83;
export const KVM_SET_SREGS = 0x4138ae84;
export const KVM_TRANSLATE = 0xc018ae85;
export const KVM_GET_MSRS = 0xc008ae88;
export const KVM_SET_MSRS = 0x4008ae89;
export const KVM_GET_LAPIC = 0x8400ae8e;
export const KVM_SET_LAPIC = 0x4400ae8f;
export const KVM_SET_CPUID2 = 0x4008ae90;
export const KVM_GET_MP_STATE = 0x8004ae98;
export const KVM_SET_MP_STATE = 0x4004ae99;
export const KVM_NMI = 0xae9a;
export const KVM_GET_VCPU_EVENTS = 0x8040ae9f;
export const KVM_SET_VCPU_EVENTS = 0x4040aea0;
export const KVM_GET_DEBUGREGS = 0x8080aea1;
export const KVM_SET_DEBUGREGS = 0x4080aea2;
export const KVM_GET_TSC_KHZ = 0xaea3;
export const KVM_GET_XSAVE = 0x9000aea4;
export const KVM_SET_XSAVE = 0x5000aea5;
export const KVM_GET_XCRS = 0x8188aea6;
export const KVM_SET_XCRS = 0x4188aea7;
export const KVM_KVMCLOCK_CTRL = 0xaead;
export const KVM_SET_DEVICE_ATTR = 0x4018aee1;
export const KVM_GET_DEVICE_ATTR = 0x4018aee2;

/** Bytes of the structures that are passed through whole or filled field by field. */
export const Size = {
  kvm_userspace_memory_region: 32,
  kvm_pit_config: 64,
  kvm_irqfd: 32,
  kvm_ioeventfd: 64,
  kvm_irqchip: 520,
  kvm_pit_state2: 112,
  kvm_clock_data: 48,
  kvm_regs: 144,
  kvm_sregs: 312,
  kvm_lapic_state: 1024,
  kvm_mp_state: 4,
  kvm_vcpu_events: 64,
  kvm_debugregs: 128,
  kvm_xsave: 4096,
  kvm_xcrs: 392,
  kvm_translation: 24,
  kvm_device_attr: 24,
  kvm_msr_entry: 16,
  kvm_cpuid_entry2: 40,
} as const;

/** Offsets in struct kvm_run. */
export const Run = {
  immediate_exit: 1,
  exit_reason: 8,
  /** Of the member of the union that belongs to the exit reason. */
  io_direction: 32,
  io_size: 33,
  io_port: 34,
  io_count: 36,
  io_data_offset: 40,
  mmio_phys_addr: 32,
  mmio_data: 40,
  mmio_len: 48,
  mmio_is_write: 52,
  fail_entry_reason: 32,
  internal_suberror: 32,
  internal_ndata: 36,
  internal_data: 40,
  system_event_type: 32,
} as const;

export const KVM_EXIT_IO_OUT = 1;

/** kvm_run.exit_reason. */
export const Exit = {
  IO: 2,
  HLT: 5,
  MMIO: 6,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  INTERNAL_ERROR: 17,
  SYSTEM_EVENT: 24,
} as const;

export const SystemEvent = { SHUTDOWN: 1, RESET: 2, CRASH: 3 } as const;

/** kvm_run.internal.suberror of an instruction that KVM could not emulate. */
export const KVM_INTERNAL_ERROR_EMULATION = 1;
/** Data words that kvm_run.internal has room for. */
export const INTERNAL_DATA_MAX = 16;

/** KVM_SET_TSS_ADDR and KVM_SET_IDENTITY_MAP_ADDR: pages below 4 GiB that no machine uses (Intel needs them). */
export const IDENTITY_MAP_ADDR = 0xfffbc000;
export const TSS_ADDR = 0xfffbd000;

/** kvm_irqchip.chip_id of both PICs and the IOAPIC. */
export const IRQ_CHIPS = [0, 1, 2] as const;
/** kvm_pit_config.flags: port 0x61 is answered by the kernel. */
export const KVM_PIT_SPEAKER_DUMMY = 1;

export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1;

export const KVM_VCPU_TSC_CTRL = 0;
export const KVM_VCPU_TSC_OFFSET = 0;

export const MpState = { RUNNABLE: 0, UNINITIALIZED: 1, INIT_RECEIVED: 2, HALTED: 3, SIPI_RECEIVED: 4 } as const;

/** struct kvm_userspace_memory_region. */
export function memoryRegion(slot: number, base: number, size: number, address: bigint): Buffer {
  const region = Buffer.alloc(Size.kvm_userspace_memory_region);
  region.writeUInt32LE(slot, 0);
  region.writeBigUInt64LE(BigInt(base), 8);
  region.writeBigUInt64LE(BigInt(size), 16);
  region.writeBigUInt64LE(address, 24);
  return region;
}

/** struct kvm_irqfd: an edge of `gsi` at each write to the eventfd. */
export function irqfd(eventfd: number, gsi: number): Buffer {
  const argument = Buffer.alloc(Size.kvm_irqfd);
  argument.writeUInt32LE(eventfd, 0);
  argument.writeUInt32LE(gsi, 4);
  return argument;
}

/** struct kvm_ioeventfd: a 32-bit write of `value` to `address` signals the eventfd and makes no exit. */
export function ioeventfd(address: number, value: number, eventfd: number): Buffer {
  const argument = Buffer.alloc(Size.kvm_ioeventfd);
  argument.writeBigUInt64LE(BigInt(value), 0);
  argument.writeBigUInt64LE(BigInt(address), 8);
  argument.writeUInt32LE(4, 16);
  argument.writeInt32LE(eventfd, 20);
  argument.writeUInt32LE(KVM_IOEVENTFD_FLAG_DATAMATCH, 24);
  return argument;
}

/** struct kvm_device_attr for the TSC offset of a vCPU, to be read to or written from `address`. */
export function tscOffsetAttr(address: bigint): Buffer {
  const argument = Buffer.alloc(Size.kvm_device_attr);
  argument.writeUInt32LE(KVM_VCPU_TSC_CTRL, 4);
  argument.writeBigUInt64LE(BigInt(KVM_VCPU_TSC_OFFSET), 8);
  argument.writeBigUInt64LE(address, 16);
  return argument;
}
