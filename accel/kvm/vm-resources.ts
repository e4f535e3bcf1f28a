import { close as closeFile, closeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Mapping } from '../../src/host/memory.js';
import type { VmRam } from '../accel.js';
import {
  IDENTITY_MAP_ADDR,
  IRQ_CHIPS,
  ioeventfd,
  irqfd,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_PIT2,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_GET_CLOCK,
  KVM_GET_IRQCHIP,
  KVM_GET_PIT2,
  KVM_IOEVENTFD,
  KVM_IRQFD,
  KVM_PIT_SPEAKER_DUMMY,
  KVM_SET_CLOCK,
  KVM_SET_CPUID2,
  KVM_SET_IDENTITY_MAP_ADDR,
  KVM_SET_IRQCHIP,
  KVM_SET_PIT2,
  KVM_SET_TSS_ADDR,
  KVM_SET_USER_MEMORY_REGION,
  memoryRegion,
  Size,
  TSS_ADDR,
} from './abi.js';
import { type KvmParts, request } from './requests.js';

/** A vCPU's descriptor and its kvm_run. */
export interface VcpuResources {
  readonly fd: number;
  readonly run: Mapping;
}

/** The last close of a VM waits for other CPUs. */
const closeBlocking = promisify(closeFile);

/**
 * The descriptors of one virtual machine. Requests that allocate or wait run on a thread of libuv's pool. A failed step
 * throws QemuError with its name.
 */
export class VmResources {
  readonly fd: number;
  readonly #parts: KvmParts;
  readonly #closing: (() => void | Promise<void>)[] = [];
  readonly irqfds: Record<number, number> = {};
  /** State of PICs, IOAPIC and PIT after power-on. */
  readonly #chips: { readonly set: number; readonly state: Buffer }[] = [];

  private constructor(fd: number, parts: KvmParts) {
    this.fd = fd;
    this.#parts = parts;
    this.#closing.push(() => closeBlocking(fd));
  }

  /** A machine with its interrupt chips and timer. */
  static async create(system: number, parts: KvmParts): Promise<VmResources> {
    const vm = new VmResources(await request(parts, 'KVM_CREATE_VM', system, KVM_CREATE_VM, undefined), parts);
    try {
      await vm.#makeChips();
    } catch (error) {
      await vm.close();
      throw error;
    }
    return vm;
  }

  async #makeChips(): Promise<void> {
    const identityMap = Buffer.alloc(8);
    identityMap.writeBigUInt64LE(BigInt(IDENTITY_MAP_ADDR));
    await this.#request('KVM_SET_IDENTITY_MAP_ADDR', KVM_SET_IDENTITY_MAP_ADDR, identityMap);
    await this.#request('KVM_SET_TSS_ADDR', KVM_SET_TSS_ADDR, TSS_ADDR);
    await this.#request('KVM_CREATE_IRQCHIP', KVM_CREATE_IRQCHIP, undefined);
    const pit = Buffer.alloc(Size.kvm_pit_config);
    pit.writeUInt32LE(KVM_PIT_SPEAKER_DUMMY);
    await this.#request('KVM_CREATE_PIT2', KVM_CREATE_PIT2, pit);
    for (const chip of IRQ_CHIPS) {
      const state = Buffer.alloc(Size.kvm_irqchip);
      state.writeUInt32LE(chip);
      await this.#request('KVM_GET_IRQCHIP', KVM_GET_IRQCHIP, state);
      this.#chips.push({ set: KVM_SET_IRQCHIP, state });
    }
    const timer = Buffer.alloc(Size.kvm_pit_state2);
    await this.#request('KVM_GET_PIT2', KVM_GET_PIT2, timer);
    this.#chips.push({ set: KVM_SET_PIT2, state: timer });
  }

  #request(name: string, number: number, argument: Uint8Array | number | undefined): Promise<number> {
    return request(this.#parts, name, this.fd, number, argument);
  }

  async addRam(slot: number, { base, size, address }: VmRam): Promise<void> {
    const region = memoryRegion(slot, base, size, address);
    await this.#request('KVM_SET_USER_MEMORY_REGION', KVM_SET_USER_MEMORY_REGION, region);
  }

  /** Gives each GSI below `count` an eventfd; a write to it is an edge. */
  async addIrqfds(count: number): Promise<void> {
    for (let gsi = 0; gsi < count; gsi++) {
      const fd = this.#parts.host.eventfd();
      this.#closing.push(() => closeSync(fd));
      await this.#request('KVM_IRQFD', KVM_IRQFD, irqfd(fd, gsi));
      this.irqfds[gsi] = fd;
    }
  }

  addIoeventfd(address: number, value: number, eventfd: number): void {
    this.#parts.host.ioctl(this.fd, KVM_IOEVENTFD, ioeventfd(address, value, eventfd));
  }

  /** @param cpuid struct kvm_cpuid2; @param runSize what KVM_GET_VCPU_MMAP_SIZE says */
  async addVcpu(index: number, cpuid: Uint8Array, runSize: number): Promise<VcpuResources> {
    const fd = await this.#request('KVM_CREATE_VCPU', KVM_CREATE_VCPU, index);
    this.#closing.push(() => closeBlocking(fd));
    await request(this.#parts, 'KVM_SET_CPUID2', fd, KVM_SET_CPUID2, cpuid);
    const run = this.#parts.host.mmap({ size: runSize, fd });
    this.#closing.push(() => run.unmap());
    return { fd, run };
  }

  /** Interrupt chips and timer as after power-on. */
  async resetChips(): Promise<void> {
    for (const { set, state } of this.#chips) await this.#request('KVM_SET_IRQCHIP', set, state);
  }

  /** Nanoseconds of kvmclock. */
  clock(): bigint {
    const data = Buffer.alloc(Size.kvm_clock_data);
    this.#parts.host.ioctl(this.fd, KVM_GET_CLOCK, data);
    return data.readBigUInt64LE();
  }

  setClock(nanoseconds: bigint): void {
    const data = Buffer.alloc(Size.kvm_clock_data);
    data.writeBigUInt64LE(nanoseconds);
    this.#parts.host.ioctl(this.fd, KVM_SET_CLOCK, data);
  }

  /** Everything, last made first; no thread uses any of it. */
  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}
