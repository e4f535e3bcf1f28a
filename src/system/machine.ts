import type { FaultBoard } from '../attestation/faults.js';
import type { DebugTarget } from '../gdbstub/target.js';
import type { CpuRegisters } from '../hw/i386/cpu-registers.js';
import type { Bus } from '../qdev/bus.js';
import { QomObject } from '../qom/object.js';
import { type MaybePromise, prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import type { Accelerator } from './accelerator.js';
import { QemuError } from './errors.js';
import type { Int64, JsonObject } from './json.js';
import type { RunTarget } from './run-control.js';
import { completeSmp, SMPConfiguration, type SmpLimits, type SmpOptions, type SmpTopology } from './smp.js';
import type { System } from './system.js';

/** Class data of machine types (TypeInfo.data of `NAME-machine`). */
export interface MachineClassData {
  readonly desc: string;
  readonly maxCpus: number;
  readonly minCpus?: number;
  readonly defaultCpus?: number;
  /** Bytes of guest RAM without -m. */
  readonly defaultRamSize: number;
  /** Id of the memory backend the machine makes itself. */
  readonly defaultRamId: string;
  /** Reported by query-machines; absent where libvirt must not replace the machine's own backend. */
  readonly reportedRamId?: string;
  readonly defaultCpuType?: string;
  readonly acpi?: boolean;
  /** Nothing runs on it: any accelerator starts as far as QEMU's does. */
  readonly executes?: boolean;
  /** Whether the machine gets a serial and a parallel port unasked; both by default. */
  readonly ports?: { readonly serial: boolean; readonly parallel: boolean };
  /** Sysbus device types that -device may make on this machine at start-up. */
  readonly allowedSysbusDevices?: readonly string[];
}

export function machineData(type: ObjectClass): MachineClassData {
  return type.data as unknown as MachineClassData;
}

/** One row of query-cpus-fast. */
export interface CpuInfo {
  readonly index: number;
  readonly object: QomObject;
  /** Host thread that runs the vCPU, or the process where no thread does. */
  readonly threadId: number;
  readonly props?: JsonObject;
}

/** vCPUs as the monitor reaches into them; each call has a limit of time. */
export interface CpuAccess {
  readRegisters(cpu: number): Promise<CpuRegisters>;
  /** Guest-physical address of a virtual one, or undefined where nothing is mapped. */
  translate(cpu: number, address: bigint): Promise<bigint | undefined>;
  /** A non-maskable interrupt for every vCPU. */
  injectNmi(): Promise<void>;
  /** The first instruction of some bytes; undefined where the accelerator knows none. */
  readonly disassemble?: Disassemble | undefined;
}

/** Bits of code: what CS says. */
export type CodeMode = 16 | 32 | 64;

export interface Disassembled {
  /** Bytes. */
  readonly length: number;
  /** AT&T syntax; `.byte` for what is no instruction. */
  readonly text: string;
}

/** @param address where the bytes are: branch targets depend on it */
export type Disassemble = (bytes: Uint8Array, address: bigint, mode: CodeMode) => Promise<Disassembled>;

/** The image of an enclave and what it measures to. */
export interface EnclaveView {
  readonly debugMode: boolean;
  /** 0 until it runs. */
  readonly cid: number;
  readonly file: string;
  /** Offsets count from the start of the image; sizes are bytes. */
  readonly image: {
    readonly format: 'eif' | 'kernel';
    readonly size: number;
    readonly crc32: number;
    readonly sections: readonly { readonly type: string; readonly offset: number; readonly size: number }[];
    readonly warnings: readonly string[];
  };
  /** PCR 0, 1, 2 and 8 as the image determines them. @throws QemuError when the files have changed */
  measure(): Promise<ReadonlyMap<number, Uint8Array>>;
  /** Absent where the Nitro Hypervisor has the module. */
  readonly nsm?: NsmView;
}

/** A Nitro Secure Module of this process. */
export interface NsmView {
  /** Root certificate of its attestation documents, in PEM; undefined when they are not signed. */
  readonly root: string | undefined;
  /** What can be made to go wrong with it. */
  readonly faults: FaultBoard;
  /** All registers in order, as they are now. */
  registers(): Promise<readonly { readonly value: Uint8Array; readonly locked: boolean }[]>;
}

export const MemorySizeConfiguration = qapi.struct('MemorySizeConfiguration', {
  size: qapi.optional(qapi.size),
  'max-size': qapi.optional(qapi.size),
  slots: qapi.optional(qapi.uint64),
});

export const BootConfiguration = qapi.struct('BootConfiguration', {
  order: qapi.optional(qapi.str),
  once: qapi.optional(qapi.str),
  menu: qapi.optional(qapi.bool),
  splash: qapi.optional(qapi.str),
  'splash-time': qapi.optional(qapi.int),
  'reboot-timeout': qapi.optional(qapi.int),
  strict: qapi.optional(qapi.bool),
});

/** The board: what -machine configures and what the object tree shows at /machine. */
export abstract class Machine extends QomObject {
  readonly system: System;
  kernel = '';
  initrd = '';
  append = '';
  dtb = '';
  firmware = '';
  shim = '';
  dumpdtb = '';
  dtCompatible = '';
  memoryEncryption = '';
  phandleStart: Int64 = 0;
  graphics = true;
  usb = false;
  dumpGuestCore = true;
  memMerge = true;
  suppressVmdesc = false;
  spcr = true;
  auxRamShare = false;
  boot: qapi.Infer<typeof BootConfiguration> = {};
  /** Bytes asked for with -m; undefined leaves it to the machine. */
  ramSize: number | undefined;
  maxRamSize: number | undefined;
  ramSlots = 0;
  /** Id of the user's memory backend, '' for the machine's own. */
  memoryBackendId = '';
  /** The backend in use, once the machine has its RAM. */
  memoryBackend: QomObject | undefined;
  #smp: SmpTopology | undefined;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.system = system;
  }

  get data(): MachineClassData {
    return machineData(this.type);
  }

  /** Machine name as -M takes it. */
  get machineName(): string {
    return this.type.name.replace(/-machine$/, '');
  }

  /** CPUs when -smp does not say; machines may look at the host. */
  protected defaultCpus(): number {
    return this.data.defaultCpus ?? 1;
  }

  /** The topology of -smp, else the machine's default, which may change until the machine has looked at the host. */
  get smp(): SmpTopology {
    return this.#smp ?? completeSmp({ cpus: this.defaultCpus() }, this.#smpLimits);
  }

  /** @throws QemuError when the topology does not fit together or the machine */
  set smpConfiguration(options: SmpOptions) {
    this.#smp = completeSmp(options, this.#smpLimits);
  }

  get #smpLimits(): SmpLimits {
    return { machine: this.machineName, min: this.data.minCpus ?? 1, max: this.data.maxCpus };
  }

  get effectiveRamSize(): number {
    return this.ramSize ?? this.data.defaultRamSize;
  }

  /** Own checks that need no resources (accelerator, -kernel), before RAM is reserved. */
  preflight(): void | Promise<void> {}

  /** All devices of the command line are there: makes what must know them all. */
  complete(): void | Promise<void> {}

  /** Builds the board: memory, images, devices. The accelerator is up. */
  abstract init(accel: Accelerator): void | Promise<void>;

  /** See DeviceHost. */
  boardBus(_type: ObjectClass, _properties: JsonObject): MaybePromise<Bus | undefined> {
    return undefined;
  }

  /** What run control drives; the default is a board on which nothing executes. */
  runTarget(): RunTarget {
    return { start: () => {}, stop: () => {}, reset: () => {} };
  }

  /** The enclave this machine launches, once its image is loaded. */
  get enclave(): EnclaveView | undefined {
    return undefined;
  }

  /** What a debugger works on; undefined where the CPUs are not ours. */
  get debugTarget(): DebugTarget | undefined {
    return undefined;
  }

  /** Why guest memory cannot be read from here (it was donated to an enclave), undefined when it can. */
  get memoryUnreadable(): string | undefined {
    return undefined;
  }

  /** What can be asked of vCPUs while they run; undefined where nothing executes, or out of reach. */
  get cpuAccess(): CpuAccess | undefined {
    return undefined;
  }

  /** Rows of query-cpus-fast. */
  cpus(): CpuInfo[] {
    return [];
  }
}

export function defineMachineTypes(types: TypeRegistry): void {
  const text = (field: 'kernel' | 'initrd' | 'append' | 'dtb' | 'firmware' | 'shim' | 'dumpdtb', description: string) =>
    prop.string<Machine>({
      get: (m) => m[field],
      set: (m, value) => {
        m[field] = value;
      },
      description,
    });
  const flag = (
    field: 'graphics' | 'usb' | 'dumpGuestCore' | 'memMerge' | 'suppressVmdesc' | 'spcr' | 'auxRamShare',
    description: string,
  ) =>
    prop.bool<Machine>({
      get: (m) => m[field],
      set: (m, value) => {
        m[field] = value;
      },
      description,
    });
  types.define({ name: 'confidential-guest-support', parent: 'object', abstract: true });
  types.define({
    name: 'machine',
    parent: 'object',
    abstract: true,
    properties: {
      kernel: text('kernel', 'Kernel or enclave image to boot'),
      initrd: text('initrd', 'Initial ramdisk for a kernel given with kernel='),
      append: text('append', 'Command line for the kernel'),
      dtb: text('dtb', 'Device tree blob'),
      firmware: text('firmware', 'Firmware image'),
      shim: text('shim', 'EFI shim image'),
      dumpdtb: text('dumpdtb', 'Write the device tree to this file and end'),
      'dt-compatible': prop.string<Machine>({
        get: (m) => m.dtCompatible,
        set: (m, value) => {
          m.dtCompatible = value;
        },
        description: 'Value of "compatible" in the root node of the device tree',
      }),
      'phandle-start': prop.int<Machine>({
        get: (m) => m.phandleStart,
        set: (m, value) => {
          m.phandleStart = value;
        },
        description: 'Lowest phandle for generated device tree nodes',
      }),
      boot: prop.of<JsonObject>(
        'BootConfiguration',
        BootConfiguration,
      )<Machine>({
        get: (m) => m.boot as JsonObject,
        set: (m, value) => {
          const boot = value as qapi.Infer<typeof BootConfiguration>;
          checkBootOrder(boot.order ?? '');
          checkBootOrder(boot.once ?? '');
          m.boot = boot;
        },
        description: 'Boot order and menu settings',
      }),
      memory: prop.of<JsonObject>(
        'MemorySizeConfiguration',
        MemorySizeConfiguration,
      )<Machine>({
        get: (m) => ({
          size: m.effectiveRamSize,
          ...(m.maxRamSize === undefined || m.maxRamSize === m.effectiveRamSize
            ? {}
            : { 'max-size': m.maxRamSize, slots: m.ramSlots }),
        }),
        set: (m, value) => setMemory(m, value as qapi.Infer<typeof MemorySizeConfiguration>),
        description: 'Size of guest RAM',
      }),
      smp: prop.of<JsonObject>(
        'SMPConfiguration',
        SMPConfiguration,
      )<Machine>({
        get: (m) => ({ ...m.smp, drawers: 1, books: 1, dies: 1, clusters: 1, modules: 1 }),
        set: (m, value) => {
          m.smpConfiguration = value as SmpOptions;
        },
        description: 'Number of CPUs and their topology',
      }),
      'smp-cache': {
        type: 'SmpCachePropertiesWrapper',
        flavour: 'object',
        get: () => ['l1d', 'l1i', 'l2', 'l3'].map((cache) => ({ topology: 'default', cache })),
        description: 'Cache levels and the topology level that shares each',
      },
      'memory-backend': {
        type: 'link<memory-backend>',
        flavour: 'object',
        value: qapi.str,
        get: (object) => (object as Machine).memoryBackend?.canonicalPath ?? '',
        set: (object, value) => {
          (object as Machine).memoryBackendId = String(value);
        },
        target: (object) => (object as Machine).memoryBackend,
        description: 'Id of the memory backend that holds guest RAM',
      },
      'memory-encryption': prop.string<Machine>({
        get: (m) => m.memoryEncryption,
        set: (m, value) => {
          m.memoryEncryption = value;
        },
        description: 'Id of a memory encryption object',
      }),
      'confidential-guest-support': {
        type: 'link<confidential-guest-support>',
        flavour: 'object',
        get: () => '',
        description: 'Confidential guest scheme; these machines have none',
      },
      graphics: flag('graphics', 'Whether the machine has a display'),
      usb: flag('usb', 'Whether the machine has USB'),
      'dump-guest-core': flag('dumpGuestCore', 'Whether guest memory is part of a core dump'),
      'mem-merge': flag('memMerge', 'Whether the host may merge equal pages'),
      'suppress-vmdesc': flag('suppressVmdesc', 'Leave the machine description out of migration streams'),
      spcr: flag('spcr', 'Whether ACPI describes the serial console (SPCR)'),
      'aux-ram-share': flag('auxRamShare', 'Whether auxiliary RAM is shareable with other processes'),
    },
  });
}

/** As QEMU's machine_set_mem; sizes are rounded up to 8 KiB. @throws QemuError */
function setMemory(machine: Machine, memory: qapi.Infer<typeof MemorySizeConfiguration>): void {
  const given = Number(memory.size ?? 0);
  const size = Math.ceil((given === 0 ? machine.data.defaultRamSize : given) / 8192) * 8192;
  const max = memory['max-size'] === undefined ? undefined : Number(memory['max-size']);
  const slots = Number(memory.slots ?? 0);
  if (max === undefined && memory.slots !== undefined) throw new QemuError('slots specified but no max-size');
  const hex = (value: number): string => `0x${value.toString(16)}`;
  if (max !== undefined && max < size) {
    throw new QemuError(
      `invalid value of maxmem: maximum memory size (${hex(max)}) must be at least the initial memory size (${hex(size)})`,
    );
  }
  if (max !== undefined && slots > 0 && max === size) {
    throw new QemuError(
      `invalid value of maxmem: memory slots were specified but maximum memory size (${hex(max)}) ` +
        `is equal to the initial memory size (${hex(size)})`,
    );
  }
  if (given !== 0) machine.ramSize = size;
  machine.maxRamSize = max;
  machine.ramSlots = slots;
}

/** @throws QemuError for a letter that is no boot device, or one given twice */
function checkBootOrder(order: string): void {
  const seen = new Set<string>();
  for (const device of order) {
    if (device < 'a' || device > 'p') throw new QemuError(`Invalid boot device '${device}'`);
    if (seen.has(device)) throw new QemuError(`Boot device '${device}' was given twice`);
    seen.add(device);
  }
}
