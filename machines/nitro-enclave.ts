import type { Vm, VmAccelerator, VmEvent, VmRam } from '../accel/accel.js';
import type { HostMemoryBackend } from '../src/hostmem/api.js';
import type { BoardHost, BoardPart, LoadedGuest } from '../src/hw/i386/api.js';
import type { DeviceEvent, DeviceThread, VirtioDevice, VirtioMmioTransport } from '../src/hw/virtio/api.js';
import type { Device } from '../src/qdev/api.js';
import type { ObjectClass } from '../src/qom/types.js';
import type { Accelerator } from '../src/system/accelerator.js';
import type { ShutdownCause } from '../src/system/events.js';
import type { GuestMemory } from '../src/system/guest-memory.js';
import type { JsonObject } from '../src/system/json.js';
import type { CpuAccess, CpuInfo, EnclaveView, MachineClassData } from '../src/system/machine.js';
import type { ModuleApi } from '../src/system/module-api.js';
import type { RunTarget } from '../src/system/run-control.js';

const MIB = 1024 * 1024;

function isVmAccelerator(accel: Accelerator): accel is VmAccelerator {
  return 'createVm' in accel;
}

/**
 * `-M nitro-enclave`: an enclave's machine, made here: QEMU's microvm with a Nitro Secure Module and vsock. Its vCPUs are
 * the accelerator's, its virtio devices are served by a thread of their own; the board's devices work in the vCPU threads.
 */
export default async function nitroEnclave(api: ModuleApi): Promise<void> {
  const { system } = api;
  if (system.settings.arch !== 'x86_64') return;
  const { QemuError } = api.sys;
  const i386 = await api.lazy.i386();
  const { EnclaveOptions, enclaveProperties } = i386;

  class NitroEnclaveMachine extends EnclaveOptions {
    #accel: VmAccelerator | undefined;
    #ram: readonly VmRam[] = [];
    #memory: GuestMemory | undefined;
    #guest: LoadedGuest | undefined;
    #vm: Vm | undefined;
    #board: BoardHost | undefined;
    #devices: DeviceThread | undefined;
    #cpus: Device[] = [];
    #parts: BoardPart[] = [];
    #transports: VirtioMmioTransport[] = [];
    #resetAsked = false;

    override preflight(): void {
      const { accel } = system;
      if (accel === undefined || !isVmAccelerator(accel)) {
        throw new QemuError("The 'nitro-enclave' machine requires -accel kvm or -accel tcg");
      }
      this.#accel = accel;
      if (this.kernel === '') throw new QemuError('nitro-enclave: -kernel <eif-file> is required');
      this.checkOptions();
    }

    override async init(): Promise<void> {
      await api.types('cpu');
      await api.types('i386');
      await api.types('virtio');
      await this.#addRam();
      const { cpuTypeName, createCpu } = api.sys;
      const model = this.#cpuModel;
    }
  }
}
