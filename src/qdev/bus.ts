import { QomObject } from '../qom/object.js';
import { prop } from '../qom/property.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import type { Device } from './device.js';

/** Class data of bus types (TypeInfo.data). */
export interface BusClassData {
  /** Greatest number of devices; unlimited when absent. */
  readonly maxDevices?: number;
}

/** Takes part when a device comes to or leaves a bus of a running machine (QEMU: hw/core/hotplug.c). */
export interface HotplugHandler extends QomObject {
  /** Before realize. @throws QemuError to refuse the device */
  prePlug?(device: Device): void | Promise<void>;
  /** After realize. */
  plug?(device: Device): void | Promise<void>;
  /** Before unrealize. @throws QemuError to keep the device */
  unplug?(device: Device): void | Promise<void>;
}

/** Where devices plug in. Its devices show as `child[N]` links. */
export class Bus extends QomObject {
  realized = false;
  /** The handler that allows hot plug; none of our buses has one unless its machine sets it. */
  hotplugHandler: HotplugHandler | undefined;
  readonly #devices = new Map<Device, string>();

  get full(): boolean {
    const { maxDevices } = this.type.data as BusClassData;
    return maxDevices !== undefined && this.#devices.size >= maxDevices;
  }

  get hotpluggable(): boolean {
    return this.hotplugHandler !== undefined;
  }

  /** Newest first, as QEMU lists them. */
  devices(): Device[] {
    return [...this.#devices.keys()].reverse();
  }

  attach(device: Device): void {
    this.#devices.set(
      device,
      this.addLink('child[*]', device.type.name, () => device),
    );
  }

  detach(device: Device): void {
    const link = this.#devices.get(device);
    if (link === undefined) return;
    this.#devices.delete(device);
    this.removeProperty(link);
  }
}

/** The root bus of a machine, at /machine/unattached/sysbus. Its own name is `main-system-bus`. */
export const MAIN_SYSTEM_BUS = 'main-system-bus';

/** The name users see and give with `bus=`: differs from the tree's only for the system bus. */
export function busName(bus: Bus): string {
  return bus.type.name === 'System' ? MAIN_SYSTEM_BUS : bus.name;
}

export function defineBusTypes(types: TypeRegistry): void {
  types.define({ name: 'hotplug-handler', interface: true });
  types.define({
    name: 'bus',
    parent: 'object',
    abstract: true,
    properties: {
      realized: prop.bool<Bus>({ get: (bus) => bus.realized }),
      'hotplug-handler': {
        type: 'link<hotplug-handler>',
        flavour: 'object',
        get: (object) => (object as Bus).hotplugHandler?.canonicalPath ?? '',
        target: (object) => (object as Bus).hotplugHandler,
      },
    },
  });
  const create = (type: ObjectClass): Bus => new Bus(type);
  types.define({ name: 'System', parent: 'bus', create });
  types.define({
    name: 'sys-bus-device',
    parent: 'device',
    abstract: true,
    data: { bus: 'System', userCreatable: false },
  });
}
