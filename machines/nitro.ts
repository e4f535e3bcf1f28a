import type { EnclaveAccelerator } from '../accel/accel.js';
import type { EnclaveSerialBus } from '../src/hw/nitro/api.js';
import type { Bus } from '../src/qdev/api.js';
import type { ObjectClass } from '../src/qom/types.js';
import type { Accelerator } from '../src/system/accelerator.js';
import type { JsonObject } from '../src/system/json.js';
import type { CpuInfo, EnclaveView, MachineClassData } from '../src/system/machine.js';
import type { ModuleApi } from '../src/system/module-api.js';
import type { RunTarget } from '../src/system/run-control.js';

const MIB = 1024 * 1024;
const BRIDGE = 'nitro-vsock';

function isEnclaveAccelerator(accel: Accelerator): accel is EnclaveAccelerator {
  return 'launch' in accel && 'onEnd' in accel;
}

/**
 * `-M nitro`: what a Nitro Enclave needs of its parent: RAM in huge pages with the image at 8 MiB, CPUs by number, and
 * services on vsock. Everything else is the Nitro Hypervisor's.
 */
export default function nitro(api: ModuleApi): void {
  const { system } = api;
  const { Machine, QemuError } = api.sys;

  class NitroMachine extends Machine {
    #accel: EnclaveAccelerator | undefined;
    #threadsPerCore = 1;
    #launched = false;
    #saidRunsOn = false;
    #cpuType = '';
    readonly #vcpus: CpuInfo[] = [];
    #cid = 0;
    #enclave: EnclaveView | undefined;
    #serialBus: EnclaveSerialBus | undefined;

    override async preflight(): Promise<void> {
      const { accel } = system;
      if (accel === undefined || accel.acceleratorName !== 'nitro' || !isEnclaveAccelerator(accel)) {
        throw new QemuError("The 'nitro' machine requires -accel nitro");
      }
      this.#accel = accel;
      if (this.kernel === '') throw new QemuError('nitro: -kernel <eif-file> is required');
      const { HostFacts } = await api.lazy.host();
      this.#threadsPerCore = new HostFacts().threadsPerCore();
      await api.types('cpu');
      const { cpu, arch } = system.settings;
      this.#cpuType = cpu?.typeName ?? api.sys.cpuTypeName(arch, 'host');
      if (cpu !== undefined && (cpu.name !== 'host' || cpu.properties.length > 0)) {
        system.report.warn("-cpu has no effect on a Nitro Enclave: the hypervisor decides what the enclave's CPUs are");
      }
    }

    /** One full core, so that the quick start works without -smp. */
    protected override defaultCpus(): number {
      return this.#threadsPerCore;
    }

    override async init(): Promise<void> {
      await this.#loadImage();
      await api.types('hw/nitro');
      if (system.settings.defaults) await this.#addDevices();
    }

    override get enclave(): EnclaveView | undefined {
      return this.#enclave;
    }

    async #loadImage(): Promise<void> {
      const { machineRam } = await api.lazy.hostmem();
      const ram = await machineRam(system, this, { type: 'memory-backend-memfd', properties: { hugetlb: true } });
      const { loadEif, measureFiles, sectionName } = await api.lazy.eif();
      const source = {
        kernel: this.kernel,
        ...(this.initrd === '' ? {} : { initrd: this.initrd }),
        ...(this.append === '' ? {} : { append: this.append }),
        arch: system.settings.arch,
      };
      const loaded = await loadEif({ ...source, ram, warn: (text) => system.report.warn(text) });
      const machine = this;
      this.#enclave = {
        debugMode: this.#accel?.debugMode ?? false,
        get cid() {
          return machine.#cid;
        },
        file: this.kernel,
        image: {
          format: loaded.image,
          size: loaded.size,
          crc32: loaded.crc32,
          sections: loaded.sections.map(({ type, payload, size }) => ({
            type: sectionName(type),
            offset: payload,
            size,
          })),
          warnings: loaded.warnings,
        },
        async measure() {
          const { pcr0, pcr1, pcr2, pcr8 } = await measureFiles(source, loaded);
          return new Map([
            [0, pcr0],
            [1, pcr1],
            [2, pcr2],
            [8, pcr8],
          ]);
        },
      };
    }

    async #addDevices(): Promise<void> {
      const { plugBuiltin } = api.qdev;
      const bridge = await plugBuiltin(system, 'nitro-vsock-bridge', system.mainSystemBus, { id: BRIDGE });
      const bus = bridge.childBuses[0];
      if (bus === undefined) throw new Error('the bridge has no bus');
      await plugBuiltin(system, 'nitro-heartbeat', bus);
      const [serial] = system.serials;
      if (this.#accel?.debugMode === true && serial !== undefined) {
        await plugBuiltin(system, 'nitro-serial-vsock', bus, { properties: { chardev: serial.label } });
      }
    }

    /** libvirt's <console> is an isa-serial with a chardev: here the enclave's console. */
    override async boardBus(type: ObjectClass, properties: JsonObject): Promise<Bus | undefined> {
      if (!type.isA('isa-serial') || !('chardev' in properties)) return undefined;
      if (this.#serialBus === undefined) {
        const { EnclaveSerialBus } = await api.lazy.nitro();
        const busType = system.types.get('ISA');
        if (busType === undefined) throw new Error('type ISA is not defined');
        const bus = new EnclaveSerialBus(busType, system, this.#accel?.debugMode ?? false);
        this.#serialBus = system.unattached.addChild('isa.0', bus);
      }
      return this.#serialBus;
    }

    override runTarget(): RunTarget {
      return {
        start: async () => {
          if (this.#launched) this.#sayRunsOn();
          else await this.#launch();
        },
        stop: () => this.#sayRunsOn(),
      };
    }

    #sayRunsOn(): void {
      if (this.#saidRunsOn) return;
      this.#saidRunsOn = true;
      system.report.warn('a Nitro Enclave cannot be paused: stop and cont change the run state, the enclave runs on');
    }

    async #launch(): Promise<void> {
      const accel = this.#accel;
      if (accel === undefined) throw new Error('the machine is not initialised');
      const { ramBlocks } = await api.lazy.hostmem();
      const cid = await accel.launch({ blocks: ramBlocks(system), cpus: this.smp.cpus });
      this.#launched = true;
      this.#cid = cid;
      for (let index = 0; index < this.smp.cpus; index++) {
        const object = accel.addChild(`vcpu[${index}]`, api.sys.createCpu(system.types, this.#cpuType));
        await object.realize();
        this.#vcpus.push({ index, object, threadId: process.pid });
      }
      const { findBridge } = await api.lazy.nitro();
      const services = [findBridge(system), this.#serialBus].filter((service) => service !== undefined);
      accel.onEnd(() => void this.#ended(services));
      for (const service of services) await service.startEnclave(cid);
      system.events.emit({ type: 'enclave-started', cid });
    }

    async #ended(services: readonly { endEnclave(): Promise<void> }[]): Promise<void> {
      await Promise.all(services.map((service) => service.endEnclave()));
      await system.run.requestShutdown('guest-shutdown');
    }

    override get memoryUnreadable(): string | undefined {
      return this.#launched ? 'guest memory was donated to the enclave and cannot be read by its parent' : undefined;
    }

    override cpus(): CpuInfo[] {
      return this.#vcpus;
    }
  }

  const data: MachineClassData = {
    desc: 'Nitro Enclave',
    maxCpus: 4096,
    defaultRamSize: 128 * MIB,
    defaultRamId: 'ram',
    allowedSysbusDevices: ['nitro-vsock-bridge'],
  };
  system.types.define({
    name: 'nitro-machine',
    parent: 'machine',
    create: (type: ObjectClass) => new NitroMachine(type, system),
    data: { ...data },
  });
}
