import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioDeviceLoop } from '../../../src/hw/virtio/device-loop.js';
import { VirtioMmio } from '../../../src/hw/virtio/mmio.js';
import { NsmDevice, type NsmHandler, nsmLayout } from '../../../src/hw/virtio/nsm.js';
import { createRegisters } from '../../../src/hw/virtio/registers.js';
import { eventually } from '../../support/deadline.js';
import { CountingIrq, Guest, MmioDriver } from '../../support/virtio-driver.js';

const test = suite('hw/virtio/nsm');

function machine(handle: NsmHandler, { legacy = false } = {}) {
  const guest = new Guest();
  const registers = createRegisters(nsmLayout(legacy));
  const irq = new CountingIrq();
  const faults: string[] = [];
  const loop = new VirtioDeviceLoop(registers, guest.memory, irq, { fault: (message) => faults.push(message) });
  loop.attach(new NsmDevice(loop, handle));
  const driver = new MmioDriver(
    guest,
    new VirtioMmio(registers, { doorbell: () => loop.poll(), guestError: (what) => faults.push(what) }),
  );
  driver.start();
  return { driver, irq, faults, loop, queue: driver.queue(0) };
}

const reversed: NsmHandler = (request) => Uint8Array.from(request).reverse();

/** nsm_sendrecv_msg_locked of Linux's drivers/misc/nsm.c: both chains, one kick. */
function send({ driver, queue }: ReturnType<typeof machine>, request: Uint8Array[], response = 0x3000): void {
  queue.add('request', request, []);
  queue.add('response', [], [response]);
  driver.kick(0);
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('both chains come back at one interrupt, the request first', async () => {
  for (const legacy of [false, true]) {
    const parts = machine(reversed, { legacy });
    for (let round = 1; round <= 3; round++) {
      send(parts, [bytes('abc'), bytes('def')]);
      await eventually('interrupt', () => parts.irq.pulses === round);
      assert.is(parts.driver.acknowledge(), 1);
      const [request, response, ...rest] = parts.queue.takeAll();
      assert.equal([request?.token, request?.length], ['request', 0]);
      assert.equal([response?.token, Buffer.from(response?.bytes ?? []).toString()], ['response', 'fedcba']);
      assert.equal(rest, []);
    }
    assert.equal(parts.faults, []);
  }
});

test('a handler may take its time', async () => {
  const parts = machine(async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return request;
  });
  send(parts, [bytes('later')]);
  assert.equal(parts.queue.takeAll(), []);
  await eventually('answer', () => parts.irq.pulses === 1);
  assert.is(parts.queue.takeAll().length, 2);
});

test('a reset while the handler works drops the answer, and the next command is answered', async () => {
  const finish: (() => void)[] = [];
  const parts = machine(async (request) => {
    await new Promise<void>((resolve) => finish.push(resolve));
    return request;
  });
  send(parts, [bytes('old')]);
  parts.driver.start();
  const queue = parts.driver.queue(0);
  send({ ...parts, queue }, [bytes('new')]);
  for (const done of finish) done();
  await eventually('answer', () => parts.irq.pulses === 1);
  assert.is(Buffer.from(queue.takeAll()[1]?.bytes ?? []).toString(), 'new');
  assert.equal(parts.queue.takeAll(), []);
});

test('a request of any length arrives, one beyond the limit cut to a byte more than it', async () => {
  for (const [length, expected] of [
    [1, 1],
    [4096, 4096],
    [4097, 4097],
    [9000, 4097],
  ] as const) {
    let seen = 0;
    const parts = machine((request) => {
      seen = request.length;
      return request;
    });
    send(parts, [new Uint8Array(length)]);
    await eventually('answer', () => parts.irq.pulses === 1);
    assert.is(seen, expected);
  }
});

test('chains of another shape are device errors, and nothing is answered', () => {
  const shapes: [(parts: ReturnType<typeof machine>) => void, string][] = [
    [(parts) => send(parts, [bytes('x')], 0x2fff), 'an NSM response buffer of 12287 bytes'],
    [(parts) => send(parts, [bytes('x')], 0x3001), 'an NSM response buffer of 12289 bytes'],
    [(parts) => send(parts, [new Uint8Array(0)]), 'an NSM request without bytes'],
  ];
  for (const [act, message] of shapes) {
    const parts = machine(reversed);
    act(parts);
    assert.equal(parts.faults, [message]);
    assert.is(parts.driver.get(0x70) & 0x40, 0x40);
    assert.equal(parts.queue.takeAll(), []);
  }
});

test('a request waits for its response buffer', async () => {
  const parts = machine(reversed);
  parts.queue.add('request', [bytes('ab')], []);
  parts.driver.kick(0);
  assert.is(parts.irq.pulses, 0);
  parts.queue.add('response', [], [0x3000]);
  parts.driver.kick(0);
  await eventually('answer', () => parts.irq.pulses === 1);
  assert.equal(
    parts.queue.takeAll().map(({ token }) => token),
    ['request', 'response'],
  );
});

test('an answer that comes while the machine is paused is given back when it runs again', async () => {
  let finish: (() => void) | undefined;
  const parts = machine(async (request) => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return request;
  });
  send(parts, [bytes('x')]);
  parts.loop.pause();
  finish?.();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal([parts.irq.pulses, parts.queue.takeAll()], [0, []]);
  parts.loop.resume();
  assert.is(parts.irq.pulses, 1);
  assert.is(parts.queue.takeAll().length, 2);
});

test('a handler that fails or answers too much stops the device', async () => {
  const handlers: NsmHandler[] = [
    () => new Uint8Array(0x3001),
    () => {
      throw new Error('broken');
    },
  ];
  for (const handle of handlers) {
    const parts = machine(handle);
    send(parts, [bytes('x')]);
    await eventually('fault', () => parts.faults.length === 1);
    assert.is(parts.driver.get(0x70) & 0x40, 0x40);
  }
});

test.run();
