import type { Chardev } from '../chardev/chardev.js';
import { type Bus, defineBusTypes } from '../qdev/bus.js';
import { defineDeviceTypes } from '../qdev/device.js';
import type { DeviceHost } from '../qdev/device-add.js';
import { GlobalProperties } from '../qdev/globals.js';
import type { QomObject } from '../qom/object.js';
import type { MaybePromise } from '../qom/property.js';
import { createTypeRegistry, ObjectTree } from '../qom/tree.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import type { Accelerator } from './accelerator.js';
import type { CpuModel } from './cpu.js';
import { QemuError } from './errors.js';
import { Signal, type SystemEvent } from './events.js';
import type { JsonObject } from './json.js';
import { defineMachineTypes, type Machine, machineData } from './machine.js';
import { createRegion, defineMemoryTypes, type MemoryRegion } from './memory.js';
import type { ModuleLoader } from './modules.js';
import type { Reporter } from './report.js';
import { RunControl } from './run-control.js';
import { Trace } from './trace.js';

/** Target architecture, fixed by the program's name. */
export type TargetArch = 'x86_64' | 'aarch64';

/** Settings of the process that rooms and the monitor look at. */
export interface Settings {
  readonly program: string;
  readonly arch: TargetArch;
  /** Version of this package. */
  readonly version: string;
  name?: string;
  uuid: string;
  defaults: boolean;
  /** -display type, `none` by -nographic too. */
  display: string;
  /** -cpu, checked; undefined leaves the model to the machine. */
  cpu?: CpuModel;
  /** -mem-prealloc: RAM the machine makes is populated at start. */
  memPrealloc?: boolean;
  /** -rtc base=: what the guest's clock is ahead of the host's at the start, ms. */
  rtcAheadMs?: number;
  /** -echr: the byte that starts a command to a multiplexed terminal; Ctrl-A without it. */
  escapeCharacter?: number;
}

/**
 * `preconfig`: options are read, the machine is not built. `initialized`: being built. `ready`: up; devices added from
 * now on are hot plugged.
 */
export type Phase = 'preconfig' | 'initialized' | 'ready';

/** Rooms whose QOM types are defined when first needed: most command lines need few of them. */
export type TypeRoom =
  | 'attestation-ca'
  | 'chardev'
  | 'cpu'
  | 'hostmem'
  | 'hw/nitro'
  | 'i386'
  | 'iothread'
  | 'isa'
  | 'rng'
  | 'secret'
  | 'tls-creds'
  | 'virtio';

/** Everything one emulator process shares between its rooms. Made once, by src/main.ts or a test. */
export class System implements DeviceHost {
  readonly settings: Settings;
  readonly types: TypeRegistry = createTypeRegistry();
  readonly tree: ObjectTree;
  readonly globals = new GlobalProperties();
  readonly events = new Signal<SystemEvent>();
  readonly run: RunControl;
  readonly trace: Trace;
  readonly report: Reporter;
  readonly modules: ModuleLoader;
  phase: Phase = 'preconfig';
  /** Pending while options become a machine. Monitors hold commands back until then: QEMU's main loop would not run yet. */
  making: Promise<void> | undefined;
  #machine: Machine | undefined;
  #accel: Accelerator | undefined;
  #nodes: { peripheral: QomObject; peripheralAnon: QomObject; unattached: QomObject; sysbus: Bus } | undefined;
  #memory: { system: MemoryRegion; io: MemoryRegion } | undefined;
  readonly #typeRooms = new Map<TypeRoom, () => void | Promise<void>>();
  readonly #typesReady = new Map<TypeRoom, Promise<void>>();
  /** Character devices of -serial, in order; undefined for `-serial none`. */
  readonly serials: (Chardev | undefined)[] = [];
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  constructor(options: {
    settings: Settings;
    report: Reporter;
    traceLine: (line: string) => void;
    modules: ModuleLoader;
  }) {
    this.settings = options.settings;
    this.report = options.report;
    this.modules = options.modules;
    this.trace = new Trace(options.traceLine);
    this.run = new RunControl(this.events, (text) => this.report.line(text));
    defineMemoryTypes(this.types);
    defineDeviceTypes(this.types);
    defineBusTypes(this.types);
    defineMachineTypes(this.types);
    this.types.define({ name: 'accel', parent: 'object', abstract: true });
    this.tree = new ObjectTree(this.types);
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new QemuError('No machine specified, and there is no default');
    return this.#machine;
  }

  get hasMachine(): boolean {
    return this.#machine !== undefined;
  }

  /** The accelerator in use; undefined until the machine has one. */
  get accel(): Accelerator | undefined {
    return this.#accel;
  }

  set accel(accel: Accelerator | undefined) {
    this.#accel = accel;
  }

  /** Puts the machine into the tree with the containers, root bus and address spaces every machine has. */
  setMachine(machine: Machine): void {
    this.#machine = this.tree.root.addChild('machine', machine);
    const peripheral = machine.addChild('peripheral', this.tree.container());
    const peripheralAnon = machine.addChild('peripheral-anon', this.tree.container());
    const unattached = machine.addChild('unattached', this.tree.container());
    const io = unattached.addChild('io[0]', createRegion(this.types, 'io', 0x10000n, 'i/o'));
    const system = unattached.addChild('system[0]', createRegion(this.types, 'system', 1n << 64n, 'i/o'));
    const sysbus = unattached.addChild('sysbus', this.types.get('System')?.create() as Bus);
    this.#nodes = { peripheral, peripheralAnon, unattached, sysbus };
    this.#memory = { system, io };
  }

  #node<K extends 'peripheral' | 'peripheralAnon' | 'unattached' | 'sysbus'>(key: K) {
    if (this.#nodes === undefined) throw new QemuError('The machine has not been created yet');
    return this.#nodes[key];
  }

  get peripheral(): QomObject {
    return this.#node('peripheral');
  }

  get peripheralAnon(): QomObject {
    return this.#node('peripheralAnon');
  }

  get unattached(): QomObject {
    return this.#node('unattached');
  }

  get mainSystemBus(): Bus {
    return this.#node('sysbus') as Bus;
  }

  /** Root of the memory address space. */
  get systemMemory(): MemoryRegion {
    if (this.#memory === undefined) throw new Error('no machine yet');
    return this.#memory.system;
  }

  /** Root of the I/O port address space. */
  get ioMemory(): MemoryRegion {
    if (this.#memory === undefined) throw new Error('no machine yet');
    return this.#memory.io;
  }

  get ready(): boolean {
    return this.phase === 'ready';
  }

  allowsSysbusDevice(type: ObjectClass): boolean {
    const allowed = this.#machine === undefined ? [] : machineData(this.#machine.type).allowedSysbusDevices;
    return allowed?.some((name) => type.isA(name)) ?? false;
  }

  boardBus(type: ObjectClass, properties: JsonObject): MaybePromise<Bus | undefined> {
    return this.#machine?.boardBus(type, properties);
  }

  /** Says how the types of a room are defined; `needTypes` does it. */
  offerTypes(room: TypeRoom, define: () => void | Promise<void>): void {
    this.#typeRooms.set(room, define);
  }

  /** Defines the types of the given rooms, or of all of them and of all modules; each once. */
  async needTypes(...rooms: TypeRoom[]): Promise<void> {
    if (rooms.length === 0) await this.modules.loadAll();
    for (const room of rooms.length > 0 ? rooms : this.#typeRooms.keys()) {
      let ready = this.#typesReady.get(room);
      if (ready === undefined) {
        ready = Promise.resolve(this.#typeRooms.get(room)?.());
        this.#typesReady.set(room, ready);
      }
      await ready;
    }
  }

  /** Runs `cleanup` when the process ends in an orderly way, last registered first. */
  onExit(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /** Runs the clean-ups; each gets its turn even when another fails. */
  async dispose(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup !== undefined; cleanup = this.#cleanups.pop()) {
      try {
        await cleanup();
      } catch (error) {
        this.report.error(error);
      }
    }
  }
}
