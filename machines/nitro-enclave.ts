import { closeSync } from 'node:fs';
import type { Notifier, Vm, VmAccelerator, VmEvent, VmRam } from '../accel/accel.js';
import type { DebugTarget } from '../src/gdbstub/target.js';
import type { HostMemoryBackend } from '../src/hostmem/api.js';
import type { BoardHost, EnclaveBoard, GuestMemory, LoadedGuest } from '../src/hw/i386/api.js';
import type { DeviceEvent, DevicePlan, DeviceThread } from '../src/hw/virtio/api.js';
import type { ObjectClass } from '../src/qom/types.js';
import type { Accelerator } from '../src/system/accelerator.js';
import type { CpuModel } from '../src/system/cpu.js';
import type { CpuAccess, CpuInfo, EnclaveView, MachineClassData } from '../src/system/machine.js';
import type { ModuleApi } from '../src/system/module-api.js';
import type { RunTarget } from '../src/system/run-control.js';

const MIB = 1024 * 1024;

function isVmAccelerator(accel: Accelerator | undefined): accel is VmAccelerator {
  return accel !== undefined && 'createVm' in accel;
}

/** What runs once the machine is complete. */
interface Running {
  readonly vm: Vm;
  readonly host: BoardHost;
  readonly devices: DeviceThread;
}

/**
 * `-M nitro-enclave`: the machine of an enclave, made here: QEMU's microvm with a Nitro Secure Module and vsock. vCPUs are
 * the accelerator's, virtio devices are served by a thread of their own, the board's other devices work in the vCPU threads.
 */
export default async function nitroEnclave(api: ModuleApi): Promise<void> {
  const { system } = api;
  if (system.settings.arch !== 'x86_64') return;
  const { QemuError } = api.sys;
  const i386 = await api.lazy.i386();
  const traceFault = system.trace.define('virtio_device_fault', '%s: %s');
  const traceDevice = system.trace.define('virtio_device_event', '%s: %s %s');

  class NitroEnclaveMachine extends i386.EnclaveMachine {
    #memory: GuestMemory | undefined;
    #ram: VmRam[] = [];
    #board: EnclaveBoard | undefined;
    #enclave: EnclaveView | undefined;
    #running: Running | undefined;
    #requested = false;
    readonly #eventfds: number[] = [];
    #last: Promise<unknown> = Promise.resolve();
    #launched = false;

    override preflight(): void {
      if (this.kernel === '') throw new QemuError('nitro-enclave: -kernel <eif-file> is required');
      this.#accelerator;
    }

    get #accelerator(): VmAccelerator {
      const { accel } = system;
      if (isVmAccelerator(accel)) return accel;
      throw new QemuError("The 'nitro-enclave' machine requires an accelerator that executes code", {
        hint: 'use -accel kvm or -accel tcg',
      });
    }

    override async init(): Promise<void> {
      for (const room of ['cpu', 'i386', 'virtio'] as const) await api.types(room);
      await this.#addRam();
      this.#board = await i386.addEnclaveBoard(system, this, this.#cpuModel.typeName, {
        reset: () => this.#askReset(),
        powerOff: () => this.#askPowerOff(),
      });
    }

    get #cpuModel(): CpuModel {
      const { cpu, arch } = system.settings;
      return cpu ?? api.sys.parseCpuModel(arch, this.#accelerator.defaultCpuModel);
    }

    async #addRam(): Promise<void> {
      const { machineRam } = await api.lazy.hostmem();
      const fallback = { type: 'memory-backend-memfd', properties: { share: true } };
      const backend = await machineRam(system, this, fallback, (_, ram) => this.#placeRam(ram));
      this.#memory = new i386.GuestMemory(i386.ramRanges(backend));
    }

    /** As QEMU has it: windows on the backend below and above the devices. */
    #placeRam(backend: HostMemoryBackend): void {
      const { fd, fileOffset, share, address } = backend;
      for (const { base, offset, size } of i386.ramRanges(backend)) {
        const label = base === 0 ? 'ram-below-4g' : 'ram-above-4g';
        const window = api.sys.createAlias(system.types, label, backend.region, BigInt(offset), BigInt(size));
        system.systemMemory.add(BigInt(base), system.unattached.addChild(`${label}[*]`, window));
        const file = fd === undefined || !share ? undefined : { fd, offset: fileOffset + offset };
        this.#ram.push({ base, size, address: address + BigInt(offset), file });
      }
    }

    /** Everything that start-up adds is there: makes the threads, and while they begin loads and measures the guest. */
    override async complete(): Promise<void> {
      const board = this.#built(this.#board);
      const { DeviceThread } = await api.lazy.virtio();
      const devices = new DeviceThread({
        event: (event) => this.#deviceEvent(board, event),
        failed: (error) => this.#fail(error),
      });
      const host = new i386.BoardHost([...board.parts(), ...board.transportParts(() => devices.rope())]);
      const cpus = this.smp.cpus;
      const config = { ram: this.#ram, cpus, cpuModel: this.#cpuModel, board: () => host.plan() };
      const making = this.#accelerator.createVm(config);
      system.onExit(() => this.#turn(() => this.#close(making, devices, host)));
      const guest = await this.#load();
      await this.#openEnclave(board, guest);
      const vm = await making;
      host.connect(i386.openIrqLines(vm.irqs));
      vm.onEvent((event) => this.#vmEvent(event));
      const plans = await this.#devicePlans(board, vm, devices);
      await devices.start({ ram: this.#ram, irqs: vm.irqs, devices: plans });
      await vm.reset(guest.state);
      system.run.powerdownRequested.on(() => board.powerDown());
      this.#running = { vm, host, devices };
    }

    async #close(making: Promise<Vm>, devices: DeviceThread, host: BoardHost): Promise<void> {
      this.#running = undefined;
      // Why it could not be made has been said.
      const vm = await making.catch(() => undefined);
      await vm?.close();
      await devices.close();
      host.close();
      for (const fd of this.#eventfds.splice(0)) closeSync(fd);
    }

    override async setGuestCid(cid: number): Promise<void> {
      super.setGuestCid(cid);
      const { vsock } = this.#board ?? {};
      if (this.#running === undefined || vsock === undefined) return;
      const virtio = this.#built(this.#board).transports.flatMap(({ device }) => device ?? []);
      await this.#running.devices.setGuestCid(virtio.indexOf(vsock), cid);
      vsock.guestCid = cid;
    }

    #built<T>(part: T | undefined): T {
      if (part === undefined) throw new Error('the machine is not built');
      return part;
    }

    /** @throws QemuError for an image that is not the one that was measured */
    async #load(): Promise<LoadedGuest> {
      const { transports, panicPort } = this.#built(this.#board);
      const told = this.has('acpi') || this.isOn('auto-kernel-cmdline');
      const named = told ? transports.filter(({ device }) => device !== undefined) : [];
      const guest = await i386.loadGuest({
        kernel: this.kernel,
        initrd: this.initrd === '' ? undefined : this.initrd,
        append: this.append,
        memory: this.#built(this.#memory),
        cpus: this.smp.cpus,
        acpi: this.has('acpi'),
        virtioSlots: named.map(({ slot }) => slot.index),
        panicPort: panicPort(),
        warn: (text) => system.report.warn(text),
      });
      const { image } = this.#enclave ?? {};
      if (image !== undefined && (image.size !== (guest.eif?.size ?? 0) || image.crc32 !== (guest.eif?.crc32 ?? 0))) {
        throw new QemuError(`'${this.kernel}' has changed since the enclave was started`);
      }
      return guest;
    }

    /** Measures the image, and gives the NSM what it has at the start. */
    async #openEnclave({ nsm, vsock }: EnclaveBoard, { eif }: LoadedGuest): Promise<void> {
      const { openEnclave, addNsmProperties } = await api.lazy.attestation();
      const { view, mind } = await openEnclave(system, {
        file: this.kernel,
        initrd: this.initrd,
        eif,
        attestation: this.text('attestation'),
        parentRole: this.text('parent-role'),
        parentId: this.text('parent-id'),
        debugMode: this.isOn('debug-mode'),
        cid: () => (this.#launched ? (vsock?.guestCid ?? 0) : 0),
        registers: async () => {
          const states = await this.#built(this.#running).devices.state();
          return states.find(({ pcrs }) => pcrs !== undefined)?.pcrs ?? [];
        },
      });
      nsm.mind = mind;
      if (vsock !== undefined) vsock.faults = mind.faults;
      addNsmProperties(nsm, view.nsm);
      this.#enclave = view;
    }

    /** The devices behind the transports, each queue with an eventfd where the accelerator takes notifications so. */
    async #devicePlans({ transports }: EnclaveBoard, vm: Vm, devices: DeviceThread): Promise<DevicePlan[]> {
      const [{ eventfd }, { QUEUE_NOTIFY }] = await Promise.all([api.lazy.host(), api.lazy.virtio()]);
      const plans: DevicePlan[] = [];
      for (const { slot, registers, device, ioeventfd } of transports) {
        if (device === undefined) continue;
        const queues = ioeventfd && vm.addNotifier !== undefined ? registers.queueCount : 0;
        const notifiers = Array.from({ length: queues }, (_, queue) => ({ queue, eventfd: eventfd() }));
        for (const { queue, eventfd: fd } of notifiers) {
          this.#eventfds.push(fd);
          const notifier: Notifier = { address: slot.base + QUEUE_NOTIFY, value: queue, eventfd: fd };
          vm.addNotifier?.(notifier);
        }
        const index = plans.length;
        device.state = async () => (await devices.state())[index];
        plans.push({ registers: registers.buffer, gsi: slot.irq, device: await device.kind(), notifiers });
      }
      return plans;
    }

    /** The virtual machine takes one request at a time, its end too. */
    #turn<T>(work: () => Promise<T>): Promise<T> {
      const next = this.#last.then(work);
      this.#last = next.catch(() => {});
      return next;
    }

    override runTarget(): RunTarget {
      return {
        start: () => this.#whileThere((running) => this.#start(running)),
        stop: () => this.#whileThere((running) => this.#stop(running)),
        reset: () => this.#whileThere((running) => this.#reset(running)),
      };
    }

    async #whileThere(work: (running: Running) => Promise<void>): Promise<void> {
      await this.#turn(async () => {
        if (this.#running !== undefined) await work(this.#running);
      });
    }

    async #start({ vm, devices }: Running): Promise<void> {
      await devices.resume();
      await vm.resume();
      if (this.#launched) return;
      this.#launched = true;
      system.events.emit({ type: 'enclave-started', cid: this.#enclave?.cid ?? 0 });
    }

    async #stop({ vm, devices }: Running): Promise<void> {
      await vm.pause();
      await devices.pause();
    }

    async #reset(machine: Running): Promise<void> {
      const { running } = system.run;
      if (running) await this.#stop(machine);
      await machine.devices.reset();
      machine.host.reset();
      await machine.vm.reset((await this.#load()).state);
      if (running) await this.#start(machine);
    }

    /** One at a time: the guest may well ask again until it is stopped. */
    #request(work: () => Promise<void>): void {
      if (this.#requested) return;
      this.#requested = true;
      work()
        .catch((error) => this.#fail(error))
        .finally(() => {
          this.#running?.host.poll();
          this.#requested = false;
        });
    }

    #askReset(): void {
      this.#request(() => system.run.requestReset('guest-reset'));
    }

    #askPowerOff(): void {
      this.#request(() => system.run.requestShutdown('guest-shutdown'));
    }

    #vmEvent(event: VmEvent): void {
      if (event.type === 'reset') this.#askReset();
      else {
        system.report.line(event.text);
        void system.run.pause('internal-error');
      }
    }

    #deviceEvent({ transports }: EnclaveBoard, event: DeviceEvent): void {
      if (event.type === 'suppressed') {
        traceDevice('all', 'events suppressed', event.count);
        return;
      }
      const names = transports.flatMap(({ device }) => (device === undefined ? [] : [device.virtioName]));
      const name = names[event.device] ?? '';
      if (event.type === 'heartbeat') {
        system.events.emit({ type: 'heartbeat', byte: event.byte, ok: event.byte === i386.HEARTBEAT_BYTE });
      } else if (event.type === 'fault') {
        traceFault(name, event.message);
        system.report.warn(`${name}: ${event.message}: the device stops until the guest resets it`);
      } else traceDevice(name, event.what, event.values.join(' '));
    }

    /** The machine can't go on. */
    #fail(error: unknown): void {
      system.report.error(error);
      void system.run.pause('internal-error');
    }

    override get enclave(): EnclaveView | undefined {
      return this.#enclave;
    }

    override get cpuAccess(): CpuAccess | undefined {
      const { vm } = this.#running ?? {};
      if (vm === undefined) return undefined;
      return {
        readRegisters: (cpu) => this.#turn(() => vm.readRegisters(cpu)),
        translate: (cpu, address) => this.#turn(() => vm.translate(cpu, address)),
        injectNmi: () => this.#turn(() => vm.injectNmi()),
        disassemble: vm.disassemble,
      };
    }

    override get debugTarget(): DebugTarget | undefined {
      return this.#running?.vm.debug;
    }

    override cpus(): CpuInfo[] {
      return (this.#board?.cpus ?? []).map((object, index) => ({
        index,
        object,
        threadId: this.#running?.vm.threadId(index) ?? process.pid,
        props: api.sys.cpuPlace(this.smp, index),
      }));
    }
  }

  const data: MachineClassData = {
    desc: 'AWS Nitro Enclave',
    maxCpus: 288,
    defaultRamSize: 128 * MIB,
    defaultRamId: 'microvm.ram',
    defaultCpuType: 'qemu64-x86_64-cpu',
    acpi: true,
    ports: { serial: true, parallel: true },
  };
  system.types.define({
    name: 'nitro-enclave-machine',
    parent: 'machine',
    create: (type: ObjectClass) => new NitroEnclaveMachine(type, system),
    data: { ...data },
    properties: i386.enclaveProperties,
  });
}
