import { Bus } from '../../qdev/bus.js';
import { Device } from '../../qdev/device.js';
import { addChildBus } from '../../qdev/device-add.js';
import type { ObjectClass } from '../../qom/types.js';
import { QemuError } from '../../system/errors.js';
import { createRegion, type MemoryRegion } from '../../system/memory.js';
import type { System } from '../../system/system.js';

/** Where a device answers. */
export interface PortWindow {
  readonly label: string;
  readonly base: number;
  readonly size: number;
}

/** The ISA bus of a machine with I/O ports. */
export class IsaBus extends Bus {
  readonly #system: System;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.#system = system;
  }

  /** Maps ports of a device. @throws QemuError when another device has some of them */
  map(device: Device, { label, base, size }: PortWindow): MemoryRegion {
    const space = this.#system.ioMemory;
    const [first, last] = [BigInt(base), BigInt(base + size - 1)];
    const other = space.subregions.find(({ addr, size }) => addr <= last && first < addr + size);
    if (other !== undefined || last >= space.size) {
      throw new QemuError(`ports 0x${first.toString(16)} to 0x${last.toString(16)} are not free`, {
        hint: other === undefined ? 'the last port is 0xffff' : `'${other.label}' has some of them`,
      });
    }
    const region = device.addChild(`${label}[*]`, createRegion(this.#system.types, label, BigInt(size), 'i/o'));
    space.add(first, region);
    return region;
  }
}

/** A device on the ISA bus. */
export abstract class IsaDevice extends Device {
  /** Where the device is on a bus with ports; undefined on one without. */
  protected get ports(): IsaBus | undefined {
    return this.parentBus instanceof IsaBus ? this.parentBus : undefined;
  }
}

/** The bridge between the system bus and the ISA bus. */
export class IsaBridge extends Device {
  constructor(type: ObjectClass, busType: ObjectClass) {
    super(type);
    addChildBus(this, busType, 'isa.0');
  }
}

export function defineIsaBus(system: System): void {
  const { types } = system;
  const busType = types.define({ name: 'ISA', parent: 'bus', create: (type) => new IsaBus(type, system) });
  types.define({
    name: 'isa-device',
    parent: 'device',
    abstract: true,
    data: { bus: 'ISA' },
  });
  types.define({
    name: 'isabus-bridge',
    parent: 'sys-bus-device',
    create: (type) => new IsaBridge(type, busType),
    data: { hotpluggable: false },
  });
}
