import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GedMemory, GedRequest, gedMappings } from '../../../src/hw/acpi/ged.js';
import { IoBus } from '../../../src/system/io-bus.js';
import { CountingIrq } from '../../support/virtio-driver.js';

const test = suite('hw/acpi/ged');

function eventDevice() {
  const registers = GedMemory.create();
  let rings = 0;
  const bus = new IoBus(
    gedMappings(registers, () => {
      rings += 1;
    }),
  );
  const read = (address: number, size: number): number[] => {
    const data = new Uint8Array(size);
    bus.read(address, data);
    return [...data];
  };
  return { memory: new GedMemory(registers), bus, read, rings: () => rings };
}

test('the power button interrupts and shows in the selector until it is read', () => {
  const { memory, read } = eventDevice();
  const irq = new CountingIrq();
  memory.powerDown(irq);
  assert.is(irq.pulses, 1);
  assert.equal(read(0xfea00000, 4), [2, 0, 0, 0]);
  assert.equal(read(0xfea00000, 4), [0, 0, 0, 0]);
});

test('the guest powers off by sleep state 5 and resets by its register', () => {
  const { memory, bus, rings } = eventDevice();
  bus.write(0xfea00200, Uint8Array.of(0x34));
  assert.is(memory.takeRequests(), GedRequest.powerOff);
  bus.write(0xfea00202, Uint8Array.of(0x42));
  assert.is(memory.takeRequests(), GedRequest.reset);
  assert.is(rings(), 2);
});

test('other values ask for nothing', () => {
  const { memory, bus, read } = eventDevice();
  for (let value = 0; value < 256; value++) {
    if (value !== 0x34) bus.write(0xfea00200, Uint8Array.of(value));
    if (value !== 0x42) bus.write(0xfea00202, Uint8Array.of(value));
    bus.write(0xfea00201, Uint8Array.of(value));
  }
  bus.write(0xfea00000, Uint8Array.of(1, 2, 3, 4));
  assert.is(memory.takeRequests(), 0);
  assert.equal(read(0xfea00201, 1), [0]);
});

test('a reset forgets a button that nobody has looked at', () => {
  const { memory, read } = eventDevice();
  memory.powerDown(new CountingIrq());
  memory.reset();
  assert.equal(read(0xfea00000, 4), [0, 0, 0, 0]);
});

test.run();
