import { closeSync, ftruncateSync } from 'node:fs';
import { memfdCreate, mmap } from '../../src/host/memory.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { DeviceEvent, DeviceKind, DevicePlan } from '../../src/hw/virtio/device-plan.js';
import { DeviceThread } from '../../src/hw/virtio/device-thread.js';
import { VirtioMmio } from '../../src/hw/virtio/mmio.js';
import { nsmLayout } from '../../src/hw/virtio/nsm.js';
import { createRegisters } from '../../src/hw/virtio/registers.js';
import { rngLayout } from '../../src/hw/virtio/rng.js';
import { vsockLayout } from '../../src/hw/virtio/vsock/device.js';
import { Doorbell } from '../../src/system/doorbell.js';
import { Guest, MmioDriver } from './virtio-driver.js';

const RAM = 64 << 20;

function layoutOf(device: DeviceKind) {
  switch (device.kind) {
    case 'vsock':
      return vsockLayout(device.guestCid, false);
    case 'vhost-user-vsock':
      return vsockLayout(0, false);
    case 'nsm':
      return nsmLayout(false);
    case 'rng':
      return rngLayout(false);
  }
}

/** Devices in a thread of their own, and this thread as their guest: a driver for each, with GSI 5 and up. */
export async function threadMachine(
  devices: readonly (DeviceKind & { notifiers?: DevicePlan['notifiers'] })[],
  { resume = true } = {},
) {
  const fd = memfdCreate('ram');
  ftruncateSync(fd, RAM);
  const mapping = mmap({ fd, size: RAM });
  const guest = new Guest({ size: RAM, ram: mapping });
  const events: DeviceEvent[] = [];
  const failures: Error[] = [];
  const thread = new DeviceThread({ event: (event) => events.push(event), failed: (error) => failures.push(error) });
  const bell = new Doorbell(thread.rope());
  const irqs = new SharedIrqWords();
  const plans = devices.map(({ notifiers, ...device }, i) => ({
    registers: createRegisters(layoutOf(device as DeviceKind)),
    gsi: 5 + i,
    device: device as DeviceKind,
    notifiers,
  }));
  const drivers = plans.map(
    ({ registers }) =>
      new MmioDriver(guest, new VirtioMmio(registers, { doorbell: () => bell.ring(), guestError() {} })),
  );
  await thread.start({
    ram: [{ base: 0, size: RAM, address: mapping.address, file: { fd, offset: 0 } }],
    irqs: { kind: 'shared', words: irqs.buffer },
    devices: plans.map((plan) => ({ ...plan, registers: plan.registers.buffer })),
  });
  if (resume) await thread.resume();
  const close = async () => {
    await thread.close();
    mapping.unmap();
    closeSync(fd);
  };
  return {
    guest,
    thread,
    events,
    failures,
    irqs,
    drivers,
    mapping,
    registers: plans.map(({ registers }) => registers),
    close,
  };
}
