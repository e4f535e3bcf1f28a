import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { machineRam, mapMachineRam } from '../../src/hostmem/machine-ram.js';
import { ramBlocks } from '../../src/hostmem/ram-blocks.js';
import type { QomObject } from '../../src/qom/object.js';
import type { UserObjects } from '../../src/qom/user-creatable.js';
import type { System } from '../../src/system/system.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { deadline } from '../support/deadline.js';
import { recordedObjects } from '../support/recorded-objects.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('hostmem/machine-ram');
const MIB = 2 ** 20;
const memfd = { type: 'memory-backend-memfd', properties: {} };

function setUp(): { system: System; objects: UserObjects } {
  const { system } = createTestSystem();
  return { system, objects: createUserObjects(system) };
}

const ram = (system: System) => deadline('guest RAM', machineRam(system, system.machine, memfd));

async function properties(object: QomObject): Promise<Record<string, { type: string; value: unknown }>> {
  const entries = [];
  for (const [name, { type }] of object.properties()) entries.push([name, { type, value: await object.get(name) }]);
  return Object.fromEntries(entries);
}

test("a machine's own RAM looks as recorded for -M nitro -m 128M -smp 2", async () => {
  const { system } = setUp();
  system.machine.ramSize = 128 * MIB;
  system.machine.smpConfiguration = { cpus: 2 };
  const backend = await ram(system);
  const recorded = recordedObjects.nitroRam;
  // Without huge pages in the host of the test.
  const expected = { ...recorded['/objects/ram'], hugetlb: { type: 'bool', value: false } };
  assert.equal(await properties(backend), expected);
  assert.equal(await properties(backend.region), recorded['/objects/ram/ram[0]']);
  assert.is(system.machine.get('memory-backend'), '/objects/ram');
  assert.equal(ramBlocks(system), [
    {
      id: 'ram',
      mapped: true,
      address: backend.address,
      size: 128 * MIB,
      pageSize: backend.pageSize,
      offset: 0,
      readonly: false,
    },
  ]);
});

test("a user's backend is used, gives the size without -m, and cannot be deleted", async () => {
  const { system, objects } = setUp();
  await objects.add({ 'qom-type': 'memory-backend-ram', id: 'mine', size: 3 * MIB });
  system.machine.memoryBackendId = 'mine';
  const backend = await ram(system);
  assert.is(backend.name, 'mine');
  assert.is(system.machine.effectiveRamSize, 3 * MIB);
  assert.is(backend.region.get('container'), '/machine/unattached/system[0]');
  assert.is((await thrown(() => objects.delete('mine'))).message, "object 'mine' is in use, can not be deleted");
  assert.is(
    (await thrown(() => mapMachineRam(system, backend))).message,
    "memory backend mine can't be used multiple times.",
  );
});

test('a backend that cannot be the RAM is refused in QEMU words', async () => {
  const { system, objects } = setUp();
  system.machine.memoryBackendId = 'nope';
  assert.is((await thrown(() => ram(system))).message, "Memory backend 'nope' not found");
  await objects.add({ 'qom-type': 'iothread', id: 'nope' });
  assert.is((await thrown(() => ram(system))).message, "Memory backend 'nope' not found");
  await objects.add({ 'qom-type': 'memory-backend-ram', id: 'small', size: MIB });
  system.machine.memoryBackendId = 'small';
  system.machine.ramSize = 2 * MIB;
  assert.is(
    (await thrown(() => ram(system))).message,
    'Machine memory size does not match the size of the memory backend',
  );
});

test("the id of the machine's own RAM is reserved, unless the machine is told to use it", async () => {
  const { system, objects } = setUp();
  system.machine.ramSize = MIB;
  await objects.add({ 'qom-type': 'memory-backend-ram', id: 'ram', size: MIB });
  const error = await thrown(() => ram(system));
  assert.is(
    error.message,
    "object's id 'ram' is reserved for the default RAM backend, it can't be used for any other purposes",
  );
  assert.match(error.hint ?? '', "by setting 'memory-backend=ram' with '-machine'.");
  system.machine.memoryBackendId = 'ram';
  assert.is((await ram(system)).name, 'ram');
});

test('RAM that cannot be had leaves no object', async () => {
  const { system } = setUp();
  system.machine.ramSize = 2 ** 60;
  const error = await thrown(() => ram(system));
  assert.is(error.message, 'unable to map backing store for guest RAM: Cannot allocate memory');
  assert.equal([...system.tree.objects.children()], []);
});

test.run();
