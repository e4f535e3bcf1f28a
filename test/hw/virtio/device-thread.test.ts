import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventfd, eventfdAdd } from '../../../src/host/fd.js';
import type { DeviceKind } from '../../../src/hw/virtio/device-plan.js';
import { Doorbell } from '../../../src/system/doorbell.js';
import { QemuError } from '../../../src/system/errors.js';
import { deadline, eventually } from '../../support/deadline.js';
import { threadMachine } from '../../support/device-thread.js';
import type { MmioDriver, UsedBuffer } from '../../support/virtio-driver.js';
import { ModelGuest } from '../../support/vsock-guest.js';

const test = suite('hw/virtio/device-thread');

const rng: DeviceKind = { kind: 'rng' };
const nsm: DeviceKind = {
  kind: 'nsm',
  mind: {
    moduleId: 'i-234-enc5678',
    strict: false,
    pcrs: new Map([[3, new Uint8Array(48).fill(7)]]),
    locked: 16,
    attester: { mode: 'unsigned' },
  },
};
const vsock: DeviceKind = { kind: 'vsock', guestCid: 4, heartbeat: true };

type Machine = Awaited<ReturnType<typeof threadMachine>>;

function first({ drivers }: Machine): MmioDriver {
  const [driver] = drivers;
  if (driver === undefined) throw new Error('no driver');
  return driver;
}

/** One command of the NSM, as Linux's driver sends it. */
async function ask(driver: MmioDriver, hex: string): Promise<string> {
  const queue = driver.queue(0);
  queue.add('request', [Buffer.from(hex, 'hex')], []);
  queue.add('response', [], [0x3000]);
  driver.kick(0);
  const used: UsedBuffer[] = [];
  await eventually('the response', () => {
    used.push(...queue.takeAll());
    return used.length === 2;
  });
  return Buffer.from(used[1]?.bytes ?? []).toString('hex');
}

test('each device is served, and the interrupt is its own', async () => {
  const machine = await threadMachine([vsock, nsm, rng]);
  const [socketDriver, nsmDriver, rngDriver] = machine.drivers;
  if (socketDriver === undefined || nsmDriver === undefined || rngDriver === undefined) throw new Error('no drivers');
  rngDriver.start();
  rngDriver.queue(0).add('', [], [64]);
  rngDriver.kick(0);
  const random = await eventually('random bytes', () => rngDriver.queue(0).take());
  assert.is(random.length, 64);
  assert.ok(random.bytes.some((byte) => byte !== 0));
  assert.is(machine.irqs.take().edges, 1 << 7);
  nsmDriver.start();
  // spec nsm.md, section 6: DescribeNSM.
  const described = Buffer.from(await ask(nsmDriver, '6b44657363726962654e534d'), 'hex').toString('latin1');
  assert.match(described, 'i-234-enc5678');
  assert.is(machine.irqs.take().edges, 1 << 6);
  const guest = new ModelGuest({ driver: socketDriver, guest: machine.guest });
  const socket = guest.connect(9000);
  socket.write(Uint8Array.of(0xb7));
  await eventually('the heartbeat', () => socket.receivedBytes === 1);
  assert.equal(machine.events, [{ type: 'heartbeat', device: 0, byte: 0xb7 }]);
  guest.stop();
  await machine.close();
});

test('state tells rings, connections and registers of the NSM', async () => {
  const machine = await threadMachine([vsock, nsm]);
  const guest = new ModelGuest({ driver: first(machine), guest: machine.guest });
  const socket = guest.connect(9000);
  await eventually('open', () => socket.state === 'open');
  const [vsockState, nsmState] = await machine.thread.state();
  assert.equal(vsockState?.vsock, { guestCid: 4, connections: 1, lingering: 0 });
  assert.equal(vsockState?.queues[1], { avail: 1, used: 1, inFlight: 0 });
  assert.equal(nsmState?.queues, [undefined]);
  assert.equal([...(nsmState?.pcrs?.[3]?.value ?? [])], Array(48).fill(7));
  assert.equal(
    nsmState?.pcrs?.map(({ locked }) => locked),
    Array.from({ length: 32 }, (_, i) => i < 16),
  );
  guest.stop();
  await machine.close();
});

test('nothing is served while paused, and all that waits afterwards', async () => {
  const machine = await threadMachine([rng], { resume: false });
  const driver = first(machine);
  driver.start();
  driver.queue(0).add('', [], [8]);
  driver.kick(0);
  await machine.thread.state();
  assert.is(driver.queue(0).take(), undefined);
  await machine.thread.resume();
  await eventually('random bytes', () => driver.queue(0).take());
  await machine.thread.pause();
  driver.queue(0).add('', [], [8]);
  driver.kick(0);
  await machine.thread.state();
  assert.is(driver.queue(0).take(), undefined);
  await machine.close();
});

test('a reset of the machine brings every device back to power-on', async () => {
  const machine = await threadMachine([nsm]);
  const driver = first(machine);
  driver.start();
  // ExtendPCR 16, then LockPCR 16 (spec nsm.md, section 6).
  await ask(driver, 'a169457874656e64504352a265696e64657810646461746143010203');
  await ask(driver, 'a1674c6f636b504352a165696e64657810');
  const pcr = async () => (await machine.thread.state())[0]?.pcrs?.[16];
  assert.is((await pcr())?.locked, true);
  await machine.thread.pause();
  await machine.thread.reset();
  assert.equal(await pcr(), { value: new Uint8Array(48), locked: false });
  assert.is(driver.get(0x70), 0);
  await machine.thread.resume();
  driver.start();
  assert.match(await ask(driver, '6b44657363726962654e534d'), /^a16b/);
  await machine.close();
});

test('a guest that gets another CID loses its connections and is told', async () => {
  const machine = await threadMachine([vsock]);
  const driver = first(machine);
  const guest = new ModelGuest({ driver, guest: machine.guest });
  const socket = guest.connect(9000);
  await eventually('open', () => socket.state === 'open');
  guest.stop();
  await machine.thread.setGuestCid(0, 77);
  assert.is(guest.raw.events(), 1);
  assert.is(Buffer.from(driver.config(0, 8)).readBigUInt64LE(), 77n);
  const [state] = await machine.thread.state();
  assert.equal(state?.vsock, { guestCid: 77, connections: 0, lingering: 0 });
  await machine.close();
});

test('an eventfd stands for a notification', async () => {
  const fd = eventfd();
  const machine = await threadMachine([{ ...rng, notifiers: [{ queue: 0, eventfd: fd }] }]);
  const driver = first(machine);
  driver.start();
  for (let i = 0; i < 3; i++) {
    driver.queue(0).add('', [], [8]);
    eventfdAdd(fd);
    await eventually('random bytes', () => driver.queue(0).take());
  }
  await machine.close();
});

test('a rope may be asked for while the thread runs', async () => {
  const machine = await threadMachine([rng]);
  const driver = first(machine);
  driver.start();
  const bell = new Doorbell(machine.thread.rope());
  driver.queue(0).add('', [], [8]);
  machine.registers[0]?.notify(0);
  bell.ring();
  await eventually('random bytes', () => driver.queue(0).take());
  await machine.close();
});

test('what the guest breaks is told, a flood of it is not', async () => {
  const machine = await threadMachine([rng]);
  const driver = first(machine);
  driver.start();
  driver.guest.put16(driver.queue(0).ring.avail + 2, 9);
  driver.put(0x50, 0);
  await eventually('the fault', () => machine.events.length > 0);
  assert.equal(machine.events[0], { type: 'fault', device: 0, message: '9 chains made available in a queue of 8' });
  assert.is((await machine.thread.state())[0]?.faults, 1);
  await machine.close();
});

test('an address that cannot be had is an error of start()', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-device-thread-'));
  const backend = { kind: 'unix', path: join(directory, 'no', 'socket') } as const;
  try {
    await deadline('start', threadMachine([{ ...vsock, backend }]));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, QemuError);
    assert.match(String(error), /^QemuError: Failed to bind socket to .*\/no\/socket: ./);
  }
  rmSync(directory, { recursive: true });
});

test('closing drops connections and ends the thread, also when called twice', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => {})));
  await deadline('listen', new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  const { port } = server.address() as AddressInfo;
  const connects = new Map([[5000, { host: '127.0.0.1', port }]]);
  const machine = await threadMachine([{ ...vsock, backend: { kind: 'tcp', listens: [], connects } }]);
  const guest = new ModelGuest({ driver: first(machine), guest: machine.guest });
  guest.connect(5000);
  const socket = await eventually('the connection', () => sockets[0]);
  const closed = new Promise((resolve) => socket.resume().once('close', resolve));
  await deadline('close', Promise.all([machine.close(), machine.thread.close()]), 1_500);
  await deadline('the end of the connection', closed);
  guest.stop();
  server.close();
  assert.equal(machine.failures, []);
});

test.run();
