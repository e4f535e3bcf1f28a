import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bus, busName } from '../../src/qdev/bus.js';
import { Device } from '../../src/qdev/device.js';
import { addChildBus, addDevice, allBuses, findDevice, plugBuiltin, removeDevice } from '../../src/qdev/device-add.js';
import { qdevProp } from '../../src/qom/property.js';
import { asError, QemuError } from '../../src/system/errors.js';
import { createTestSystem } from '../support/system.js';

const log: string[] = [];

class Bridge extends Device {
  prePlug(device: Device): void {
    if (device.id === 'unwanted') throw new QemuError('not this one');
    log.push(`pre ${device.name}`);
  }
  plug(device: Device): void {
    log.push(`plug ${device.name}`);
  }
  unplug(device: Device): void {
    log.push(`unplug ${device.name}`);
  }
}

class Leaf extends Device {
  speed = 1;
  fail = false;
  protected override onRealize(): void {
    if (this.fail) throw new Error('no power');
    log.push(`realize ${this.name}`);
  }
  protected override onUnrealize(): void {
    log.push(`unrealize ${this.name}`);
  }
}

function fixture() {
  log.length = 0;
  const { system } = createTestSystem();
  const { types } = system;
  types.define({ name: 'toy-bus', parent: 'bus', create: (type) => new Bus(type), data: { maxDevices: 2 } });
  types.define({
    name: 'toy-bridge',
    parent: 'sys-bus-device',
    create: (type) => {
      const bridge = new Bridge(type);
      const bus = types.get('toy-bus');
      if (bus !== undefined) addChildBus(bridge, bus, 'toy.0');
      return bridge;
    },
  });
  types.define({ name: 'toy-device', parent: 'device', abstract: true, data: { bus: 'toy-bus' } });
  types.define({
    name: 'toy-leaf',
    parent: 'toy-device',
    create: (type) => new Leaf(type),
    properties: {
      speed: qdevProp.uint32<Leaf>({
        get: (d) => d.speed,
        set: (d, v) => {
          d.speed = v;
        },
      }),
      fail: qdevProp.bool<Leaf>({
        set: (d, v) => {
          d.fail = v;
        },
      }),
    },
  });
  types.define({ name: 'fixed-leaf', parent: 'toy-leaf', create: (t) => new Leaf(t), data: { hotpluggable: false } });
  return system;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return asError(error).message;
  }
  return 'no error';
}

const test = suite('device_add');

test('a device lands at /machine/peripheral/ID on the bus of its type, with its properties set', async () => {
  const system = fixture();
  const bridge = await plugBuiltin(system, 'toy-bridge', system.mainSystemBus, { id: 'br' });
  const leaf = await addDevice(system, { driver: 'toy-leaf', id: 'l1', speed: '0x10' }, 'keyval');
  assert.is(leaf.canonicalPath, '/machine/peripheral/l1');
  assert.is(leaf.get('speed'), 16);
  assert.is(leaf.get('parent_bus'), '/machine/peripheral/br/toy.0');
  assert.is(leaf.get('realized'), true);
  assert.is(bridge.childBuses[0]?.get('child[0]'), '/machine/peripheral/l1');
  const anonymous = await addDevice(system, { driver: 'toy-leaf' }, 'json');
  assert.is(anonymous.canonicalPath, '/machine/peripheral-anon/device[0]');
  assert.equal([...allBuses(system.mainSystemBus)].map(busName), ['main-system-bus', 'toy.0']);
});

test('each refusal is the sentence QEMU has, and leaves nothing behind', async () => {
  const system = fixture();
  const add = (options: Record<string, string>) => refusal(addDevice(system, options, 'keyval'));
  assert.is(await add({ id: 'a' }), "Parameter 'driver' is missing");
  assert.is(await add({ driver: 'nope' }), "'nope' is not a valid device model name");
  assert.is(await add({ driver: 'container' }), "'container' is not a valid device model name");
  assert.is(await add({ driver: 'toy-device' }), "Parameter 'driver' expects a non-abstract device type");
  assert.is(await add({ driver: 'toy-bridge' }), "Parameter 'driver' expects a pluggable device type");
  assert.is(await add({ driver: 'toy-leaf' }), "No 'toy-bus' bus found for device 'toy-leaf'");
  await plugBuiltin(system, 'toy-bridge', system.mainSystemBus, { id: 'br' });
  assert.is(await add({ driver: 'toy-leaf', bus: 'nope' }), "Bus 'nope' not found");
  assert.is(await add({ driver: 'toy-leaf', bus: 'main-system-bus' }), "Device 'toy-leaf' can't go on System bus");
  assert.is(await add({ driver: 'toy-leaf', id: '1a' }), "Parameter 'id' expects an identifier");
  assert.is(await add({ driver: 'toy-leaf', id: 'br' }), "Duplicate device ID 'br'");
  assert.is(await add({ driver: 'toy-leaf', nope: '1' }), "Property 'toy-leaf.nope' not found");
  assert.is(await add({ driver: 'toy-leaf', speed: 'x' }), "Parameter 'speed' expects uint64");
  assert.is(await add({ driver: 'toy-leaf', id: 'broken', fail: 'on' }), 'no power');
  assert.is(system.peripheral.findProperty('broken'), undefined);
  assert.is([...system.peripheralAnon.children()].length, 0);
  assert.is(await add({ driver: 'toy-leaf' }), 'no error');
  assert.is(await add({ driver: 'toy-leaf' }), 'no error');
  assert.is(await add({ driver: 'toy-leaf' }), "Bus 'toy.0' is full");
});

test('-global sets defaults of the named type and its children, and says which entry is bad', async () => {
  const system = fixture();
  await plugBuiltin(system, 'toy-bridge', system.mainSystemBus);
  system.globals.add({ driver: 'toy-leaf', property: 'speed', value: '5' });
  system.globals.add({ driver: 'nobody', property: 'x', value: '1' });
  const leaf = await addDevice(system, { driver: 'fixed-leaf' }, 'keyval');
  assert.is(leaf.get('speed'), 5);
  assert.ok(system.globals.hasUnused);
  assert.equal(system.globals.unused(system.types), ['global nobody.x has invalid class name']);
  system.globals.add({ driver: 'toy-leaf', property: 'nope', value: '1' });
  assert.is(
    await refusal(addDevice(system, { driver: 'toy-leaf' }, 'keyval')),
    "can't apply global toy-leaf.nope=1: Property 'toy-leaf.nope' not found",
  );
});

test('on a running machine only hot-pluggable devices on hot-pluggable buses come and go', async () => {
  const system = fixture();
  const bridge = await plugBuiltin(system, 'toy-bridge', system.mainSystemBus, { id: 'br' });
  system.phase = 'ready';
  assert.is(
    await refusal(addDevice(system, { driver: 'toy-leaf', id: 'h' }, 'json')),
    "Bus 'toy.0' does not support hotplugging",
  );
  assert.is(
    await refusal(addDevice(system, { driver: 'fixed-leaf' }, 'json')),
    "Parameter 'driver' expects a pluggable device type",
  );
  const bus = bridge.childBuses[0];
  if (bus !== undefined && bridge instanceof Bridge) bus.hotplugHandler = bridge;
  const unwanted = addDevice(system, { driver: 'toy-leaf', id: 'unwanted' }, 'json');
  assert.is(await refusal(unwanted), 'not this one');
  assert.is(system.peripheral.findProperty('unwanted'), undefined);
  const leaf = await addDevice(system, { driver: 'toy-leaf', id: 'h' }, 'json');
  assert.is(leaf.get('hotplugged'), true);
  const root = system.tree.root;
  const remove = async (id: string): Promise<void> => removeDevice(findDevice(system, root, id));
  assert.is(await refusal(remove('nope')), "Device 'nope' not found");
  assert.is(await refusal(remove('/machine')), '/machine is not a device');
  assert.is(await refusal(remove('')), ' is not a device');
  assert.is(await refusal(remove('br')), "Bus 'main-system-bus' does not support hotplugging");
  await remove('/machine/peripheral/h');
  assert.is(system.peripheral.findProperty('h'), undefined);
  assert.is(bus?.findProperty('child[0]'), undefined);
  assert.equal(log, ['pre h', 'realize h', 'plug h', 'unplug h', 'unrealize h']);
});

test.run();
