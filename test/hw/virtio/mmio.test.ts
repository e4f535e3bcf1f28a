import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type VirtioDevice, VirtioDeviceLoop } from '../../../src/hw/virtio/device-loop.js';
import { VirtioMmio } from '../../../src/hw/virtio/mmio.js';
import { createRegisters, type RegisterLayout } from '../../../src/hw/virtio/registers.js';
import { deadline } from '../../support/deadline.js';
import { CountingIrq, Guest, MmioDriver } from '../../support/virtio-driver.js';

const test = suite('hw/virtio/mmio');
const VERSION_1 = 1n << 32n;
const RING_FEATURES = (1n << 28n) | (1n << 29n);

/** A device that gives requests back as they are: the writable part filled from the readable one. */
function echoMachine({ legacy = false, queueSizes = [8, 4], ...rest }: Partial<RegisterLayout> = {}) {
  const config = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const features = RING_FEATURES | VERSION_1;
  const registers = createRegisters({ deviceId: 19, features, queueSizes, config, legacy, ...rest });
  const guest = new Guest();
  const irq = new CountingIrq();
  const errors: string[] = [];
  const faults: string[] = [];
  const loop = new VirtioDeviceLoop(registers, guest.memory, irq, { fault: (message) => faults.push(message) });
  const calls: string[] = [];
  const device: VirtioDevice = {
    reset: () => calls.push('reset'),
    service: (index) => {
      calls.push(`service ${index}`);
      loop.use(index, (queue) => {
        for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
          const request = Buffer.concat(chain.readable);
          let done = 0;
          for (const slice of chain.writable) {
            slice.set(request.subarray(done, done + slice.length));
            done += Math.min(slice.length, request.length - done);
          }
          queue.push(chain, done);
        }
      });
    },
  };
  loop.attach(device);
  const mmio = new VirtioMmio(registers, {
    doorbell: () => loop.poll(),
    guestError: (what) => errors.push(what),
  });
  return { registers, guest, irq, errors, faults, calls, loop, mmio, driver: new MmioDriver(guest, mmio) };
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('a driver finds the device, sets it up and exchanges buffers, in both versions', () => {
  for (const legacy of [false, true]) {
    for (const features of [0n, 1n << 28n, 1n << 29n, RING_FEATURES]) {
      const { driver, irq, errors, registers } = echoMachine({ legacy });
      driver.start({ features, queues: 2 });
      for (const queue of [0, 1]) {
        driver.queue(queue).add('r', [bytes('some '), bytes('text')], [4, 16]);
        driver.kick(queue);
        const used = driver.queue(queue).take();
        assert.is(Buffer.from(used?.bytes ?? []).toString(), 'some text');
      }
      assert.is(irq.pulses, 2);
      assert.is(driver.acknowledge(), 1);
      assert.is(driver.get(0x60), 0);
      assert.equal(errors, []);
      assert.is(registers.negotiated, features | (legacy ? 0n : VERSION_1));
    }
  }
});

test('identity, queue sizes and configuration read as the layout says', () => {
  const { driver } = echoMachine();
  assert.equal([driver.get(0x8), driver.get(0xc)], [19, 0x554d4551]);
  const sizes = [0, 1, 2, 0xffffffff].map((queue) => {
    driver.put(0x30, queue);
    return driver.get(0x34);
  });
  assert.equal(sizes, [8, 4, 0, 0]);
  assert.equal([...driver.config(0, 8)], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal([...driver.config(5, 1)], [6]);
  assert.equal([...driver.config(2, 2)], [3, 4]);
  assert.equal([...driver.config(6, 4)], [7, 8, 0, 0]);
  assert.equal(
    [0xb0, 0xb4, 0xb8, 0xbc].map((at) => driver.get(at)),
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
  );
});

test('FEATURES_OK stays clear for features that were not offered, and without VERSION_1', () => {
  for (const [low, high, ok] of [
    [0, 1, true],
    [1, 1, false],
    [0, 0, false],
    [0, 3, false],
  ] as const) {
    const { driver } = echoMachine();
    driver.put(0x70, 3);
    driver.put(0x24, 0);
    driver.put(0x20, low);
    driver.put(0x24, 1);
    driver.put(0x20, high);
    driver.put(0x70, 11);
    assert.is((driver.get(0x70) & 8) !== 0, ok);
  }
});

test('features are fixed after FEATURES_OK', () => {
  const { driver, registers } = echoMachine();
  driver.start({ features: 1n << 28n });
  driver.put(0x24, 0);
  driver.put(0x20, 0);
  assert.is(registers.negotiated, VERSION_1 | (1n << 28n));
});

test('writing 0 resets everything but the configuration, and the device hears of it', () => {
  const { driver, calls, registers } = echoMachine();
  driver.start({ queues: 2 });
  driver.queue(0).add('', [bytes('x')], [1]);
  driver.kick(0);
  calls.length = 0;
  driver.put(0x70, 0);
  assert.equal(calls, ['reset']);
  assert.equal([driver.get(0x70), driver.get(0x60), registers.accepted], [0, 0, 0n]);
  for (const queue of [0, 1]) {
    driver.put(0x30, queue);
    assert.is(driver.get(0x44), 0);
  }
  driver.start({ queues: 2 });
  driver.queue(0).add('', [bytes('again')], [8]);
  driver.kick(0);
  assert.is(Buffer.from(driver.queue(0).take()?.bytes ?? []).toString(), 'again');
});

test('a reset of the machine is one of the device', () => {
  const { driver, calls, mmio } = echoMachine({ legacy: true });
  driver.start();
  mmio.reset();
  assert.equal([driver.get(0x70), driver.get(0x40)], [0, 0]);
  assert.is(calls.at(-1), 'reset');
  driver.start();
});

test('a queue that is taken away is left alone, and works again when it is given back', () => {
  const { driver } = echoMachine();
  driver.start();
  driver.put(0x30, 0);
  driver.put(0x44, 0);
  driver.queue(0).add('', [bytes('x')], [1]);
  driver.put(0x50, 0);
  assert.is(driver.queue(0).take(), undefined);
  driver.put(0x44, 1);
  driver.put(0x50, 0);
  assert.is(driver.queue(0).take()?.length, 1);
});

test('nothing happens before DRIVER_OK, and then what was queued is served', () => {
  const { driver, calls } = echoMachine();
  driver.start();
  driver.put(0x70, 11);
  calls.length = 0;
  driver.queue(0).add('', [bytes('x')], [1]);
  driver.put(0x50, 0);
  assert.equal(calls, []);
  driver.put(0x70, 15);
  assert.is(driver.queue(0).take()?.length, 1);
});

test('a bad ring stops the device until the driver resets it', () => {
  const { guest, driver, irq, faults } = echoMachine();
  driver.start();
  guest.put16(driver.queue(0).ring.avail + 2, 100);
  driver.put(0x50, 0);
  assert.is(driver.get(0x70) & 0x40, 0x40);
  assert.is(driver.acknowledge(), 2);
  assert.is(irq.pulses, 1);
  assert.equal(faults, ['100 chains made available in a queue of 8']);
  driver.put(0x50, 0);
  driver.put(0x70, 15);
  assert.is(driver.get(0x70), 0x4f);
  assert.is(faults.length, 1);
  driver.start();
  assert.is(driver.get(0x70), 0xf);
});

test('ring addresses outside of RAM stop the device when it starts', () => {
  const { driver, faults } = echoMachine();
  driver.start();
  driver.put(0x70, 11);
  driver.put(0x30, 0);
  driver.put(0x44, 0);
  driver.put(0x84, 0xffffffff);
  driver.put(0x44, 1);
  driver.put(0x70, 15);
  assert.is(driver.get(0x70), 0x4f);
  assert.match(faults[0] ?? '', /descriptor table of 128 bytes at 0xffffffff\w+ is not in guest RAM/);
});

test('a configuration change is seen by generation, interrupt and contents', () => {
  const { driver, loop, irq } = echoMachine();
  driver.start();
  const before = driver.get(0xfc);
  loop.changeConfig(Uint8Array.from([9]));
  assert.is.not(driver.get(0xfc), before);
  assert.equal([...driver.config(0, 2)], [9, 2]);
  assert.is(driver.acknowledge(), 2);
  assert.is(irq.pulses, 1);
});

test('queue sizes that cannot be are refused', () => {
  const { driver, errors, registers } = echoMachine();
  driver.put(0x30, 0);
  for (const size of [0, 3, 16, 0x80000000, 0xffffffff]) driver.put(0x38, size);
  assert.is(errors.length, 5);
  assert.is(registers.queueSize(0), 8);
  driver.put(0x38, 2);
  assert.is(registers.queueSize(0), 2);
});

test('legacy rings lie where vring_init of Linux puts them', () => {
  const { driver, registers } = echoMachine({ legacy: true, queueSizes: [256] });
  driver.start();
  const { desc, avail, used } = driver.queue(0).ring;
  assert.equal(registers.queueAddresses(0), {
    size: 256,
    desc: BigInt(desc),
    driver: BigInt(avail),
    device: BigInt(used),
  });
  assert.is(driver.get(0x40), desc / 4096);
  driver.put(0x40, 0);
  assert.is(registers.queueReady(0), false);
});

const access = fc.record({
  write: fc.boolean(),
  offset: fc.oneof(
    fc.nat(0x40).map((n) => 4 * n),
    fc.nat(0x240),
  ),
  data: fc.oneof(
    fc.constantFrom(0, 1, 3, 11, 15, 8, 4, 0xffffffff).map((n) => Uint8Array.of(n, n >> 8, n >> 16, n >> 24)),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  ),
});

test('accesses of any offset, size and value are answered', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(access, { maxLength: 60 }), (legacy, accesses) => {
      const { mmio, driver } = echoMachine({ legacy });
      for (const { write, offset, data } of accesses) {
        if (write) mmio.write(offset, data);
        else mmio.read(offset, data);
      }
      driver.start();
      driver.queue(0).add('', [bytes('alive')], [5]);
      driver.kick(0);
      return driver.queue(0).take()?.length === 5;
    }),
    { numRuns: 500 },
  );
});

test('a reset from another thread waits until the device has let go of the rings', async () => {
  const { registers, driver } = echoMachine();
  driver.start();
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    (async () => {
      const { VirtioRegisters } = await import(workerData.registers);
      const { VirtioMmio } = await import(workerData.mmio);
      const registers = new VirtioRegisters(workerData.buffer);
      const mmio = new VirtioMmio(registers, { doorbell() {}, guestError() {} });
      parentPort.postMessage('ready');
      const started = performance.now();
      mmio.write(0x70, new Uint8Array(4));
      parentPort.postMessage(performance.now() - started);
    })();`;
  assert.ok(registers.queueLock.acquire(0));
  const url = (name: string) => new URL(`../../../src/hw/virtio/${name}.js`, import.meta.url).href;
  const worker = new Worker(source, {
    eval: true,
    workerData: { buffer: registers.buffer, registers: url('registers'), mmio: url('mmio') },
  });
  const message = () => new Promise<unknown>((resolve) => worker.once('message', resolve));
  await deadline('worker', message());
  const reset = message();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.is(registers.status, 15);
  registers.queueLock.release();
  assert.ok(Number(await deadline('reset', reset)) > 50);
  assert.is(registers.status, 0);
  await deadline('end', worker.terminate());
});

test.run();
