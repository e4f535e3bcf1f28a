import { QomObject } from '../qom/object.js';
import { prop } from '../qom/property.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import { QemuError } from '../system/errors.js';
import type { MemoryRegion } from '../system/memory.js';
import type { Bus } from './bus.js';

/** The headings of `-device help`. */
export type DeviceCategory =
  | 'Controller/Bridge/Hub'
  | 'USB'
  | 'Storage'
  | 'Network'
  | 'Input'
  | 'Display'
  | 'Sound'
  | 'Misc'
  | 'CPU'
  | 'Watchdog'
  | 'Uncategorized';

/** Class data of device types (TypeInfo.data). */
export interface DeviceClassData {
  /** Type of the bus the device plugs into; absent for busless devices. */
  readonly bus?: string;
  /** Default true: `-device` can make it. */
  readonly userCreatable?: boolean;
  /** Default true: device_add can make it on a running machine. */
  readonly hotpluggable?: boolean;
  readonly category?: DeviceCategory;
  readonly desc?: string;
}

export function deviceData(type: ObjectClass): DeviceClassData {
  return type.data;
}

/**
 * A device: created, given its properties, then realized on a bus. Its place in the tree is settled before realize.
 */
export abstract class Device extends QomObject {
  /** `id=`, unset for anonymous devices. */
  id: string | undefined;
  hotplugged = false;
  #bus: Bus | undefined;
  #realized = false;
  readonly childBuses: Bus[] = [];

  /** Acquires what the device needs; a rejection leaves it unrealized. */
  protected onRealize(): void | Promise<void> {}

  /** Gives back what `onRealize` acquired; must not fail. */
  protected onUnrealize(): void | Promise<void> {}

  /** Its windows in the memory address space, as `info qtree` lists them. */
  get windows(): readonly MemoryRegion[] {
    return [];
  }

  /** Its interrupt lines, as `info qtree` lists them. */
  get gpios(): readonly string[] {
    return [];
  }

  get realized(): boolean {
    return this.#realized;
  }

  get parentBus(): Bus | undefined {
    return this.#bus;
  }

  /** Its type and its bus allow it (QEMU: device_get_hotpluggable). */
  get hotpluggable(): boolean {
    return (deviceData(this.type).hotpluggable ?? true) && this.parentBus?.hotpluggable !== false;
  }

  /** Puts the device on `bus` (if any) and brings it up. */
  async realize(bus?: Bus): Promise<void> {
    if (bus !== undefined) {
      this.#bus = bus;
      bus.attach(this);
    }
    try {
      await this.onRealize();
    } catch (error) {
      bus?.detach(this);
      this.#bus = undefined;
      throw error;
    }
    this.#realized = true;
    for (const child of this.childBuses) child.realized = true;
  }

  async unrealize(): Promise<void> {
    if (!this.#realized) return;
    for (const bus of this.childBuses) for (const device of bus.devices()) await device.unrealize();
    await this.onUnrealize();
    this.#realized = false;
    this.#bus?.detach(this);
  }
}

/** @throws QemuError: properties of devices are fixed once they are realized */
export function refuseAfterRealize(device: Device, name: string): void {
  if (!device.realized) return;
  throw new QemuError(
    `Attempt to set property '${name}' on device '${device.id ?? ''}' (type '${device.type.name}') after it was realized`,
  );
}

export function defineDeviceTypes(types: TypeRegistry): void {
  types.define({
    name: 'device',
    parent: 'object',
    abstract: true,
    properties: {
      parent_bus: {
        type: 'link<bus>',
        flavour: 'object',
        get: (object) => (object as Device).parentBus?.canonicalPath ?? '',
        target: (object) => (object as Device).parentBus,
      },
      realized: prop.bool<Device>({ get: (device) => device.realized }),
      hotplugged: prop.bool<Device>({ get: (device) => device.hotplugged }),
      hotpluggable: prop.bool<Device>({ get: (device) => device.hotpluggable }),
    },
  });
}
