import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioDeviceLoop } from '../../../src/hw/virtio/device-loop.js';
import { VirtioMmio } from '../../../src/hw/virtio/mmio.js';
import { createRegisters } from '../../../src/hw/virtio/registers.js';
import { RngDevice, rngLayout } from '../../../src/hw/virtio/rng.js';
import { CountingIrq, Guest, MmioDriver } from '../../support/virtio-driver.js';

const test = suite('hw/virtio/rng');

test('every buffer is filled, up to 64 KiB a request', () => {
  const guest = new Guest();
  const registers = createRegisters(rngLayout(false));
  const loop = new VirtioDeviceLoop(registers, guest.memory, new CountingIrq(), { fault: () => {} });
  let next = 0;
  const fill = (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = next++;
  };
  loop.attach(new RngDevice(loop, fill, setImmediate));
  const driver = new MmioDriver(
    guest,
    new VirtioMmio(registers, { doorbell: () => loop.poll(), guestError: () => {} }),
  );
  driver.start();
  const queue = driver.queue(0);
  queue.add('small', [], [3, 5]);
  queue.add('large', [], [60_000, 60_000]);
  driver.kick(0);
  const [small, large] = queue.takeAll();
  assert.equal([...(small?.bytes ?? [])], [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.is(large?.length, 65_536);
  assert.is(large?.bytes[65_535], (8 + 65_535) % 256);
});

test.run();
