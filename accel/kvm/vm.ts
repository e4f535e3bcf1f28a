import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import type { CpuState } from '../../src/hw/i386/cpu-state.js';
import type { GuestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { IOAPIC_PINS } from '../../src/hw/i386/memory-layout.js';
import type { IrqPlan } from '../../src/hw/intc/irq-lines.js';
import type { Notifier, Vm, VmConfig, VmEvent } from '../accel.js';
import { KVM_GET_TSC_KHZ } from './abi.js';
import type { KvmParts } from './requests.js';
import { encodeCpuid, type KvmSystem } from './system.js';
import type { VcpuStop } from './vcpu.js';
import { VcpuHandle } from './vcpu-handle.js';
import type { VcpuThreadData } from './vcpu-thread.js';
import { VmResources } from './vm-resources.js';

/** A thread that has not stopped by then is ended without having stopped. */
const STOP_LIMIT_MS = 2_000;

/** A moment at which guest time stands still. */
interface Standstill {
  /** process.hrtime */
  readonly host: bigint;
  /** kvmclock, ns */
  readonly clock: bigint;
}

/** A virtual machine of KVM, as the main thread drives it. */
export class KvmVm implements Vm {
  readonly irqs: IrqPlan;
  readonly #resources: VmResources;
  readonly #listeners: ((event: VmEvent) => void)[] = [];
  #vcpus: readonly VcpuHandle[] = [];
  #tscKhz = 0;
  #still: Standstill | undefined;
  #closed: Promise<void> | undefined;

  private constructor(resources: VmResources) {
    this.#resources = resources;
    this.irqs = { kind: 'kvm', vmFd: resources.fd, irqfds: resources.irqfds };
  }

  /**
   * @param cpuid leaves of a vCPU
   * @param worker file of the vCPU threads
   * @throws QemuError naming the step
   */
  static async create(
    parts: KvmParts,
    system: KvmSystem,
    config: VmConfig,
    cpuid: GuestCpuid,
    worker: URL,
  ): Promise<KvmVm> {
    const resources = await VmResources.create(system.fd, parts);
    const vm = new KvmVm(resources);
    try {
      for (const [slot, ram] of config.ram.entries()) await resources.addRam(slot, ram);
      await resources.addIrqfds(IOAPIC_PINS);
      await vm.#addVcpus(parts, system, config, cpuid, worker);
      return vm;
    } catch (error) {
      await vm.close();
      throw error;
    }
  }

  async #addVcpus(
    { host, QemuError }: KvmParts,
    system: KvmSystem,
    config: VmConfig,
    cpuid: GuestCpuid,
    worker: URL,
  ): Promise<void> {
    const ram = config.ram.map(({ base, size, address }) => ({ base, size, address }));
    const vcpus: VcpuHandle[] = [];
    this.#vcpus = vcpus;
    for (let index = 0; index < config.cpus; index++) {
      const { fd, run } = await this.#resources.addVcpu(index, encodeCpuid(cpuid.leaves(index)), system.runSize);
      if (index === 0) this.#tscKhz = host.ioctl(fd, KVM_GET_TSC_KHZ, undefined);
      const [bytes] = [...run.windows()];
      if (bytes === undefined) throw new RangeError('kvm_run is empty');
      const data: VcpuThreadData = {
        fd,
        run: { address: run.address, size: run.size },
        ram,
        msrs: system.msrs,
        board: config.board(),
        irqs: this.irqs,
      };
      vcpus.push(new VcpuHandle(worker, data, bytes, host, (stop) => this.#stopped(index, stop)));
    }
    try {
      await Promise.all(vcpus.map((vcpu) => vcpu.started));
    } catch (error) {
      throw new QemuError(`kvm: ${(error as Error).message}`, { cause: error });
    }
    this.#standStill();
  }

  #stopped(cpu: number, stop: VcpuStop): void {
    if (this.#closed !== undefined) return;
    const tell = () => {
      const event: VmEvent = stop.type === 'reset' ? stop : { ...stop, cpu };
      for (const listener of this.#listeners) listener(event);
    };
    if (stop.type === 'reset') tell();
    // Those that can't stop have told why themselves.
    else void this.pause().then(tell, tell);
  }

  onEvent(callback: (event: VmEvent) => void): void {
    this.#listeners.push(callback);
  }

  /** Descriptors of a closed machine may be somebody else's by now. */
  #checkOpen(): void {
    if (this.#closed !== undefined) throw new Error('the virtual machine is closed');
  }

  addNotifier({ address, value, eventfd }: Notifier): void {
    this.#checkOpen();
    this.#resources.addIoeventfd(address, value, eventfd);
  }

  async reset(state: CpuState): Promise<void> {
    this.#checkOpen();
    await this.#resources.resetChips();
    await this.#each((vcpu, index) => vcpu.call('reset', index === 0 ? state : undefined));
  }

  async resume(): Promise<void> {
    this.#checkOpen();
    const still = this.#still;
    if (still === undefined) return;
    this.#still = undefined;
    this.#resources.setClock(still.clock);
    const nanoseconds = process.hrtime.bigint() - still.host;
    const ticks = (nanoseconds * BigInt(this.#tscKhz)) / 1_000_000n;
    await this.#each((vcpu) => vcpu.call('resume', ticks));
  }

  async pause(): Promise<void> {
    try {
      await this.#each((vcpu) => vcpu.call('pause'));
    } finally {
      if (this.#closed === undefined) this.#standStill();
    }
  }

  #standStill(): void {
    this.#still ??= { host: process.hrtime.bigint(), clock: this.#resources.clock() };
  }

  async injectNmi(): Promise<void> {
    await this.#each((vcpu) => vcpu.call('nmi'));
  }

  async readRegisters(cpu: number): Promise<CpuRegisters> {
    return this.#vcpu(cpu).call('registers');
  }

  async translate(cpu: number, address: bigint): Promise<bigint | undefined> {
    return this.#vcpu(cpu).call('translate', address);
  }

  threadId(cpu: number): number {
    return this.#vcpu(cpu).threadId;
  }

  #vcpu(cpu: number): VcpuHandle {
    const vcpu = this.#vcpus[cpu];
    if (vcpu === undefined) throw new RangeError(`no vCPU ${cpu}`);
    return vcpu;
  }

  /** Waits for all, also when one fails. */
  async #each(work: (vcpu: VcpuHandle, index: number) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(this.#vcpus.map(work));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // In the midst of a device's register a thread may hold the lock of that device.
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_LIMIT_MS);
    });
    await Promise.race([this.#each((vcpu) => vcpu.call('pause')).catch(() => {}), limit]);
    clearTimeout(timer);
    await Promise.all(this.#vcpus.map((vcpu) => vcpu.end()));
    await this.#resources.close();
  }
}
