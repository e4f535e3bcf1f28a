import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { nodeList } from '../../../qmp/hmp/commands/machine-info.js';
import { valueText } from '../../../qmp/hmp/commands/qtree.js';
import { HmpInterpreter } from '../../../qmp/hmp/interpreter.js';
import { Bus } from '../../../src/qdev/bus.js';
import { Device } from '../../../src/qdev/device.js';
import { addChildBus, plugBuiltin } from '../../../src/qdev/device-add.js';
import { qdevProp } from '../../../src/qom/property.js';
import { writeRam } from '../../../src/system/guest-ram.js';
import { createRegion } from '../../../src/system/memory.js';
import type { System } from '../../../src/system/system.js';
import { asScreen, recordedScreens } from '../../support/hmp-screens.js';
import { MemoryRam } from '../../support/memory-ram.js';
import { createTestMonitor } from '../../support/monitor.js';

const MIB = 1 << 20;

class PlainDevice extends Device {}

/** Devices that look like those of `-M nitro` in debug mode, and do nothing. */
async function addLookAlikes(system: System): Promise<void> {
  const { types } = system;
  types.define({ name: 'nitro-vsock-bus', parent: 'bus', create: (type) => new Bus(type) });
  types.define({
    name: 'nitro-vsock-bridge',
    parent: 'sys-bus-device',
    create: (type) => {
      const bridge = new PlainDevice(type);
      const bus = types.get('nitro-vsock-bus');
      if (bus !== undefined) addChildBus(bridge, bus, 'nitro-vsock');
      return bridge;
    },
  });
  types.define({ name: 'nitro-vsock-device', parent: 'device', abstract: true, data: { bus: 'nitro-vsock-bus' } });
  const create = (type: ConstructorParameters<typeof PlainDevice>[0]): Device => new PlainDevice(type);
  types.define({ name: 'nitro-heartbeat', parent: 'nitro-vsock-device', create });
  types.define({
    name: 'nitro-serial-vsock',
    parent: 'nitro-vsock-device',
    create,
    properties: { chardev: qdevProp.str<PlainDevice>({ get: () => 'serial0' }) },
  });
  const bridge = await plugBuiltin(system, 'nitro-vsock-bridge', system.mainSystemBus, { id: 'nitro-vsock' });
  const [bus] = bridge.childBuses;
  if (bus === undefined) throw new Error('the bridge has no bus');
  await plugBuiltin(system, 'nitro-heartbeat', bus);
  await plugBuiltin(system, 'nitro-serial-vsock', bus);
}

function addRam(system: System): MemoryRam {
  const ram = new MemoryRam(128 * MIB, 16 * MIB);
  const region = createRegion(system.types, 'ram', BigInt(ram.size), 'ram');
  region.ram = ram;
  system.systemMemory.add(0n, region);
  return ram;
}

async function fixture() {
  const { host, system } = await createTestMonitor();
  await addLookAlikes(system);
  const ram = addRam(system);
  const interpreter = new HmpInterpreter(host, new MonitorClient());
  return { system, ram, run: async (command: string) => asScreen(await interpreter.run(command)) };
}

const recorded = new Map(recordedScreens('hmp-nitro-debug.txt').map(({ command, output }) => [command, output]));

/** Address spaces come in no promised order. */
function blocks(text: string): string[] {
  return text
    .replaceAll(/FlatView #\d/g, 'FlatView')
    .split('\n\n')
    .sort();
}

const screens = suite('hmp: screens of a machine with devices and RAM');

screens('info qtree shows buses, devices and their qdev properties', async () => {
  const { run } = await fixture();
  assert.is(await run('info qtree'), recorded.get('info qtree'));
});

screens('info qtree -b leaves the properties out', async () => {
  const { run } = await fixture();
  const brief = (recorded.get('info qtree') ?? '').replace(/^ *chardev = .*\n/m, '');
  assert.is(await run('info qtree -b'), brief);
});

screens('info qom-tree shows the objects in order of their names', async () => {
  const { run } = await fixture();
  const expected = (recorded.get('info qom-tree') ?? '').replace('(nitro-machine)', '(none-machine)');
  assert.is(await run('info qom-tree'), expected);
});

screens('info qom-tree begins where it is told to', async () => {
  const { run } = await fixture();
  assert.is(await run('info qom-tree /machine/peripheral-anon'), '/peripheral-anon (container)\n');
  assert.is(await run('info qom-tree /nope'), "Path '/nope' could not be resolved.\n");
});

screens('info mtree shows the regions of each address space', async () => {
  const { run } = await fixture();
  assert.equal(blocks(await run('info mtree')), blocks(recorded.get('info mtree') ?? ''));
});

screens('info mtree -f shows what is visible', async () => {
  const { run } = await fixture();
  assert.equal(blocks(await run('info mtree -f')), blocks(recorded.get('info mtree -f') ?? ''));
});

screens('info mtree -f cuts regions where others lie above them', async () => {
  const { run, system } = await fixture();
  const { types } = system;
  system.ioMemory.add(0x70n, createRegion(types, 'rtc', 2n, 'i/o'));
  system.systemMemory.add(0xf0000n, createRegion(types, 'window', 0x10000n, 'i/o'), 1);
  const text = await run('info mtree -f');
  // The form of the I/O lines is that of reference/qemu/hmp/nitro-enclave-tcg.txt.
  const io = [
    '  0000000000000000-000000000000006f (prio 0, i/o): io',
    '  0000000000000070-0000000000000071 (prio 0, i/o): rtc',
    '  0000000000000072-000000000000ffff (prio 0, i/o): io @0000000000000072',
  ];
  const memory = [
    '  0000000000000000-00000000000effff (prio 0, ram): ram',
    '  00000000000f0000-00000000000fffff (prio 1, i/o): window',
    '  0000000000100000-0000000007ffffff (prio 0, ram): ram @0000000000100000',
  ];
  for (const expected of [io, memory]) assert.ok(text.includes(expected.join('\n')), text);
});

screens('xp shows physical memory in each format', async () => {
  const { run, ram } = await fixture();
  writeRam(ram, 8 * MIB, Buffer.from('.eif\x00\x04\x00\x00', 'latin1'));
  assert.is(await run('xp /4xb 0x800000'), recorded.get('xp /4xb 0x800000'));
  assert.is(await run('xp /8c 0x800000'), recorded.get('xp /8c 0x800000'));
  // These follow from the values above: little-endian words, 33 decimal digits for 10 bits of each.
  assert.is(await run('xp /2xw 0x800000'), '00800000: 0x6669652e 0x00000400\n');
  assert.is(await run('xp /1dw 0x800000'), `00800000: ${String(0x6669652e).padStart(10)}\n`);
  assert.is(await run('xp /1ob 0x800000'), '00800000: 056\n');
});

screens('xp goes over the border of two windows and stops at the end of RAM', async () => {
  const { run, ram } = await fixture();
  writeRam(ram, 16 * MIB - 2, Uint8Array.of(1, 2, 3, 4));
  assert.is(await run('xp /1xw 0xfffffe'), '00fffffe: 0x04030201\n');
  assert.is(await run('xp /8xb 0x7fffffc'), '07fffffc: Cannot access memory\n');
  assert.match(await run('xp /2000000xb 0'), /^Error: at most /);
});

screens('values are shown as QEMU shows them', () => {
  // reference/qemu/hmp/nitro-enclave-tcg.txt: index, force-legacy, seqpacket.
  assert.is(valueText(1016), '1016 (0x3f8)');
  assert.is(valueText(true), 'true');
  assert.is(valueText('auto'), '"auto"');
});

screens('lists of nodes are shown as ranges', () => {
  assert.is(nodeList([]), '');
  assert.is(nodeList([0, 1, 2, 5, 7, 8]), '0-2,5,7-8');
});

screens.run();
