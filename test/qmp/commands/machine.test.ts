import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { Dispatcher } from '../../../qmp/dispatch.js';
import { Bus } from '../../../src/qdev/bus.js';
import { Device } from '../../../src/qdev/device.js';
import { addChildBus, plugBuiltin } from '../../../src/qdev/device-add.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { createTestMonitor } from '../../support/monitor.js';

const machine = suite('commands: machine and devices');

async function fixture(options: Parameters<typeof createTestMonitor>[0] = {}) {
  const monitor = await createTestMonitor(options);
  const dispatcher = new Dispatcher(monitor.host, new MonitorClient());
  const call = async (name: string, args: JsonObject = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
  const message = (name: string, args: JsonObject): Promise<string> =>
    call(name, args).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  return { ...monitor, call, message };
}

class Toy extends Device {}

/** A bus with a toy on it; `hotplug` says whether more may come and go. */
async function addToyBus({ system }: Awaited<ReturnType<typeof fixture>>, hotplug: boolean): Promise<void> {
  const { types } = system;
  types.define({ name: 'toy-bus', parent: 'bus', create: (type) => new Bus(type) });
  types.define({
    name: 'toy-bridge',
    parent: 'sys-bus-device',
    create: (type) => {
      const bridge = new Toy(type);
      const bus = types.get('toy-bus');
      if (bus !== undefined) addChildBus(bridge, bus, 'toy.0');
      return bridge;
    },
  });
  types.define({ name: 'toy', parent: 'device', create: (type) => new Toy(type), data: { bus: 'toy-bus' } });
  const bridge = await plugBuiltin(system, 'toy-bridge', system.mainSystemBus, { id: 'bridge' });
  const [bus] = bridge.childBuses;
  if (hotplug && bus !== undefined) bus.hotplugHandler = system.machine;
}

machine('a device that was plugged in can be unplugged, which DEVICE_DELETED tells', async () => {
  const test = await fixture();
  await addToyBus(test, true);
  const deleted: unknown[] = [];
  test.system.events.on((event) => {
    if (event.type === 'device-deleted') deleted.push(event);
  });
  await test.call('device_add', { driver: 'toy', id: 't' });
  assert.is(await test.call('qom-get', { path: '/machine/peripheral/t', property: 'realized' }), true);
  assert.is(await test.message('device_add', { driver: 'toy', id: 't' }), "Duplicate device ID 't'");
  await test.call('device_del', { id: 't' });
  assert.equal(deleted, [{ type: 'device-deleted', device: 't', path: '/machine/peripheral/t' }]);
  assert.is(await test.message('device_del', { id: 't' }), "Device 't' not found");
});

machine('a bus without hot plug refuses both', async () => {
  const test = await fixture();
  await addToyBus(test, false);
  const sentence = "Bus 'toy.0' does not support hotplugging";
  assert.is(await test.message('device_add', { driver: 'toy', id: 't' }), sentence);
  assert.is(
    await test.message('device_del', { id: 'bridge' }),
    // reference/qemu/qmp/events.json, "nitro: hot plug".
    "Bus 'main-system-bus' does not support hotplugging",
  );
});

machine('CPU models come from the CPU types', async () => {
  const { call, message } = await fixture();
  const models = (await call('query-cpu-definitions')) as JsonObject[];
  const host = models.find(({ name }) => name === 'host');
  assert.is(host?.typename, 'host-x86_64-cpu');
  assert.is(host?.['migration-safe'], false);
  assert.is(models.find(({ name }) => name === 'EPYC')?.['alias-of'], 'EPYC-v1');
  assert.equal(await call('query-cpu-model-expansion', { type: 'full', model: { name: 'host' } }), {
    model: { name: 'host', props: {} },
  });
  const unknown = { type: 'full', model: { name: 'nope' } };
  assert.is(await message('query-cpu-model-expansion', unknown), "CPU model 'nope' not found");
  const list = { type: 'full', model: { name: 'host', props: [] } };
  const sentence = "Invalid parameter type for 'model.props', expected: object";
  assert.is(await message('query-cpu-model-expansion', list), sentence);
});

machine('commands about what is not there look at their arguments first', async () => {
  const { message } = await fixture();
  // Sentences of QEMU 7.2; the one about `connected` is of 9.1.
  const cases: [string, JsonObject, string][] = [
    ['eject', {}, "Need exactly one of 'device' and 'id'"],
    ['eject', { device: '' }, "Device '' not found"],
    ['eject', { id: 'x' }, "Device 'x' not found"],
    ['eject', { id: '/machine' }, '/machine is not a device'],
    ['set_password', { protocol: 'spice', password: '' }, 'SPICE is not in use'],
    ['expire_password', { protocol: 'spice', time: 'now' }, 'SPICE is not in use'],
    [
      'set_password',
      { protocol: 'vnc', password: '', connected: 'fail' },
      "parameter 'connected' must be 'keep' when 'protocol' is 'vnc'",
    ],
    ['device_add', { driver: [] }, "Parameter 'driver' is missing"],
    ['device_add', { driver: '' }, "'' is not a valid device model name"],
    ['block_resize', { size: null }, "Invalid parameter type for 'size', expected: integer"],
  ];
  for (const [name, args, sentence] of cases) assert.is(await message(name, args), sentence);
});

machine('an integer is checked for the range of its C type', async () => {
  const { message } = await fixture();
  // Sentences of QEMU 7.2.
  const secret = { 'packet-header': '', secret: '', gpa: null };
  assert.is(await message('sev-inject-launch-secret', secret), "Parameter 'gpa' expects uint64");
  const backend = { 'qom-type': 'memory-backend-ram', id: 'm', size: 0, 'prealloc-threads': '', 'host-nodes': [-1] };
  assert.is(await message('object-add', backend), "Parameter 'null' expects uint16_t");
});

machine('set-numa-node belongs to the time before the machine', async () => {
  const { message } = await fixture();
  const early = await fixture({ preconfig: true });
  const args = { type: 'node', nodeid: 0 };
  const late = 'The command is permitted only before the machine has been created';
  assert.is(await message('set-numa-node', args), late);
  assert.is(await message('set-numa-node', { type: 'hmat-lb' }), "Parameter 'initiator' is missing");
  assert.is(await early.message('set-numa-node', args), 'NUMA is not supported by this machine-type');
});

machine('migration settings are kept, and a null clears one', async () => {
  const { call } = await fixture();
  await call('migrate-set-parameters', { 'max-bandwidth': 5, 'tls-creds': 'x' });
  const changed = (await call('query-migrate-parameters')) as JsonObject;
  assert.is(changed['max-bandwidth'], 5);
  assert.is(changed['tls-creds'], 'x');
  await call('migrate-set-parameters', { 'tls-creds': null });
  assert.is(((await call('query-migrate-parameters')) as JsonObject)['tls-creds'], '');
  await call('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] });
  const capabilities = (await call('query-migrate-capabilities')) as JsonObject[];
  assert.equal(
    capabilities.filter(({ state }) => state === true).map(({ capability }) => capability),
    ['events'],
  );
});

machine('qom-list-get reads several objects at once', async () => {
  const { call } = await fixture();
  const [first] = (await call('qom-list-get', { paths: ['/machine', '/objects'] })) as { properties: JsonObject[] }[];
  const type = first?.properties.find(({ name }) => name === 'type');
  assert.equal(type, { name: 'type', type: 'string', value: 'none-machine' });
});

machine.run();
