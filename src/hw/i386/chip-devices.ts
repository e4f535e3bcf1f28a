import { Device } from '../../qdev/device.js';
import { qdevProp } from '../../qom/property.js';
import * as qapi from '../../qom/qapi.js';
import type { ObjectClass } from '../../qom/types.js';
import { createRegion, type MemoryRegion } from '../../system/memory.js';
import type { System } from '../../system/system.js';
import { IsaDevice } from '../isa/bus.js';
import { IOAPIC, IOAPIC_PINS, LOCAL_APIC } from './memory-layout.js';

// Interrupt controllers and timer as the object tree shows them; what works is the accelerator's.

const IOAPIC_VERSION = 0x20;
const IOAPIC_SIZE = 0x1000;
const APIC_SIZE = 0x100000;
/** Above RAM and devices. */
const APIC_PRIORITY = 0x1000;
const PIT_PORT = 0x40;
const PIT_PORTS = 4;

/** One of the two interrupt controllers of a PC. */
class Pic extends IsaDevice {
  master = false;

  get iobase(): number {
    return this.master ? 0x20 : 0xa0;
  }

  get elcrAddr(): number {
    return this.master ? 0x4d0 : 0x4d1;
  }

  override get gpios(): readonly string[] {
    return ['gpio-in "" 8', 'gpio-out "" 1'];
  }

  protected override onRealize(): void {
    this.ports?.map(this, { label: 'pic', base: this.iobase, size: 2 });
    this.ports?.map(this, { label: 'elcr', base: this.elcrAddr, size: 1 });
  }
}

class Pit extends IsaDevice {
  override get gpios(): readonly string[] {
    return ['gpio-in "" 1', 'gpio-out "" 1'];
  }

  protected override onRealize(): void {
    this.ports?.map(this, { label: 'pit', base: PIT_PORT, size: PIT_PORTS });
  }
}

class IoApic extends Device {
  readonly #system: System;
  #window: MemoryRegion | undefined;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.#system = system;
  }

  override get windows(): readonly MemoryRegion[] {
    return this.#window === undefined ? [] : [this.#window];
  }

  override get gpios(): readonly string[] {
    return [`gpio-in "" ${IOAPIC_PINS}`];
  }

  protected override onRealize(): void {
    const { types, systemMemory } = this.#system;
    this.#window = this.addChild('ioapic[*]', createRegion(types, 'ioapic', BigInt(IOAPIC_SIZE), 'i/o'));
    systemMemory.add(BigInt(IOAPIC), this.#window);
  }
}

/** A vCPU's own interrupt controller; they all answer at the same address. */
class LocalApic extends Device {
  apicId = 0;

  /** @param systemMemory where the first one shows the window of all */
  addWindow({ types, systemMemory }: System): void {
    const window = this.addChild('apic-msi[*]', createRegion(types, 'apic-msi', BigInt(APIC_SIZE), 'i/o'));
    if (this.apicId === 0) systemMemory.add(BigInt(LOCAL_APIC), window, APIC_PRIORITY);
  }
}

/** Gives a vCPU's object its local APIC. */
export async function addLocalApic(system: System, cpu: Device, apicId: number): Promise<void> {
  const apic = system.types.get('apic')?.create();
  if (!(apic instanceof LocalApic)) throw new Error('type apic is not defined');
  apic.apicId = apicId;
  cpu.addChild('lapic', apic);
  apic.addWindow(system);
  await apic.realize();
}

export function defineChips(system: System): void {
  const { types } = system;
  const uint8 = qdevProp.of<number>('uint8', qapi.uint8);
  types.define({
    name: 'isa-i8259',
    parent: 'isa-device',
    create: (type) => new Pic(type),
    data: { userCreatable: false },
    properties: {
      iobase: qdevProp.uint32<Pic>({ get: (pic) => pic.iobase }),
      elcr_addr: qdevProp.uint32<Pic>({ get: (pic) => pic.elcrAddr }),
      elcr_mask: uint8<Pic>({ get: (pic) => (pic.master ? 0xf8 : 0xde) }),
      master: qdevProp.bool<Pic>({
        get: (pic) => pic.master,
        set: (pic, on) => {
          pic.master = on;
        },
      }),
    },
  });
  types.define({
    name: 'isa-pit',
    parent: 'isa-device',
    create: (type) => new Pit(type),
    data: { userCreatable: false },
    properties: { iobase: qdevProp.uint32({ get: () => PIT_PORT }) },
  });
  types.define({
    name: 'ioapic',
    parent: 'sys-bus-device',
    create: (type) => new IoApic(type, system),
    data: { hotpluggable: false },
    properties: { version: uint8({ get: () => IOAPIC_VERSION }) },
  });
  types.define({
    name: 'apic',
    parent: 'device',
    create: (type) => new LocalApic(type),
    data: { userCreatable: false },
    properties: {
      id: qdevProp.uint32<LocalApic>({ get: (apic) => apic.apicId }),
      version: uint8({ get: () => 0x14 }),
    },
  });
}
