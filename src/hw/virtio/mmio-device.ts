import { Bus } from '../../qdev/bus.js';
import { Device, refuseAfterRealize } from '../../qdev/device.js';
import { addChildBus } from '../../qdev/device-add.js';
import { type Property, qdevProp } from '../../qom/property.js';
import type { ObjectClass } from '../../qom/types.js';
import { QemuError } from '../../system/errors.js';
import { createRegion, type MemoryRegion } from '../../system/memory.js';
import type { System } from '../../system/system.js';
import { VIRTIO_MMIO_SIZE, type VirtioSlot } from '../i386/memory-layout.js';
import type { LoopState } from './device-loop.js';
import type { DeviceKind } from './device-plan.js';
import {
  createRegisters,
  type RegisterLayout,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
  type VirtioRegisters,
} from './registers.js';

const NO_DEVICE: Omit<RegisterLayout, 'legacy'> = {
  deviceId: 0,
  features: 0n,
  queueSizes: [],
  config: new Uint8Array(),
};

/** A virtio-mmio transport of the board, with room for one device (hw/virtio/virtio-mmio.c). */
export class VirtioMmioTransport extends Device {
  forceLegacy = false;
  ioeventfd = true;
  slot: VirtioSlot = { index: 0, base: 0, irq: 0 };
  readonly #system: System;
  #registers: VirtioRegisters | undefined;
  #window: MemoryRegion | undefined;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.#system = system;
  }

  override get windows(): readonly MemoryRegion[] {
    return this.#window === undefined ? [] : [this.#window];
  }

  override get gpios(): readonly string[] {
    return ['gpio-out "sysbus-irq" 1'];
  }

  protected override onRealize(): void {
    const { types, systemMemory } = this.#system;
    const busType = types.get('virtio-mmio-bus');
    if (busType === undefined) throw new Error('type virtio-mmio-bus is not defined');
    const { index, base } = this.slot;
    this.#window = this.addChild('virtio-mmio[*]', createRegion(types, 'virtio-mmio', BigInt(VIRTIO_MMIO_SIZE), 'i/o'));
    systemMemory.add(BigInt(base), this.#window);
    addChildBus(this, busType, `virtio-mmio-bus.${index}`);
  }

  /** The device behind it, if any. */
  get device(): VirtioDevice | undefined {
    const [device] = this.childBuses[0]?.devices() ?? [];
    return device instanceof VirtioDevice ? device : undefined;
  }

  /** Its registers, made for the device that is there when this is first asked for: none can come or go afterwards. */
  get registers(): VirtioRegisters {
    this.#registers ??= createRegisters({ ...(this.device?.layout ?? NO_DEVICE), legacy: this.forceLegacy });
    return this.#registers;
  }
}

/** A device on a virtio bus. What serves its queues is in a thread of its own. */
export abstract class VirtioDevice extends Device {
  indirectDesc = true;
  eventIdx = true;
  /** What the thread that serves its queues knows of them; undefined while there is none. */
  state: () => Promise<LoopState | undefined> = async () => undefined;
  /** Another process has its queues. */
  readonly external: boolean = false;

  /** What the transport is made for. */
  protected abstract get model(): Omit<RegisterLayout, 'legacy'>;

  /** What the device thread makes of it; asked for once, when the machine is complete. @throws QemuError */
  abstract kind(): DeviceKind | Promise<DeviceKind>;

  /** Name of the device as QEMU's query-virtio commands have it. */
  abstract readonly virtioName: string;

  get layout(): Omit<RegisterLayout, 'legacy'> {
    const { model } = this;
    const without =
      (this.indirectDesc ? 0n : VIRTIO_RING_F_INDIRECT_DESC) | (this.eventIdx ? 0n : VIRTIO_RING_F_EVENT_IDX);
    return { ...model, features: model.features & ~without };
  }

  get transport(): VirtioMmioTransport {
    const parent = this.parentBus?.parent;
    if (!(parent instanceof VirtioMmioTransport)) throw new Error(`${this.canonicalPath} is not on a virtio bus`);
    return parent;
  }

  /** @throws QemuError: devices on a transport are there from the start */
  protected override onRealize(): void {
    if (this.hotplugged) throw new QemuError(`'${this.type.name}' cannot be added to a running machine`);
  }
}

function flag<O extends Device>(
  name: string,
  get: (device: O) => boolean,
  set: (device: O, on: boolean) => void,
): Property {
  return qdevProp.bool<O>({
    get,
    set: (device, on) => {
      refuseAfterRealize(device, name);
      set(device, on);
    },
    description: 'on/off',
    defaultValue: true,
  });
}

export function defineVirtioTransport(system: System): void {
  const { types } = system;
  types.define({ name: 'virtio-bus', parent: 'bus', abstract: true });
  types.define({
    name: 'virtio-mmio-bus',
    parent: 'virtio-bus',
    create: (type) => new Bus(type),
    data: { maxDevices: 1 },
  });
  types.define({
    name: 'virtio-mmio',
    parent: 'sys-bus-device',
    create: (type) => new VirtioMmioTransport(type, system),
    data: { category: 'Misc', hotpluggable: false },
    properties: {
      'force-legacy': {
        ...flag<VirtioMmioTransport>(
          'force-legacy',
          (transport) => transport.forceLegacy,
          (transport, on) => {
            transport.forceLegacy = on;
          },
        ),
        defaultValue: false,
      },
      ioeventfd: flag<VirtioMmioTransport>(
        'ioeventfd',
        (transport) => transport.ioeventfd,
        (transport, on) => {
          transport.ioeventfd = on;
        },
      ),
    },
  });
  types.define({
    name: 'virtio-device',
    parent: 'device',
    abstract: true,
    data: { bus: 'virtio-bus', category: 'Misc' },
    properties: {
      indirect_desc: flag<VirtioDevice>(
        'indirect_desc',
        (device) => device.indirectDesc,
        (device, on) => {
          device.indirectDesc = on;
        },
      ),
      event_idx: flag<VirtioDevice>(
        'event_idx',
        (device) => device.eventIdx,
        (device, on) => {
          device.eventIdx = on;
        },
      ),
    },
  });
}
