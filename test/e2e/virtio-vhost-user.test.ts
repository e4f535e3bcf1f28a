import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { duplicate } from '../../src/host/fd.js';
import { connectUnix } from '../../src/host/unix.js';
import { QemuError } from '../../src/system/errors.js';
import { deadline, eventually } from '../support/deadline.js';
import { threadMachine } from '../support/device-thread.js';
import { runEmulator } from '../support/emulator.js';
import { ModelGuest } from '../support/vsock-guest.js';

const test = suite('vhost-user-vsock with a back end in Python');
const CID = 4;

interface PeerEvent {
  event: string;
  request?: string;
  flags?: number;
  payload?: string;
  port?: number;
  cid?: number;
  got?: number;
  text?: string;
}

const directory = mkdtempSync(join(tmpdir(), 'nitro-emu-vhost-user-'));
const children = new Set<ChildProcess>();
let count = 0;
test.after.each(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
test.after(() => rmSync(directory, { recursive: true }));

const unavailable = await new Promise<string | undefined>((resolve) => {
  const child = spawn('python3', ['-c', 'import os; os.eventfd']);
  child.on('error', () => resolve('python3 is missing'));
  child.on('exit', (code) => resolve(code === 0 ? undefined : 'python3 has no os.eventfd'));
});

function it(name: string, work: () => Promise<void>): void {
  test(name, async () => (unavailable === undefined ? await work() : console.log(`SKIP ${unavailable}`)));
}

/** The back end. */
async function startPeer(...options: string[]) {
  const path = join(directory, `socket${count++}`);
  const child = spawn('python3', ['test/e2e/virtio/vhost_user_vsock.py', path, String(CID), ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  const events: PeerEvent[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line) as PeerEvent));
  await eventually('the back end', () => events.length > 0);
  const requests = () => events.flatMap(({ request }) => (request === undefined ? [] : [request]));
  return { path, events, requests, say: (line: string) => child.stdin.write(`${line}\n`) };
}

async function machine(...options: string[]) {
  const peer = await startPeer(...options);
  const stream = await deadline('connect', connectUnix({ path: peer.path }));
  const socket = duplicate(stream.fd);
  stream.destroy();
  const parts = await threadMachine([{ kind: 'vhost-user-vsock', socket }]);
  const [driver] = parts.drivers;
  if (driver === undefined) throw new Error('no driver');
  return { ...parts, peer, driver };
}

for (const option of ['ack', 'no-ack']) {
  it(`streams go both ways through the rings of another process (${option})`, async () => {
    const { peer, guest, driver, close, events } = await machine(option);
    const model = new ModelGuest({ driver, guest });
    assert.is(Buffer.from(driver.config(0, 8)).readBigUInt64LE(), BigInt(CID));
    // The back end offers no event index.
    assert.is(driver.features, (1n << 32n) | (1n << 28n));
    const data = randomBytes(300_000);
    const socket = model.connect(5000);
    socket.write(data);
    await eventually('the echo', () => socket.receivedBytes === data.length, 30_000);
    assert.ok(socket.received.equals(data));
    socket.finish();
    await eventually('the end', () => (socket.peerShut & 2) !== 0);
    socket.close();
    await eventually('closed', () => peer.events.some(({ event, got }) => event === 'closed' && got === data.length));
    const texts: string[] = [];
    model.listen(7000, (accepted) => {
      accepted.onData = (bytes) => texts.push(bytes.toString());
      accepted.write(Buffer.from('from the guest'));
    });
    peer.say('dial 7000 from the host');
    await eventually('data', () => texts.join('') === 'from the host');
    await eventually('answer', () => peer.events.some(({ text }) => text === 'from the guest'));
    const refused = model.connect(6000);
    await eventually('refused', () => refused.state === 'reset');
    assert.equal(events, []);
    model.stop();
    await close();
  });
}

it('requests come in the order in which QEMU makes them', async () => {
  const { peer, guest, driver, close } = await machine();
  const model = new ModelGuest({ driver, guest });
  await eventually('the start', () => peer.requests().filter((request) => request === 'SET_VRING_ENABLE').length === 2);
  const ring = ['SET_VRING_NUM', 'SET_VRING_BASE', 'SET_VRING_ADDR', 'SET_VRING_CALL', 'SET_VRING_KICK'];
  // Recorded of QEMU 7.2.22 with a Linux guest, less what it sends twice and the error eventfds.
  assert.equal(peer.requests(), [
    ...['GET_FEATURES', 'GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES', 'SET_OWNER', 'GET_CONFIG'],
    ...['SET_FEATURES', 'SET_MEM_TABLE', ...ring, ...ring, 'SET_VRING_ENABLE', 'SET_VRING_ENABLE'],
  ]);
  model.stop();
  await close();
});

it('a pause takes the rings back, and streams go on where they were', async () => {
  const { peer, guest, driver, thread, close } = await machine();
  const model = new ModelGuest({ driver, guest });
  const socket = model.connect(5000);
  socket.write(Buffer.from('one'));
  await eventually('echo', () => socket.receivedBytes === 3);
  for (const text of ['two', 'three']) {
    await thread.pause();
    assert.is(peer.requests().filter((request) => request === 'GET_VRING_BASE').length % 2, 0);
    const before = socket.receivedBytes;
    socket.write(Buffer.from(text));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(socket.receivedBytes, before);
    await thread.resume();
    await eventually('echo', () => socket.receivedBytes === before + text.length);
  }
  assert.is(socket.received.toString(), 'onetwothree');
  model.stop();
  await close();
});

it('a reset by the guest waits until the back end has let go of the rings', async () => {
  const { peer, guest, driver, thread, close } = await machine();
  for (let round = 1; round <= 3; round++) {
    // Probing begins with a reset.
    const model = new ModelGuest({ driver, guest });
    const socket = model.connect(5000);
    socket.write(Buffer.from('hello'));
    await eventually('echo', () => socket.receivedBytes === 5);
    model.stop();
    driver.put(0x70, 0);
    // The back end has answered; what it says of that is on its way.
    const taken = () => peer.requests().filter((request) => request === 'GET_VRING_BASE').length === 2 * round;
    await eventually('both rings', taken);
  }
  const model = new ModelGuest({ driver, guest });
  const socket = model.connect(5000);
  await eventually('open', () => socket.state === 'open');
  await thread.pause();
  await thread.reset();
  assert.is(driver.get(0x70), 0);
  model.stop();
  await close();
});

it('a back end that goes away stops the device for good', async () => {
  const { peer, guest, driver, events, close } = await machine();
  const model = new ModelGuest({ driver, guest });
  const socket = model.connect(5000);
  await eventually('open', () => socket.state === 'open');
  model.stop();
  peer.say('drop');
  await eventually('the fault', () => events.length > 0);
  const fault = { type: 'fault', device: 0, message: 'the vhost-user back end is lost: the connection was closed' };
  assert.equal(events, [fault]);
  assert.is(driver.get(0x70) & 0x40, 0x40);
  assert.is(driver.get(0x60) & 2, 2);
  driver.start({ queues: 3 });
  await eventually('another fault', () => events.length === 2);
  assert.equal(events[1], fault);
  await close();
});

const failures: [option: string, hint: RegExp][] = [
  ['no-config', /^the back end has no configuration space$/],
  ['garbage', /^a message with flags 0xffffffff instead of a reply$/],
  ['silent=GET_PROTOCOL_FEATURES', /^no reply to request 15 in 5000 ms$/],
  ['refuse=SET_OWNER', /^the back end refused request 3 \(status 1\)$/],
];
for (const [option, hint] of failures) {
  it(`a back end that does not follow the protocol is an error: ${option}`, async () => {
    try {
      await machine(option);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, QemuError);
      assert.is((error as QemuError).message, 'vhost-user-vsock: the back end cannot be used');
      assert.match((error as QemuError).hint ?? '', hint);
    }
  });
}

it('a back end that refuses the rings stops the device', async () => {
  const { guest, driver, events, close } = await machine('refuse=SET_MEM_TABLE');
  new ModelGuest({ driver, guest }).stop();
  await eventually('the fault', () => events.length > 0);
  assert.equal(events, [
    {
      type: 'fault',
      device: 0,
      message: 'the vhost-user back end is lost: the back end refused request 5 (status 1)',
    },
  ]);
  await close();
});

const kvmMissing = existsSync('/dev/kvm') ? undefined : '/dev/kvm is missing';

test("the machine takes QEMU's documented form, and its back end the CID", async () => {
  const missing = unavailable ?? kvmMissing;
  if (missing !== undefined) return console.log(`SKIP ${missing}`);
  const peer = await startPeer();
  const args = ['-M', 'nitro-enclave,vsock=c', '-kernel', 'test/guests/programs/hello.elf', '-nographic', '-m', '64M'];
  const chardev = ['-chardev', `socket,id=c,path=${peer.path}`];
  const started = () => eventually('the handshake', () => peer.requests().includes('GET_CONFIG'), 30_000);
  const { status, stderr } = await runEmulator([...args, '--enable-kvm', ...chardev, '-S'], { started });
  assert.equal([status, stderr], [0, 'qemu-system-x86_64: terminating on signal 15\n']);
  await eventually('the end', () => peer.events.at(-1)?.event === 'disconnected');
  assert.equal(peer.requests(), [
    ...['GET_FEATURES', 'GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES', 'SET_OWNER', 'GET_CONFIG'],
  ]);
});

test.run();
