import type { Chardev } from '../../chardev/chardev.js';
import { chardevProperty } from '../../chardev/property.js';
import { takeUnixSocket } from '../../chardev/take-socket.js';
import { refuseAfterRealize } from '../../qdev/device.js';
import type { QomObject } from '../../qom/object.js';
import { linkProperty, qdevProp } from '../../qom/property.js';
import * as qapi from '../../qom/qapi.js';
import { QemuError } from '../../system/errors.js';
import { type Int64, int64 } from '../../system/json.js';
import type { System } from '../../system/system.js';
import type { DeviceKind } from './device-plan.js';
import { defineVirtioTransport, VirtioDevice } from './mmio-device.js';
import { nsmLayout } from './nsm.js';
import type { NsmMindPlan } from './nsm-mind.js';
import { rngLayout } from './rng.js';
import type { VsockBackendPlan } from './vsock/backends.js';
import { isGuestCid, vsockLayout } from './vsock/device.js';

/** The Nitro Secure Module. The machine says what is in it. */
export class VirtioNsm extends VirtioDevice {
  readonly virtioName = 'virtio-nsm';
  moduleId = 'i-234-enc5678';
  /** Everything but the module's id. */
  mind: Omit<NsmMindPlan, 'moduleId'> = { strict: false, pcrs: new Map(), locked: 0, attester: { mode: 'unsigned' } };

  protected override get model() {
    return nsmLayout(false);
  }

  override kind(): DeviceKind {
    return { kind: 'nsm', mind: { ...this.mind, moduleId: this.moduleId } };
  }
}

/** Random numbers of the host. */
class VirtioRng extends VirtioDevice {
  readonly virtioName = 'virtio-rng';
  rng: QomObject | undefined;

  protected override get model() {
    return rngLayout(false);
  }

  override kind(): DeviceKind {
    return { kind: 'rng' };
  }
}

/** Vsock whose host side is in this process. */
export class VirtioVsock extends VirtioDevice {
  readonly virtioName = 'virtio-vsock';
  guestCid = 0;
  /** The host's side; the machine chooses. */
  backend: VsockBackendPlan | undefined;
  heartbeat = false;
  /** What is to go wrong: FaultBoard.buffer. */
  faults: SharedArrayBuffer | undefined;

  protected override get model() {
    return vsockLayout(this.guestCid, false);
  }

  protected override onRealize(): void {
    super.onRealize();
    if (!isGuestCid(this.guestCid)) {
      throw new QemuError('guest-cid property must be greater than 2', { hint: 'and less than 4294967295' });
    }
  }

  override kind(): DeviceKind {
    const { guestCid, backend, heartbeat, faults } = this;
    return { kind: 'vsock', guestCid, backend, heartbeat, faults };
  }
}

/** Vsock whose host side is another process, reached by the connection of a chardev. */
export class VhostUserVsockDevice extends VirtioDevice {
  readonly virtioName = 'vhost-user-vsock';
  override readonly external = true;
  chardev: Chardev | undefined;
  seqpacket: 'on' | 'off' | 'auto' = 'auto';

  protected override get model() {
    return vsockLayout(0, false);
  }

  protected override onRealize(): void {
    super.onRealize();
    if (this.chardev === undefined) throw new QemuError('missing chardev');
  }

  override kind(): DeviceKind {
    if (this.chardev === undefined) throw new Error('the device has no chardev');
    return { kind: 'vhost-user-vsock', socket: takeUnixSocket(this.chardev) };
  }
}

export function defineVirtioTypes(system: System): void {
  const { types } = system;
  defineVirtioTransport(system);
  types.define({
    name: 'virtio-nsm-device',
    parent: 'virtio-device',
    create: (type) => new VirtioNsm(type),
    properties: {
      'module-id': qdevProp.str<VirtioNsm>({
        get: (nsm) => nsm.moduleId,
        set: (nsm, id) => {
          refuseAfterRealize(nsm, 'module-id');
          nsm.moduleId = id;
        },
      }),
    },
  });
  types.define({
    name: 'virtio-rng-device',
    parent: 'virtio-device',
    create: (type) => new VirtioRng(type),
    properties: {
      rng: linkProperty<VirtioRng>('rng-backend', () => system.tree.root, {
        get: (device) => device.rng,
        set: (device, rng) => {
          refuseAfterRealize(device, 'rng');
          device.rng = rng;
        },
      }),
    },
  });
  types.define({
    name: 'virtio-vsock-device',
    parent: 'virtio-device',
    create: (type) => new VirtioVsock(type),
    data: { userCreatable: false },
    properties: {
      'guest-cid': qdevProp.uint64<VirtioVsock>({
        get: (vsock) => int64(BigInt(vsock.guestCid)),
        set: (vsock, cid: Int64) => {
          refuseAfterRealize(vsock, 'guest-cid');
          vsock.guestCid = Number(cid);
        },
        defaultValue: 0,
      }),
    },
  });
  types.define({
    name: 'vhost-user-vsock-device',
    parent: 'virtio-device',
    create: (type) => new VhostUserVsockDevice(type),
    properties: {
      seqpacket: qdevProp.enumeration(qapi.OnOffAuto)<VhostUserVsockDevice>({
        get: (vsock) => vsock.seqpacket,
        set: (vsock, mode) => {
          refuseAfterRealize(vsock, 'seqpacket');
          if (mode === 'on') throw new QemuError('vhost-user-vsock: seqpacket is not offered here');
          vsock.seqpacket = mode;
        },
        description: 'on/off/auto',
        defaultValue: 'auto',
      }),
      chardev: chardevProperty<VhostUserVsockDevice>(system, 'chardev'),
    },
  });
}
