import { copyFileSync, readFileSync, unlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBoard } from '../../src/hw/i386/open-board.js';
import type { QomObject } from '../../src/qom/object.js';
import { objectAt } from '../../src/qom/path.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import type { System } from '../../src/system/system.js';
import { deadline, eventually } from '../support/deadline.js';
import { thrown } from '../support/thrown.js';
import { KERNEL_BYTES, KERNEL_ENTRY, toyEnclave, toyImage } from '../support/toy-enclave.js';
import type { ToyVm } from '../support/toy-vm.js';

const test = suite('machines/nitro-enclave');
const silent = { raise() {}, lower() {}, pulse() {} };

type Recorded = Record<string, Record<string, { type: string; value?: JsonValue }>>;
/** reference/qemu/qom-tree/nitro-enclave-tcg.json, without interrupt lines and what CPUs have of their own. */
const recorded = JSON.parse(
  readFileSync(new URL('../../../test/machines/nitro-enclave-tree.json', import.meta.url), 'utf8'),
) as Recorded;

/** Recorded paths of which there is nothing here, and properties that are not there or have another value. */
const absentPaths = /\/apic-msi/;
const absent: Record<string, RegExp> = {
  'nitro-enclave-machine':
    /^(append|kernel|initrd|vsock|x-o|bus-lock-ratelimit|sgx-epc|hmat|x-option-roms|fw_cfg|rtc-time|mem-merge|id$)/,
  'qemu64-x86_64-cpu': /^hotpluggable$/,
  System: /^child/,
  apic: /^vapic$/,
  mc146818rtc: /^(lost_tick_policy|base_year|date)$/,
  'virtio-mmio': /^force-legacy$/,
  'memory-backend-memfd': /^merge$/,
};
const virtioProperties =
  /^(use-|queue_reset|packed|in_order|iommu_platform|x-disable|notify_on|any_layout|seqpacket|chardev|event_idx|indirect)/;

const play = (vm: ToyVm) => openBoard(vm.board, () => silent);

async function start(system: System): Promise<void> {
  await deadline('the start', system.run.resume());
}

test('the object tree has the shape of the recorded one where the parts exist', async () => {
  const { system, close } = await toyEnclave({ id: 'enclave-test' });
  let compared = 0;
  for (const [path, properties] of Object.entries(recorded)) {
    const type = String(properties.type?.value);
    // Without a chardev for it there is no serial port here.
    if (type === 'isa-serial' || path.includes('device[16]') || absentPaths.test(path)) continue;
    if (type === 'vhost-user-vsock-device' || type === 'virtio-nsm-device') continue;
    const object = objectAt(system.tree.root, path);
    assert.is(object.type.name, type, path);
    for (const [name, { type: propertyType, value }] of Object.entries(properties)) {
      if (name === 'type' || absent[type]?.test(name) || /device\[1[678]\]/.test(String(value))) continue;
      const property = object.findProperty(name);
      assert.is(property?.type, propertyType, `${path} ${name}`);
      assert.equal(await object.get(name), value, `${path} ${name}`);
      compared += 1;
    }
  }
  assert.ok(compared > 200, String(compared));
  await close();
});

test('virtio devices are at the highest transports, vsock first, then the NSM, then those of -device', async () => {
  const { system, close } = await toyEnclave({ id: 'enclave-test' }, [{ driver: 'virtio-rng-device', id: 'rng0' }]);
  const link = (index: number): JsonValue | Promise<JsonValue> =>
    objectAt(system.tree.root, `/machine/unattached/device[${index + 4}]/virtio-mmio-bus.${index}`).get('child[0]');
  assert.is(await link(7), '/machine/unattached/device[16]');
  assert.is(objectAt(system.tree.root, '/machine/unattached/device[16]').type.name, 'virtio-vsock-device');
  assert.is(await objectAt(system.tree.root, String(await link(6))).get('module-id'), 'enclave-test');
  assert.is(await link(5), '/machine/peripheral/rng0');
  // Properties of the NSM that both have.
  const nsm = objectAt(system.tree.root, '/machine/unattached/device[17]');
  for (const [name, { type, value }] of Object.entries(recorded['/machine/unattached/device[18]'] ?? {})) {
    if (virtioProperties.test(name)) continue;
    assert.is(nsm.findProperty(name)?.type, type, name);
    assert.equal(await nsm.get(name), value, name);
  }
  await close();
});

test('vCPUs find the devices at their addresses', async () => {
  const { vm, close } = await toyEnclave({}, [{ driver: 'virtio-rng-device' }]);
  const { ports, mmio } = play(vm);
  const word = (address: number): number => {
    const data = new Uint8Array(4);
    mmio.read(address, data);
    return new DataView(data.buffer).getUint32(0, true);
  };
  const ids = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => word(0xfeb00008 + 512 * index));
  assert.equal(ids, [0, 0, 0, 0, 0, 4, 33, 19]);
  assert.is(word(0xfeb00004), 2);
  const status = new Uint8Array(1);
  ports.read(0x64, status);
  assert.is(status[0], 0x14);
  await close();
});

test('the boot CPU starts at the kernel of the image, with the devices on the command line', async () => {
  const { vm, machine, close } = await toyEnclave({ append: 'quiet' });
  assert.equal(vm.calls, ['reset']);
  assert.is(vm.state?.rip, KERNEL_ENTRY);
  assert.equal(
    vm.config.ram.map(({ base, size, file }) => [base, size, file?.offset]),
    [[0, 268_435_456, 0]],
  );
  assert.is(vm.config.cpus, 2);
  assert.is(vm.config.cpuModel.name, 'qemu64');
  const ram = machine.memoryBackend as QomObject & { windows(offset: number, length: number): Iterable<Uint8Array> };
  const read = (address: number, length: number) => Buffer.concat([...ram.windows(address, length)]);
  assert.equal([...read(KERNEL_ENTRY, KERNEL_BYTES.length)], [...KERNEL_BYTES]);
  assert.is(
    read(0x20000, 200).toString('latin1').split('\0')[0],
    'console=ttyS0 quiet virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11',
  );
  await close();
});

test('start, stop and reset reach the virtual machine in order; a reset loads the guest anew', async () => {
  const { system, machine, vm, events, close } = await toyEnclave();
  await start(system);
  const ram = machine.memoryBackend as QomObject & { windows(offset: number, length: number): Iterable<Uint8Array> };
  for (const window of ram.windows(KERNEL_ENTRY, 4)) window.fill(0);
  await system.run.requestReset('host-qmp-system-reset');
  for (const window of ram.windows(KERNEL_ENTRY, 4)) assert.equal([...window], [...KERNEL_BYTES]);
  await system.run.pause();
  await system.run.requestReset('host-qmp-system-reset');
  assert.is(system.run.state, 'prelaunch');
  await start(system);
  assert.equal(vm.calls, ['reset', 'resume', 'pause', 'reset', 'resume', 'pause', 'reset', 'resume']);
  const kinds = events.map(({ type }) => type);
  assert.equal(kinds, ['enclave-started', 'resume', 'reset', 'stop', 'reset', 'resume']);
  await close();
  assert.is(vm.calls.at(-1), 'close');
});

test('the guest resets by its keyboard controller and by a triple fault, once however often it asks', async () => {
  const { system, vm, events, close } = await toyEnclave();
  await start(system);
  const resets = () => events.filter(({ type }) => type === 'reset').length;
  for (let i = 0; i < 3; i++) play(vm).ports.write(0x64, Uint8Array.of(0xfe));
  await eventually('the reset', () => resets() === 1);
  vm.tell({ type: 'reset' });
  vm.tell({ type: 'reset' });
  await eventually('another reset', () => resets() === 2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(resets(), 2);
  assert.ok(system.run.running);
  assert.equal(
    events.find(({ type }) => type === 'reset'),
    { type: 'reset', cause: 'guest-reset' },
  );
  await close();
});

test('with acpi=on the guest powers off and hears the power button; the tables take the place of the command line', async () => {
  const { system, vm, machine, events, close } = await toyEnclave({ acpi: 'on' });
  await start(system);
  const { mmio } = play(vm);
  system.run.requestPowerdown();
  const selector = new Uint8Array(4);
  mmio.read(0xfea00000, selector);
  assert.is(selector[0], 2);
  assert.is(vm.lines.take().edges & (1 << 9), 1 << 9);
  const ram = machine.memoryBackend as QomObject & { windows(offset: number, length: number): Iterable<Uint8Array> };
  const cmdline = Buffer.concat([...ram.windows(0x20000, 100)])
    .toString('latin1')
    .split('\0')[0];
  assert.is(cmdline, 'console=ttyS0 ');
  mmio.write(0xfea00200, Uint8Array.of(0x34));
  assert.is(await deadline('the end', system.run.finished), 0);
  assert.equal(events.at(-1), { type: 'shutdown', cause: 'guest-shutdown' });
  await close();
});

test('a guest that cannot go on leaves the machine in internal-error, with the reason', async () => {
  const { system, vm, messages, close } = await toyEnclave();
  await start(system);
  vm.tell({ type: 'internal-error', cpu: 0, text: 'an instruction that is none' });
  await eventually('the state', () => system.run.state === 'internal-error');
  assert.ok(messages.some((line) => line.includes('an instruction that is none')));
  await close();
});

test('a panic device offers its events, and tells of those that came', async () => {
  const { system, vm, events, close } = await toyEnclave({ acpi: 'on' }, [{ driver: 'pvpanic', ioport: '0x506' }]);
  await start(system);
  const { ports } = play(vm);
  const offered = new Uint8Array(1);
  ports.read(0x506, offered);
  assert.is(offered[0], 7);
  ports.write(0x506, Uint8Array.of(2));
  await eventually('crash loaded', () => events.some(({ type }) => type === 'guest-crashloaded'));
  assert.ok(system.run.running);
  ports.write(0x506, Uint8Array.of(4));
  assert.is(await deadline('the end', system.run.finished), 0);
  const last = events.slice(-2).map(({ type }) => type);
  assert.equal(last, ['guest-pvshutdown', 'shutdown']);
  await close();
});

test('an image that is gone at a reset stops the machine', async () => {
  const { system, machine, messages, vm, close } = await toyEnclave();
  await start(system);
  unlinkSync(machine.kernel);
  vm.tell({ type: 'reset' });
  await eventually('the state', () => system.run.state === 'internal-error');
  assert.ok(messages.some((line) => line.includes(`could not load kernel '${machine.kernel}'`)));
  await close();
});

test('an image that has changed at a reset is refused: it is not what was measured', async () => {
  const { system, machine, close } = await toyEnclave();
  await start(system);
  copyFileSync(toyImage('other=1'), machine.kernel);
  const failed = system.run.requestReset('host-qmp-system-reset');
  assert.is((await thrown(() => failed)).message, `'${machine.kernel}' has changed since the enclave was started`);
  assert.is(system.run.state, 'internal-error');
  await close();
});

test('RAM makes room for devices below 4 GiB', async () => {
  const { system, vm, close } = await toyEnclave({ memory: { size: '4G' } });
  const gib = 2 ** 30;
  assert.equal(
    vm.config.ram.map(({ base, size, file }) => [base, size, file?.offset]),
    [
      [0, 3 * gib, 0],
      [4 * gib, gib, 3 * gib],
    ],
  );
  const high = objectAt(system.tree.root, '/machine/unattached/ram-above-4g[0]');
  assert.equal([await high.get('addr'), await high.get('size')], [4 * gib, gib]);
  await close();
});

test('threads and topology of vCPUs are told as QEMU tells them', async () => {
  const { machine, close } = await toyEnclave();
  const rows = machine
    .cpus()
    .map(({ index, threadId, props, object }) => [index, threadId, props, object.canonicalPath]);
  assert.equal(rows, [
    [0, 1000, { 'core-id': 0, 'thread-id': 0, 'socket-id': 0 }, '/machine/unattached/device[0]'],
    [1, 1001, { 'core-id': 1, 'thread-id': 0, 'socket-id': 0 }, '/machine/unattached/device[2]'],
  ]);
  await close();
});

test("the NSM has the image's measurements, the parent's names, or zeros in debug mode", async () => {
  const pcr = async (system: System, index: number) =>
    String(await objectAt(system.tree.root, '/machine/unattached/device[17]').get(`pcr[${index}]`));
  const plain = await toyEnclave({ 'parent-id': 'i-1', 'parent-role': 'arn' });
  const measured = (await plain.machine.enclave?.measure())?.get(0) ?? new Uint8Array();
  assert.is(await pcr(plain.system, 0), Buffer.from(measured).toString('hex'));
  for (const index of [3, 4]) assert.not.match(await pcr(plain.system, index), /^0+$/);
  await plain.close();
  const debug = await toyEnclave({ 'parent-id': 'i-1', 'debug-mode': 'on' });
  for (const index of [0, 4]) assert.match(await pcr(debug.system, index), /^0{96}$/);
  assert.is(debug.machine.enclave?.debugMode, true);
  await debug.close();
});

const refused: [properties: JsonObject, sentence: string][] = [
  [{ vsock: 'nope' }, 'Failed to find chardev with id nope'],
  [
    { 'vsock-uds': '/tmp/x', 'vsock-tcp-listen': '127.0.0.1:1-2' },
    "'vsock-uds' and 'vsock-tcp-listen' cannot be used together",
  ],
  [{ vsock: 'c', 'vsock-uds': '/tmp/x' }, "'vsock' and 'vsock-uds' cannot be used together"],
  [{ kernel: '' }, 'nitro-enclave: -kernel <eif-file> is required'],
  [{ pcie: 'on' }, "Property 'nitro-enclave-machine.pcie' doesn't take value 'on'"],
  [{ pic: 'off' }, "Property 'nitro-enclave-machine.pic' doesn't take value 'off'"],
  [{ 'guest-cid': '2' }, 'guest-cid 2 is not a CID of a guest'],
  [{ attestation: 'ca7' }, "No attestation authority with id 'ca7'"],
  [{ kernel: '/nonexistent' }, "could not load kernel '/nonexistent'"],
];
for (const [properties, sentence] of refused) {
  test(`${JSON.stringify(properties)} is refused`, async () => {
    assert.is((await thrown(() => toyEnclave(properties))).message, sentence);
  });
}

test('parts that can be left out are', async () => {
  const { system, vm, close } = await toyEnclave({ rtc: 'off', 'force-legacy': 'on' });
  const labels = system.ioMemory.subregions.map(({ label }) => label);
  assert.not(labels.includes('rtc'));
  const data = new Uint8Array(4);
  play(vm).mmio.read(0xfeb00e04, data);
  assert.is(data[0], 1);
  await close();
});

test.run();
