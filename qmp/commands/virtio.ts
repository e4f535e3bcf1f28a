import { VirtioDevice } from '../../src/hw/virtio/mmio-device.js';
import { Status } from '../../src/hw/virtio/registers.js';
import type { QomObject } from '../../src/qom/object.js';
import { resolvePath } from '../../src/qom/path.js';
import { bool, int, list, optional, str, struct, uint16, uint32, uint64 } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { int64 } from '../../src/system/json.js';
import type { System } from '../../src/system/system.js';
import { defineCommand } from '../command.js';
import { readPhysical } from '../guest-memory.js';

const VirtioInfo = struct('VirtioInfo', { path: str, name: str });
const VirtioDeviceStatus = struct('VirtioDeviceStatus', { statuses: list(str), 'unknown-statuses': optional(uint16) });
const VirtioDeviceFeatures = struct('VirtioDeviceFeatures', {
  transports: list(str),
  'dev-features': optional(list(str)),
  'unknown-dev-features': optional(uint64),
  'unknown-dev-features2': optional(uint64),
});
const VhostDeviceProtocols = struct('VhostDeviceProtocols', {
  protocols: list(str),
  'unknown-protocols': optional(uint64),
});
const VhostStatus = struct('VhostStatus', {
  'n-mem-sections': int,
  'n-tmp-sections': int,
  nvqs: uint32,
  'vq-index': int,
  features: VirtioDeviceFeatures,
  'acked-features': VirtioDeviceFeatures,
  'backend-features': VirtioDeviceFeatures,
  'protocol-features': VhostDeviceProtocols,
  'max-queues': uint64,
  'backend-cap': uint64,
  'log-enabled': bool,
  'log-size': uint64,
});
const VirtioStatus = struct('VirtioStatus', {
  name: str,
  'device-id': uint16,
  'vhost-started': bool,
  'device-endian': str,
  'guest-features': VirtioDeviceFeatures,
  'host-features': VirtioDeviceFeatures,
  'backend-features': VirtioDeviceFeatures,
  'num-vqs': int,
  status: VirtioDeviceStatus,
  isr: uint16,
  'queue-sel': uint16,
  'vm-running': bool,
  broken: bool,
  disabled: bool,
  'use-started': bool,
  started: bool,
  'start-on-kick': bool,
  'disable-legacy-check': bool,
  'bus-name': str,
  'use-guest-notifier-mask': bool,
  'vhost-dev': optional(VhostStatus),
});
const VirtQueueStatus = struct('VirtQueueStatus', {
  name: str,
  'queue-index': uint16,
  inuse: uint32,
  'vring-num': uint32,
  'vring-num-default': uint32,
  'vring-align': uint32,
  'vring-desc': uint64,
  'vring-avail': uint64,
  'vring-used': uint64,
  'last-avail-idx': optional(uint16),
  'shadow-avail-idx': optional(uint16),
  'used-idx': uint16,
  'signalled-used': uint16,
  'signalled-used-valid': bool,
});
const VirtVhostQueueStatus = struct('VirtVhostQueueStatus', {
  name: str,
  kick: int,
  call: int,
  desc: uint64,
  avail: uint64,
  used: uint64,
  num: int,
  'desc-phys': uint64,
  'desc-size': uint32,
  'avail-phys': uint64,
  'avail-size': uint32,
  'used-phys': uint64,
  'used-size': uint32,
});
const VirtioRingDesc = struct('VirtioRingDesc', { addr: uint64, len: uint32, flags: list(str) });
const VirtioRingAvail = struct('VirtioRingAvail', { flags: uint16, idx: uint16, ring: uint16 });
const VirtioRingUsed = struct('VirtioRingUsed', { flags: uint16, idx: uint16 });
const VirtioQueueElement = struct('VirtioQueueElement', {
  name: str,
  index: uint32,
  descs: list(VirtioRingDesc),
  avail: VirtioRingAvail,
  used: VirtioRingUsed,
});

const transportFeatures = new Map([
  [28, 'VIRTIO_RING_F_INDIRECT_DESC: chains in tables of their own'],
  [29, 'VIRTIO_RING_F_EVENT_IDX: notifications by index'],
  [32, 'VIRTIO_F_VERSION_1: not the legacy device'],
]);
const statusBits = new Map<number, string>([
  [Status.acknowledge, 'VIRTIO_CONFIG_S_ACKNOWLEDGE: the guest has seen the device'],
  [Status.driver, 'VIRTIO_CONFIG_S_DRIVER: the guest has a driver for it'],
  [Status.featuresOk, 'VIRTIO_CONFIG_S_FEATURES_OK: features are agreed upon'],
  [Status.driverOk, 'VIRTIO_CONFIG_S_DRIVER_OK: the driver is ready'],
  [Status.needsReset, 'VIRTIO_CONFIG_S_NEEDS_RESET: the device waits to be reset'],
  [Status.failed, 'VIRTIO_CONFIG_S_FAILED: the guest has given up on the device'],
]);
/** Alignment of the used ring where the driver does not choose it. */
const VRING_ALIGN = 4096;
const DESC_SIZE = 16;
const DESC_NEXT = 1;
const descFlags = new Map([
  [DESC_NEXT, 'next'],
  [2, 'write'],
  [4, 'indirect'],
]);

function decodeFeatures(features: bigint) {
  const known = [...transportFeatures].filter(([bit]) => (features & (1n << BigInt(bit))) !== 0n);
  const unknown = known.reduce((rest, [bit]) => rest & ~(1n << BigInt(bit)), features);
  return {
    transports: known.map(([, text]) => text),
    'dev-features': [],
    ...(unknown === 0n ? {} : { 'unknown-dev-features': int64(unknown) }),
  };
}

function decodeStatus(status: number) {
  const known = [...statusBits].filter(([bit]) => (status & bit) !== 0);
  const unknown = known.reduce((rest, [bit]) => rest & ~bit, status);
  return { statuses: known.map(([, text]) => text), ...(unknown === 0 ? {} : { 'unknown-statuses': unknown }) };
}

function* virtioDevices(object: QomObject): IterableIterator<VirtioDevice> {
  for (const child of object.children()) {
    if (child instanceof VirtioDevice && child.realized) yield child;
    yield* virtioDevices(child);
  }
}

/** @param spelling the error's, which is not the same for all commands. @throws QemuError when there is none at the path */
function deviceAt(system: System, path: string, spelling = 'VirtIODevice'): VirtioDevice {
  const { object } = resolvePath(system.tree.root, path);
  if (object instanceof VirtioDevice && object.realized) return object;
  throw new QemuError(`Path ${path} is not a ${spelling}`);
}

/** The registers of a device that has such a queue. @throws QemuError */
function withQueue(system: System, path: string, queue: number, spelling?: string) {
  const device = deviceAt(system, path, spelling);
  const { registers } = device.transport;
  if (registers.queueMax(queue) === 0) throw new QemuError(`Invalid virtqueue number ${queue}`);
  return { device, registers };
}

/** @throws QemuError when it is not guest RAM */
function view(system: System, address: bigint, length: number): DataView {
  const bytes = readPhysical(system, address, length);
  if (bytes === undefined) throw new QemuError(`no guest RAM at 0x${address.toString(16)}`);
  return new DataView(bytes.buffer);
}

export const commands = [
  defineCommand({
    name: 'x-query-virtio',
    doc: 'Lists the virtio devices.',
    returns: list(VirtioInfo),
    features: ['unstable'],
    handler: ({ system }) =>
      [...virtioDevices(system.machine)].map((device) => ({
        path: device.canonicalPath,
        name: device.virtioName,
      })),
  }),

  defineCommand({
    name: 'x-query-virtio-status',
    doc: 'Shows the state of a virtio device.',
    args: struct('x-query-virtio-status', { path: str }),
    returns: VirtioStatus,
    features: ['unstable'],
    handler: ({ system }, { path }) => {
      const device = deviceAt(system, path);
      const { registers } = device.transport;
      return {
        name: device.virtioName,
        'device-id': registers.deviceId,
        'vhost-started': device.external && registers.live,
        'device-endian': 'little',
        'guest-features': decodeFeatures(registers.accepted),
        'host-features': decodeFeatures(registers.offered),
        'backend-features': decodeFeatures(0n),
        'num-vqs': registers.queueCount,
        status: decodeStatus(registers.status),
        isr: registers.interruptStatus,
        'queue-sel': registers.queueSel,
        'vm-running': system.run.running,
        broken: (registers.status & Status.needsReset) !== 0,
        disabled: false,
        'use-started': true,
        started: registers.live,
        'start-on-kick': false,
        'disable-legacy-check': false,
        'bus-name': device.parentBus?.name ?? '',
        'use-guest-notifier-mask': true,
      };
    },
  }),

  defineCommand({
    name: 'x-query-virtio-queue-status',
    doc: 'Shows the state of a queue of a virtio device.',
    args: struct('x-query-virtio-queue-status', { path: str, queue: uint16 }),
    returns: VirtQueueStatus,
    features: ['unstable'],
    handler: async ({ system }, { path, queue }) => {
      const { device, registers } = withQueue(system, path, queue);
      const { avail = 0, used = 0, inFlight = 0 } = (await device.state())?.queues[queue] ?? {};
      const addresses = registers.queueAddresses(queue);
      return {
        name: device.virtioName,
        'queue-index': queue,
        inuse: inFlight,
        'vring-num': registers.queueSize(queue),
        'vring-num-default': registers.queueMax(queue),
        'vring-align': registers.legacy ? registers.queueAlign(queue) : VRING_ALIGN,
        'vring-desc': int64(addresses.desc),
        'vring-avail': int64(addresses.driver),
        'vring-used': int64(addresses.device),
        'last-avail-idx': avail,
        'shadow-avail-idx': avail,
        'used-idx': used,
        'signalled-used': used,
        'signalled-used-valid': registers.queueReady(queue),
      };
    },
  }),

  defineCommand({
    name: 'x-query-virtio-vhost-queue-status',
    doc: 'Shows what a vhost back end has of a queue; fails, since back ends do not tell.',
    args: struct('x-query-virtio-vhost-queue-status', { path: str, queue: uint16 }),
    returns: VirtVhostQueueStatus,
    features: ['unstable'],
    handler: ({ system }, { path }) => {
      deviceAt(system, path);
      throw new QemuError('Error: vhost device has not started yet');
    },
  }),

  defineCommand({
    name: 'x-query-virtio-queue-element',
    doc: 'Shows the descriptors of an element of the available ring.',
    args: struct('x-query-virtio-queue-element', { path: str, queue: uint16, index: optional(uint16) }),
    returns: VirtioQueueElement,
    features: ['unstable'],
    handler: async ({ system }, { path, queue, index }) => {
      const { device, registers } = withQueue(system, path, queue, 'VirtIO device');
      const { size, desc, driver, device: used } = registers.queueAddresses(queue);
      if (!registers.queueReady(queue)) throw new QemuError(`Invalid virtqueue number ${queue}`);
      const slot = (index ?? (await device.state())?.queues[queue]?.avail ?? 0) % size;
      const ring = view(system, driver, 4 + 2 * size);
      const usedRing = view(system, used, 4);
      const head = ring.getUint16(4 + 2 * slot, true);
      const descs = [];
      for (let at = head; at < size && descs.length < size; ) {
        const entry = view(system, desc + BigInt(at * DESC_SIZE), DESC_SIZE);
        const flags = entry.getUint16(12, true);
        descs.push({
          addr: int64(entry.getBigUint64(0, true)),
          len: entry.getUint32(8, true),
          flags: [...descFlags].filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name),
        });
        if ((flags & DESC_NEXT) === 0) break;
        at = entry.getUint16(14, true);
      }
      return {
        name: device.virtioName,
        index: slot,
        descs,
        avail: { flags: ring.getUint16(0, true), idx: ring.getUint16(2, true), ring: head },
        used: { flags: usedRing.getUint16(0, true), idx: usedRing.getUint16(2, true) },
      };
    },
  }),
];
