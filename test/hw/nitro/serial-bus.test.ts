import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev } from '../../../src/chardev/create.js';
import { defineChardevTypes } from '../../../src/chardev/types.js';
import { defineIsaTypes } from '../../../src/hw/isa/api.js';
import { IsaSerial } from '../../../src/hw/isa/serial.js';
import { EnclaveSerialBus } from '../../../src/hw/nitro/serial-bus.js';
import { createTestSystem, type TestSystem } from '../../support/system.js';

const test = suite('serial ports of the nitro machine');

async function board(debugMode: boolean): Promise<TestSystem & { bus: EnclaveSerialBus; plug(): Promise<IsaSerial> }> {
  const made = createTestSystem();
  const { system } = made;
  system.offerTypes('chardev', () => defineChardevTypes(system));
  await system.needTypes('chardev');
  defineIsaTypes(system);
  const type = system.types.get('ISA');
  if (type === undefined) throw new Error('no type ISA');
  const bus = system.unattached.addChild('isa.0', new EnclaveSerialBus(type, system, debugMode));
  let count = 0;
  return {
    ...made,
    bus,
    async plug() {
      const label = `c${count++}`;
      await addChardev(system, label, { type: 'null', data: {} });
      const port = system.types.get('isa-serial')?.create();
      if (!(port instanceof IsaSerial)) throw new Error('no isa-serial');
      await port.set('chardev', label);
      system.peripheral.addChild(label, port);
      await port.realize(bus);
      return port;
    },
  };
}

test('in debug mode the first port is the console; further ones stay silent, with one warning', async () => {
  const { plug, messages } = await board(true);
  await plug();
  assert.equal(messages, []);
  await plug();
  await plug();
  assert.equal(messages, [
    'qemu-system-x86_64: warning: an enclave has one console, it is at the first isa-serial: the others stay silent\n',
  ]);
});

test('without debug mode there is one warning, and nothing is started', async () => {
  const { plug, messages, bus, system } = await board(false);
  await plug();
  await plug();
  assert.is(messages.length, 1);
  assert.match(messages[0] ?? '', /-accel nitro,debug-mode=on/);
  await bus.startEnclave(16);
  assert.is(system.tree.chardevs.component('nitro-console-16'), undefined);
  await bus.endEnclave();
});

test('a port has its character device to itself, and gives it back', async () => {
  const { plug } = await board(false);
  const port = await plug();
  assert.is(port.output?.busy, true);
  await port.unrealize();
  assert.is(port.output?.busy, false);
});

test.run();
