import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HostStream, VsockBackend } from '../../../../src/hw/virtio/vsock/backend.js';
import { openBackend } from '../../../../src/hw/virtio/vsock/backends.js';
import { HeartbeatBackend } from '../../../../src/hw/virtio/vsock/heartbeat.js';
import { eventually } from '../../../support/deadline.js';
import { ModelGuest, vsockMachine } from '../../../support/vsock-guest.js';

const test = suite('hw/virtio/vsock/heartbeat');

function machine(inner: VsockBackend = openBackend(undefined)) {
  const beats: number[] = [];
  const parts = vsockMachine(new HeartbeatBackend(inner, (byte) => beats.push(byte)));
  return { beats, parts, guest: new ModelGuest(parts) };
}

const inert: HostStream = {
  attach: () => {},
  write: () => {},
  end: () => {},
  pause: () => {},
  resume: () => {},
  release: () => {},
  destroy: () => {},
};

test('the first byte on port 9000 comes back, then the end', async () => {
  const { beats, parts, guest } = machine();
  const socket = guest.connect(9000);
  socket.write(Uint8Array.of(0xb7, 1, 2));
  await eventually('answer', () => (socket.peerShut & 2) !== 0);
  assert.equal([...socket.received], [0xb7]);
  assert.equal(beats, [0xb7]);
  socket.close();
  await eventually('closed', () => parts.muxer.size.connections + parts.muxer.size.lingering === 0);
  const refused = guest.connect(9001);
  await eventually('refused', () => refused.state === 'reset');
  guest.stop();
});

test("a backend that takes the port answers instead, and a backend's other ports are its own", async () => {
  const taken: number[] = [];
  const connect: VsockBackend['connect'] = async ({ port }) => {
    taken.push(port);
    if (port === 1) throw new Error('no');
    return inert;
  };
  const { beats, guest } = machine({ connect, listen: async () => {}, close: () => {} });
  const sockets = [9000, 2].map((port) => guest.connect(port));
  await eventually('open', () => sockets.every(({ state }) => state === 'open'));
  const refused = guest.connect(1);
  await eventually('refused', () => refused.state === 'reset');
  assert.equal(taken, [9000, 2, 1]);
  assert.equal(beats, []);
  guest.stop();
});

test('a backend that refuses port 9000 leaves it to the heartbeat', async () => {
  const connect = async () => {
    throw new Error('nobody');
  };
  const { beats, guest } = machine({ connect, listen: async () => {}, close: () => {} });
  const socket = guest.connect(9000);
  socket.write(Uint8Array.of(0xb7));
  await eventually('answer', () => socket.receivedBytes === 1);
  assert.equal(beats, [0xb7]);
  guest.stop();
});

test('a backend that does not answer in time leaves it to the heartbeat, and its late stream is closed', async () => {
  let destroyed = false;
  let resolve: ((stream: HostStream) => void) | undefined;
  const connect = () =>
    new Promise<HostStream>((done) => {
      resolve = done;
    });
  const { beats, guest } = machine({ connect, listen: async () => {}, close: () => {} });
  const socket = guest.connect(9000);
  socket.write(Uint8Array.of(0xb7));
  await eventually('answer', () => socket.receivedBytes === 1);
  assert.equal(beats, [0xb7]);
  resolve?.({
    ...inert,
    destroy: () => {
      destroyed = true;
    },
  });
  await eventually('closed', () => destroyed);
  guest.stop();
});

test.run();
