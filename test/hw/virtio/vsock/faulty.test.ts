import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FaultBoard } from '../../../../src/attestation/faults.js';
import type { HostStream, HostStreamEvents } from '../../../../src/hw/virtio/vsock/backend.js';
import { openBackend } from '../../../../src/hw/virtio/vsock/backends.js';
import { FaultyBackend } from '../../../../src/hw/virtio/vsock/faulty.js';
import { HeartbeatBackend } from '../../../../src/hw/virtio/vsock/heartbeat.js';
import { eventually } from '../../../support/deadline.js';
import { ModelGuest, vsockMachine } from '../../../support/vsock-guest.js';

const test = suite('hw/virtio/vsock/faulty');

/** Sends back what it gets. */
class Echo implements HostStream {
  #events: HostStreamEvents | undefined;

  attach(events: HostStreamEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    this.#events?.data(bytes.slice());
    this.#events?.written(bytes.length);
  }

  end(): void {
    this.#events?.end();
  }

  pause(): void {}

  resume(): void {}

  release(): void {
    this.destroy();
  }

  destroy(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.closed(false);
  }
}

function machine() {
  const faults = new FaultBoard();
  const beats: number[] = [];
  const inner = { connect: async () => new Echo(), listen: async () => {}, close: () => {} };
  const echo = vsockMachine(new FaultyBackend(inner, faults));
  const heartbeat = new HeartbeatBackend(openBackend(undefined), (byte) => beats.push(byte));
  const beating = vsockMachine(new FaultyBackend(heartbeat, faults));
  const guests = [new ModelGuest(echo), new ModelGuest(beating)] as const;
  const stop = () => {
    for (const guest of guests) guest.stop();
  };
  return { faults, beats, echo, guest: guests[0], beating: guests[1], stop };
}

test('without a fault streams are what they are', async () => {
  const { beats, guest, beating, stop } = machine();
  const socket = guest.connect(5000);
  socket.write(Buffer.from('hello'));
  await eventually('the echo', () => socket.received.length === 5);
  const beat = beating.connect(9000);
  beat.write(Uint8Array.of(0xb7));
  await eventually('the heartbeat', () => beat.received.length === 1);
  assert.equal(beats, [0xb7]);
  stop();
});

test('vsock-reset refuses the next connection', async () => {
  const { faults, guest, stop } = machine();
  faults.set('vsock-reset', undefined, 1);
  const refused = guest.connect(5000);
  await eventually('the reset', () => refused.state === 'reset');
  const open = guest.connect(5000);
  await eventually('the next one', () => open.state === 'open');
  stop();
});

test('vsock-reset resets an open connection when the guest sends', async () => {
  const { faults, echo, guest, stop } = machine();
  const socket = guest.connect(5000);
  socket.write(Buffer.from('one'));
  await eventually('the echo', () => socket.received.length === 3);
  faults.set('vsock-reset', undefined, 1);
  socket.write(Buffer.from('two'));
  await eventually('the reset', () => socket.state === 'reset');
  assert.is(socket.received.length, 3);
  await eventually('the end', () => echo.muxer.size.connections + echo.muxer.size.lingering === 0);
  stop();
});

test('heartbeat-lost leaves the heartbeat without an answer, and other ports alone', async () => {
  const { faults, beats, guest, beating, stop } = machine();
  faults.set('heartbeat-lost');
  const lost = beating.connect(9000);
  lost.write(Uint8Array.of(0xb7));
  const other = guest.connect(5000);
  other.write(Uint8Array.of(1));
  await eventually('the echo', () => other.received.length === 1);
  await eventually('the connection', () => lost.state === 'open');
  faults.off('heartbeat-lost');
  const beat = beating.connect(9000);
  beat.write(Uint8Array.of(0xb7));
  await eventually('the heartbeat', () => beat.received.length === 1);
  assert.is(lost.received.length, 0);
  assert.equal(beats, [0xb7]);
  lost.close();
  stop();
});

test.run();
