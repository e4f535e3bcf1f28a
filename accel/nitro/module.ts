import { closeSync } from 'node:fs';
import type { ObjectClass } from '../../src/qom/types.js';
import type { Int64 } from '../../src/system/json.js';
import type { Machine } from '../../src/system/machine.js';
import type { ModuleApi } from '../../src/system/module-api.js';
import type { AcceleratorClassData, EnclaveAccelerator, EnclaveLaunch } from '../accel.js';
import { NE_DEVICE, type NeErrorName, neErrorName } from './abi.js';
import { type NitroHostFacts, openHint, type Request, requestHint } from './diagnose.js';
import { Enclave, type EnclaveHost } from './enclave.js';

/** Sentences QEMU has for what NE_START_ENCLAVE refuses (accel/nitro of QEMU 11). */
const startSentences: Partial<Record<NeErrorName, string>> = {
  NO_MEM_REGIONS_ADDED: 'nitro: no memory regions added',
  NO_VCPUS_ADDED: 'nitro: no vCPUs added',
  ENCLAVE_MEM_MIN_SIZE: 'nitro: memory is below the minimum required size. Try increasing -m',
  FULL_CORES_NOT_USED:
    'nitro: requires full CPU cores. Try increasing -smp to a multiple of threads per core on this host (e.g. -smp 2)',
  NOT_IN_INIT_STATE: 'nitro: not in init state',
  INVALID_FLAG_VALUE: 'nitro: invalid flag value for NE_START_ENCLAVE',
  INVALID_ENCLAVE_CID: 'nitro: invalid enclave CID',
};

/** An error of open(2) or ioctl(2), as node:fs and src/host throw them. */
function systemError(error: unknown): { errno: number; code: string | undefined } {
  const { errno, code } = error as { errno?: number; code?: string };
  if (typeof errno !== 'number') throw error;
  return { errno: Math.abs(errno), code };
}

export default function nitro(api: ModuleApi): void {
  const { system } = api;
  const { QomObject, prop } = api.qom;
  const { QemuError } = api.sys;
  const traceIoctl = system.trace.define('nitro_ioctl', '%s slot %d result %d');
  const traceStarted = system.trace.define('nitro_enclave_started', 'enclave started, CID=%d');
  const traceEnded = system.trace.define('nitro_enclave_ended', 'enclave ended, CID=%d');

  class NitroAccel extends QomObject implements EnclaveAccelerator {
    readonly acceleratorName = 'nitro';
    debugMode = false;
    enclaveCid: Int64 = 0;
    #device: number | undefined;
    #enclave: Enclave | undefined;
    #host: EnclaveHost | undefined;
    #ended: () => void = () => {};

    async initMachine(_machine: Machine): Promise<void> {
      const host = await api.lazy.host();
      this.#host = host;
      try {
        this.#device = Enclave.openDevice();
      } catch (error) {
        const { errno, code } = systemError(error);
        throw new QemuError(`nitro: failed to open ${NE_DEVICE}: ${host.strerror(errno)}`, {
          hint: `nitro: ${openHint(code, await this.#facts())}`,
        });
      }
      await this.#create({ cpus: 0, memory: 0, cid: 0n });
    }

    async #facts(): Promise<NitroHostFacts> {
      const { HostFacts } = await api.lazy.host();
      const facts = new HostFacts();
      const nodes = facts.numaNodes() ?? [0];
      const pool = facts.nitroCpuPool();
      return {
        moduleLoaded: facts.nitroModuleLoaded(),
        pool,
        threadsPerCore: facts.threadsPerCore(),
        hugePages: nodes.flatMap((node) => facts.hugePages(node).map((pages) => ({ node, ...pages }))),
        // Pool CPUs are offline, and the kernel tells the node of online CPUs only; one node leaves no doubt.
        poolNode: nodes.length === 1 ? nodes[0] : undefined,
      };
    }

    async #create(request: Request): Promise<Enclave> {
      const host = this.#host;
      const device = this.#device;
      if (host === undefined || device === undefined) throw new Error('the accelerator is not initialised');
      const enclave = await this.#step('NE_CREATE_VM', undefined, request, () => Enclave.create(device, host));
      this.#enclave = enclave;
      return enclave;
    }

    /** Runs one request; a refusal becomes QEMU's sentence for the step and a hint with the cause on this host. */
    async #step<T>(
      name: string,
      sentence: ((errno: number, text: string) => string) | undefined,
      request: Request,
      run: () => Promise<T>,
    ): Promise<T> {
      try {
        const result = await run();
        traceIoctl(name, this.#enclave?.slotUid ?? 0n, typeof result === 'number' ? result : 0);
        return result;
      } catch (error) {
        const { errno, code } = systemError(error);
        traceIoctl(name, this.#enclave?.slotUid ?? 0n, -errno);
        const text = (await api.lazy.host()).strerror(errno);
        throw new QemuError(sentence?.(errno, text) ?? `nitro: ${name} failed: ${text}`, {
          hint: `nitro: ${requestHint(neErrorName(errno), code, request, await this.#facts())}`,
        });
      }
    }

    async launch({ blocks, cpus }: EnclaveLaunch): Promise<number> {
      const memory = blocks.reduce((sum, block) => sum + block.size, 0);
      const request: Request = { cpus, memory, cid: BigInt(this.enclaveCid) };
      const enclave = this.#enclave ?? (await this.#create(request));
      try {
        for (const block of blocks) {
          const sentence = (_: number, text: string) =>
            `nitro: NE_SET_USER_MEMORY_REGION failed for ${block.id} (${block.size} bytes): ${text}`;
          await this.#step('NE_SET_USER_MEMORY_REGION', sentence, request, () => enclave.donate(block));
        }
        for (let i = 0; i < cpus; i++) {
          await this.#step('NE_ADD_VCPU', undefined, request, () => enclave.addVcpu());
        }
        const sentence = (errno: number, text: string) =>
          startSentences[neErrorName(errno) as NeErrorName] ??
          `nitro: NE_START_ENCLAVE failed: ${text} (errno ${errno})`;
        const cid = await this.#step('NE_START_ENCLAVE', sentence, request, () =>
          enclave.start(this.debugMode, request.cid),
        );
        traceStarted(cid);
        this.enclaveCid = cid;
        enclave.watchEnd(() => {
          traceEnded(cid);
          this.#ended();
        });
        return cid;
      } catch (error) {
        // A slot that failed half-way keeps what it was given; a further attempt needs a fresh one.
        enclave.close();
        this.#enclave = undefined;
        throw error;
      }
    }

    onEnd(callback: () => void): void {
      this.#ended = callback;
    }

    shutdown(): void {
      this.#enclave?.close();
      this.#enclave = undefined;
      if (this.#device !== undefined) closeSync(this.#device);
      this.#device = undefined;
    }
  }

  const data: AcceleratorClassData = { listed: true, runs: (machine) => machine.machineName === 'nitro' };
  system.types.define({
    name: 'nitro-accel',
    parent: 'accel',
    create: (type: ObjectClass) => new NitroAccel(type),
    data: { ...data },
    properties: {
      'enclave-cid': prop.uint64<NitroAccel>({
        get: (accel) => accel.enclaveCid,
        set: (accel, cid) => {
          accel.enclaveCid = cid;
        },
        description: 'CID wanted for the enclave, 0 leaves the choice to the hypervisor; once it runs, the CID in use',
      }),
      'debug-mode': prop.bool<NitroAccel>({
        get: (accel) => accel.debugMode,
        set: (accel, on) => {
          accel.debugMode = on;
        },
        description: 'Start the enclave in debug mode: console output, PCRs all zero',
      }),
    },
  });
}
