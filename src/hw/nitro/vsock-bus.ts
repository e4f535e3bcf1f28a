import { Bus } from '../../qdev/bus.js';
import { Device } from '../../qdev/device.js';
import { addChildBus } from '../../qdev/device-add.js';
import { prop } from '../../qom/property.js';
import type { ObjectClass } from '../../qom/types.js';
import { QemuError } from '../../system/errors.js';
import type { System } from '../../system/system.js';

/** Id and bus name of the bridge that the nitro machine makes. */
export const NITRO_VSOCK = 'nitro-vsock';

/** A service of the parent on the enclave's only way out, vsock. Sits on the bridge's bus. */
export abstract class NitroVsockDevice extends Device {
  /** The enclave runs and is reachable at `cid`. @throws QemuError when the device cannot do its work */
  enclaveStarted(_cid: number): void | Promise<void> {}

  /** The enclave is gone; resolves once nothing it sent is left to deliver. */
  enclaveEnded(): void | Promise<void> {}
}

/** Tells the devices on its bus when the enclave starts and ends, and users the CID (`enclave-cid`, 0 before start). */
export class NitroVsockBridge extends Device {
  enclaveCid = 0;
  readonly #system: System;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.#system = system;
    const busType = system.types.get('nitro-vsock-bus');
    if (busType === undefined) throw new Error('type nitro-vsock-bus is not defined');
    addChildBus(this, busType, NITRO_VSOCK);
  }

  protected override onRealize(): void {
    const other = findBridge(this.#system, this);
    if (other === undefined) return;
    throw new QemuError(`A machine has one nitro-vsock-bridge at most; '${other.id ?? other.name}' is there already`);
  }

  get bus(): Bus {
    return this.childBuses[0] as Bus;
  }

  #devices(): NitroVsockDevice[] {
    return this.bus.devices().filter((device) => device instanceof NitroVsockDevice);
  }

  async startEnclave(cid: number): Promise<void> {
    this.enclaveCid = cid;
    for (const device of this.#devices()) await device.enclaveStarted(cid);
  }

  async endEnclave(): Promise<void> {
    await Promise.all(this.#devices().map((device) => device.enclaveEnded()));
  }
}

/** The bridge of the machine, if it has one; `except` is passed over. */
export function findBridge(system: System, except?: NitroVsockBridge): NitroVsockBridge | undefined {
  return system.mainSystemBus
    .devices()
    .find((device): device is NitroVsockBridge => device instanceof NitroVsockBridge && device !== except);
}

export function defineVsockBusTypes(system: System): void {
  const { types } = system;
  types.define({ name: 'nitro-vsock-bus', parent: 'bus', create: (type) => new Bus(type) });
  types.define({
    name: 'nitro-vsock-bridge',
    parent: 'sys-bus-device',
    create: (type) => new NitroVsockBridge(type, system),
    data: { desc: 'Bridge to the enclave by vsock', hotpluggable: false },
    properties: {
      'enclave-cid': prop.uint32<NitroVsockBridge>({ get: (bridge) => bridge.enclaveCid }),
      [NITRO_VSOCK]: {
        type: 'child<nitro-vsock-bus>',
        flavour: 'object',
        listing: 'class',
      },
    },
  });
  types.define({
    name: 'nitro-vsock-device',
    parent: 'device',
    abstract: true,
    data: { bus: 'nitro-vsock-bus', category: 'Misc' },
  });
}
