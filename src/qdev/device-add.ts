import type { QomObject } from '../qom/object.js';
import { resolvePath } from '../qom/path.js';
import type { MaybePromise } from '../qom/property.js';
import { checkId } from '../qom/tree.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import type { InputMode } from '../qom/visitor.js';
import { deviceNotFound, QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import { Bus, busName } from './bus.js';
import { Device, deviceData } from './device.js';
import type { GlobalProperties } from './globals.js';

/** What device creation needs of the machine it happens on. */
export interface DeviceHost {
  readonly types: TypeRegistry;
  readonly peripheral: QomObject;
  readonly peripheralAnon: QomObject;
  readonly unattached: QomObject;
  readonly mainSystemBus: Bus;
  readonly globals: GlobalProperties;
  /** The machine is up: what is added now is hot plugged. */
  readonly ready: boolean;
  /** May lift the rule that a sysbus device is not user creatable, at start-up only. */
  allowsSysbusDevice(type: ObjectClass): boolean;
  /** A bus that the board has for such a device alone, at start-up only; nobody finds it otherwise. */
  boardBus(type: ObjectClass, properties: JsonObject): MaybePromise<Bus | undefined>;
}

/** @throws QemuError when `driver` is no device type that users can make now */
function deviceClass(host: DeviceHost, driver: string): ObjectClass {
  const type = host.types.get(driver);
  if (type === undefined || !type.isA('device')) {
    throw new QemuError(`'${driver}' is not a valid device model name`);
  }
  if (type.abstract) throw new QemuError("Parameter 'driver' expects a non-abstract device type");
  const data = deviceData(type);
  const creatable = (data.userCreatable ?? true) || (!host.ready && host.allowsSysbusDevice(type));
  if (!creatable || (host.ready && data.hotpluggable === false)) {
    throw new QemuError("Parameter 'driver' expects a pluggable device type");
  }
  return type;
}

/** All buses of the machine, parents before children. */
export function* allBuses(root: Bus): IterableIterator<Bus> {
  yield root;
  for (const device of root.devices()) for (const bus of device.childBuses) yield* allBuses(bus);
}

function findBus(host: DeviceHost, type: ObjectClass, wanted: string | undefined): Bus | undefined {
  const { bus: busType } = deviceData(type);
  if (wanted !== undefined) {
    const bus = [...allBuses(host.mainSystemBus)].find((candidate) => busName(candidate) === wanted);
    if (bus === undefined) throw new QemuError(`Bus '${wanted}' not found`);
    if (busType === undefined || !bus.type.isA(busType)) {
      throw new QemuError(`Device '${type.name}' can't go on ${bus.type.name} bus`);
    }
    return bus;
  }
  if (busType === undefined) return undefined;
  const fitting = [...allBuses(host.mainSystemBus)].filter((bus) => bus.type.isA(busType));
  const bus = fitting.find((candidate) => !candidate.full) ?? fitting[0];
  if (bus === undefined) throw new QemuError(`No '${busType}' bus found for device '${type.name}'`);
  return bus;
}

/**
 * `-device` and device_add: makes, configures and realizes one device.
 *
 * @param options `driver`, optional `id` and `bus`, the rest are properties
 * @throws QemuError with QEMU's sentences; nothing stays behind
 */
export async function addDevice(host: DeviceHost, options: JsonObject, mode: InputMode): Promise<Device> {
  const { driver, id, bus: place, ...properties } = options;
  // As in QEMU, what should be text and is not counts as not given.
  if (typeof driver !== 'string') throw new QemuError("Parameter 'driver' is missing");
  const wantedBus = typeof place === 'string' ? place : undefined;
  const type = deviceClass(host, driver);
  const own = wantedBus === undefined && !host.ready ? await host.boardBus(type, properties) : undefined;
  const bus = own ?? findBus(host, type, wantedBus);
  if (bus?.full === true) throw new QemuError(`Bus '${busName(bus)}' is full`);
  if (host.ready && bus !== undefined && !bus.hotpluggable) {
    throw new QemuError(`Bus '${busName(bus)}' does not support hotplugging`);
  }
  const device = await createDevice(host, type);
  device.hotplugged = host.ready;
  if (typeof id === 'string') {
    checkId(id);
    if (host.peripheral.findProperty(id) !== undefined) throw new QemuError(`Duplicate device ID '${id}'`);
    device.id = id;
    host.peripheral.addChild(id, device);
  } else {
    host.peripheralAnon.addChild('device[*]', device);
  }
  try {
    for (const [name, value] of Object.entries(properties)) await device.set(name, value, mode);
    await bus?.hotplugHandler?.prePlug?.(device);
    await device.realize(bus);
    await bus?.hotplugHandler?.plug?.(device);
  } catch (error) {
    await device.unrealize();
    device.unparent();
    throw error;
  }
  return device;
}

/** Makes a bare device of a concrete type with the globals applied; the caller places and realizes it. */
export async function createDevice(host: DeviceHost, type: ObjectClass): Promise<Device> {
  const object = type.create();
  if (!(object instanceof Device)) throw new Error(`${type.name} is not a device`);
  await host.globals.apply(object);
  return object;
}

/** Makes a device of the machine's own: at `/machine/peripheral/ID` with an id, else `/machine/unattached/device[N]`. */
export async function plugBuiltin(
  host: DeviceHost,
  typeName: string,
  bus: Bus,
  options: { id?: string; properties?: JsonObject } = {},
): Promise<Device> {
  const type = host.types.get(typeName);
  if (type === undefined) throw new Error(`type ${typeName} is not defined`);
  const device = await createDevice(host, type);
  for (const [name, value] of Object.entries(options.properties ?? {})) await device.set(name, value);
  if (options.id === undefined) host.unattached.addChild('device[*]', device);
  else {
    device.id = options.id;
    host.peripheral.addChild(options.id, device);
  }
  await device.realize(bus);
  return device;
}

/** Adds a bus below a device. */
export function addChildBus(device: Device, type: ObjectClass, name: string): Bus {
  const bus = type.create();
  if (!(bus instanceof Bus)) throw new Error(`${type.name} is not a bus`);
  device.addChild(name, bus);
  device.childBuses.push(bus);
  return bus;
}

/**
 * A device by id, or by path (relative paths start at /machine/peripheral).
 *
 * @throws QemuError: not found, not a device
 */
export function findDevice(host: DeviceHost, root: QomObject, id: string): Device {
  const path = id.startsWith('/') ? id : `${host.peripheral.canonicalPath}/${id}`;
  const { object } = resolvePath(root, path);
  if (object === undefined) throw deviceNotFound(id);
  if (!(object instanceof Device)) throw new QemuError(`${id} is not a device`);
  return object;
}

/** device_del. @throws QemuError when its bus or the device does not allow hot unplug */
export async function removeDevice(device: Device): Promise<void> {
  const bus = device.parentBus;
  if (bus !== undefined && !bus.hotpluggable) {
    throw new QemuError(`Bus '${busName(bus)}' does not support hotplugging`);
  }
  if (!device.hotpluggable) throw new QemuError(`Device '${device.type.name}' does not support hotplugging`);
  await bus?.hotplugHandler?.unplug?.(device);
  await device.unrealize();
  device.unparent();
}
