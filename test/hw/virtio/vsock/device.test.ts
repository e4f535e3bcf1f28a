import { createHash, randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { VsockDestination } from '../../../../src/hw/virtio/vsock/backend.js';
import { DuplexHostStream } from '../../../../src/hw/virtio/vsock/host-stream.js';
import type { MuxerLimits } from '../../../../src/hw/virtio/vsock/muxer.js';
import { eventually } from '../../../support/deadline.js';
import { type GuestSocket, ModelGuest, packetBytes, RawVsock, vsockMachine } from '../../../support/vsock-guest.js';

const test = suite('hw/virtio/vsock/device');

/** The two ends of a pair of streams, each of which may be half closed. */
function streamPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: () => Duplex | undefined): Duplex => {
    let go: (() => void) | undefined;
    const end = new Duplex({
      allowHalfOpen: true,
      highWaterMark: 16_384,
      read: () => {
        const next = go;
        go = undefined;
        next?.();
      },
      write: (chunk, _, done) => {
        const peer = other();
        if (peer === undefined || peer.destroyed) done(new Error('EPIPE'));
        else if (peer.push(chunk)) done();
        else waiters.set(peer, done);
      },
      final: (done) => {
        other()?.push(null);
        done();
      },
      destroy: (error, done) => {
        const peer = other();
        if (peer !== undefined && !peer.destroyed && !end.writableFinished) peer.push(null);
        done(error);
      },
    });
    const read = end._read.bind(end);
    end._read = (size) => {
      read(size);
      const done = waiters.get(end);
      waiters.delete(end);
      done?.();
    };
    return end;
  };
  const waiters = new Map<Duplex, () => void>();
  ends.push(
    make(() => ends[1]),
    make(() => ends[0]),
  );
  const [a, b] = ends;
  if (a === undefined || b === undefined) throw new Error('no pair');
  return [a, b];
}

/** A backend that accepts ports below 9000 and gives the test the far ends. */
function machine(limits: Partial<MuxerLimits> = {}) {
  const accepted: { to: VsockDestination; peer: Duplex }[] = [];
  const parts = vsockMachine(
    {
      connect: async (to) => {
        if (to.port >= 9000) throw new Error('nobody listens');
        const [near, peer] = streamPair();
        accepted.push({ to, peer });
        return new DuplexHostStream(near);
      },
    },
    limits,
  );
  return { ...parts, accepted };
}

function collect(stream: Duplex): { hash: () => string; bytes: number; ended: boolean } {
  const sum = createHash('sha256');
  const state = { hash: () => sum.copy().digest('hex'), bytes: 0, ended: false };
  stream.on('data', (data: Buffer) => {
    sum.update(data);
    state.bytes += data.length;
  });
  stream.on('end', () => {
    state.ended = true;
  });
  return state;
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

test('a guest connects to CID 3, 2 and 1 and the answers come from there', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts);
  for (const cid of [3n, 2n, 1n]) {
    const socket = guest.connect(5000, cid);
    await eventually('open', () => socket.state === 'open');
    const far = parts.accepted.at(-1);
    assert.equal([far?.to.cid, far?.to.port, far?.to.guestPort], [Number(cid), 5000, socket.port]);
    far?.peer.write('from the host');
    socket.write(Buffer.from('from the guest'));
    await eventually('data', () => socket.received.toString() === 'from the host');
    const answer = await eventually('data', () => far?.peer.read() as Buffer | null | undefined);
    assert.is(String(answer), 'from the guest');
  }
  guest.stop();
});

test('where nobody listens the guest is refused', async () => {
  const guest = new ModelGuest(machine());
  const socket = guest.connect(9000);
  await eventually('reset', () => socket.state === 'reset');
  guest.stop();
});

test('the host connects to a guest port, from CID 3 and a port of 2^30 or more', async () => {
  const { muxer, ...parts } = machine();
  const guest = new ModelGuest(parts);
  const sockets: GuestSocket[] = [];
  guest.listen(7000, (socket) => sockets.push(socket));
  const [near, peer] = streamPair();
  let hostPort = 0;
  muxer.dial(7000, new DuplexHostStream(near), (port) => {
    hostPort = port;
  });
  const socket = await eventually('accept', () => sockets[0]);
  assert.is(socket.peer.cid, 3n);
  await eventually('opened', () => hostPort === socket.peer.port && hostPort >= 2 ** 30);
  peer.write('hello');
  await eventually('data', () => socket.received.toString() === 'hello');
  guest.stop();
});

test('a host connection to a port without listener is closed', async () => {
  const { muxer, ...parts } = machine();
  const guest = new ModelGuest(parts);
  const [near, peer] = streamPair();
  muxer.dial(7001, new DuplexHostStream(near));
  const state = collect(peer);
  await eventually('end', () => state.ended);
  assert.equal(muxer.size, { connections: 0, lingering: 0 });
  guest.stop();
});

test('a guest that does not answer loses the connection after the time limit', async () => {
  const { muxer, ...parts } = machine({ requestMs: 50 });
  const raw = new RawVsock(parts);
  const [near, peer] = streamPair();
  muxer.dial(7000, new DuplexHostStream(near));
  const state = collect(peer);
  await eventually('end', () => state.ended);
  const ops: number[] = [];
  await eventually('packets', () => {
    ops.push(...raw.receive().map(({ op }) => op));
    return ops.length > 1;
  });
  assert.equal(ops, [1, 3]);
});

test('megabytes pass both ways at once between slow readers, unchanged', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts, { bufAlloc: 65_536 });
  const socket = guest.connect(5000);
  const far = await eventually('accept', () => parts.accepted[0]);
  const down = randomBytes(3_000_000);
  const up = randomBytes(2_000_000);
  socket.stuck = true;
  far.peer.end(down);
  socket.write(up);
  socket.finish();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.is(far.peer.destroyed, false);
  socket.stuck = false;
  const state = collect(far.peer);
  await eventually('guest end', () => (socket.peerShut & 2) !== 0 && socket.receivedBytes === down.length, 60_000);
  await eventually('host end', () => state.ended, 60_000);
  assert.is(sha256(socket.received), sha256(down));
  assert.is(state.hash(), sha256(up));
  socket.close();
  await eventually('closed', () => parts.muxer.size.connections === 0);
  assert.equal(parts.faults, []);
  guest.stop();
});

test('half closes: each side may finish first and still receive', async () => {
  for (const first of ['guest', 'host']) {
    const parts = machine();
    const guest = new ModelGuest(parts);
    const socket = guest.connect(5000);
    const far = await eventually('accept', () => parts.accepted[0]);
    const state = collect(far.peer);
    await eventually('open', () => socket.state === 'open');
    if (first === 'guest') {
      socket.write(Buffer.from('question'));
      socket.finish();
      await eventually('end', () => state.ended);
      far.peer.end('answer');
      await eventually('answer', () => socket.received.toString() === 'answer' && (socket.peerShut & 2) !== 0);
    } else {
      far.peer.end('question');
      await eventually('question', () => socket.received.toString() === 'question' && (socket.peerShut & 2) !== 0);
      socket.write(Buffer.from('answer'));
      socket.finish();
      await eventually('end', () => state.ended && state.bytes === 6);
    }
    guest.stop();
  }
});

test('what a guest wrote before it closed reaches a host that reads later', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts);
  const socket = guest.connect(5000);
  const far = await eventually('accept', () => parts.accepted[0]);
  await eventually('open', () => socket.state === 'open');
  const data = randomBytes(200_000);
  socket.write(data);
  await eventually('sent', () => socket.outgoing.length === 0);
  socket.close();
  // Linux forgets the socket after 8 s and resets the connection.
  socket.transmit(3);
  await eventually('forgotten', () => parts.muxer.size.connections === 0);
  assert.is(parts.muxer.size.lingering, 1);
  const state = collect(far.peer);
  await eventually('end', () => state.ended);
  assert.is(state.hash(), sha256(data));
  await eventually('released', () => parts.muxer.size.lingering === 0);
  guest.stop();
});

test('a stream that stands still with what is left is given up', async () => {
  const parts = machine({ lingerMs: 50 });
  const guest = new ModelGuest(parts);
  const socket = guest.connect(5000);
  await eventually('open', () => socket.state === 'open');
  socket.write(randomBytes(200_000));
  await eventually('sent', () => socket.outgoing.length === 0);
  socket.close();
  socket.transmit(3);
  await eventually('given up', () => parts.muxer.size.connections === 0 && parts.muxer.size.lingering === 0);
  guest.stop();
});

test('a stuck peer does not stall another, on either side', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts);
  const stuckGuest = guest.connect(5000);
  stuckGuest.stuck = true;
  const stuckHost = guest.connect(5001);
  const good = guest.connect(5002);
  await eventually('open', () => good.state === 'open' && stuckHost.state === 'open');
  const [a, , c] = await eventually('accept', () => parts.accepted.length === 3 && parts.accepted);
  a?.peer.write(randomBytes(1_000_000));
  stuckHost.write(randomBytes(1_000_000));
  const data = randomBytes(1_000_000);
  c?.peer.write(data);
  good.write(data);
  const state = c === undefined ? undefined : collect(c.peer);
  await eventually('both ways', () => good.receivedBytes === data.length && state?.bytes === data.length, 60_000);
  assert.is(state?.hash(), sha256(data));
  guest.stop();
});

test('connections beyond the limit are refused, and there is room again after a close', async () => {
  const parts = machine({ connections: 3 });
  const guest = new ModelGuest(parts);
  const sockets = [1, 2, 3].map((port) => guest.connect(port));
  await eventually('open', () => sockets.every(({ state }) => state === 'open'));
  const fourth = guest.connect(4);
  await eventually('refused', () => fourth.state === 'reset');
  sockets[0]?.close();
  await eventually('closed', () => parts.muxer.size.connections + parts.muxer.size.lingering === 2);
  const fifth = guest.connect(5);
  await eventually('open', () => fifth.state === 'open');
  guest.stop();
});

test('a peer that closes both ways ends the connection of a silent guest', async () => {
  const parts = machine({ shutdownMs: 50 });
  const raw = new RawVsock(parts);
  raw.send(packetBytes({ ...addresses, type: 1, op: 1, flags: 0, bufAlloc: 1000, fwdCnt: 0 }, Buffer.alloc(0)));
  const far = await eventually('accept', () => parts.accepted[0]);
  far.peer.end('x');
  raw.send(packetBytes({ ...addresses, type: 1, op: 4, flags: 2, bufAlloc: 1000, fwdCnt: 0 }, Buffer.alloc(0)));
  const packets: [number, number][] = [];
  await eventually('reset', () => {
    for (const { op, flags } of raw.receive()) packets.push([op, flags]);
    return packets.at(-1)?.[0] === 3;
  });
  assert.equal(
    [packets[0], packets[1], packets.at(-2)],
    [
      [2, 0],
      [5, 0],
      [4, 3],
    ],
  );
  assert.is(parts.muxer.size.connections, 0);
});

const addresses = { srcCid: 4n, dstCid: 3n, srcPort: 1234, dstPort: 5000 };

test('packets of no connection get a RST with the addresses swapped, a RST gets nothing', async () => {
  const raw = new RawVsock(machine());
  const quiet = { bufAlloc: 0, fwdCnt: 0, flags: 0, type: 1 };
  const send = (packet: object) =>
    raw.send(packetBytes({ ...addresses, ...quiet, op: 5, ...packet }, Buffer.from('data')));
  const reply = async () => (await eventually('packet', () => raw.receive()[0])) as object;
  for (const op of [2, 4, 5, 6, 7, 99]) {
    send({ op });
    const {
      srcCid,
      srcPort,
      dstCid,
      dstPort,
      op: answer,
      ...rest
    } = (await reply()) as ReturnType<typeof raw.receive>[0];
    assert.equal([srcCid, srcPort, dstCid, dstPort, answer, rest.type], [3n, 5000, 4n, 1234, 3, 1]);
  }
  send({ type: 2, op: 1 });
  assert.equal(((await reply()) as { op: number; type: number }).op, 3);
  send({ dstCid: 77n, op: 1 });
  assert.equal(((await reply()) as { op: number; srcCid: bigint }).srcCid, 77n);
  send({ op: 3 });
  send({ srcCid: 5n, op: 1 });
  send({ srcCid: 2n ** 32n + 4n, op: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(raw.receive(), []);
});

test('packets that lie about their length are dropped', async () => {
  const { traced, accepted, ...parts } = machine();
  const raw = new RawVsock(parts);
  const request = packetBytes({ ...addresses, type: 1, op: 1, flags: 0, bufAlloc: 0, fwdCnt: 0 }, Buffer.alloc(0));
  raw.send(request.subarray(0, 43));
  raw.send(packetBytes({ ...addresses, type: 1, op: 1, flags: 0, bufAlloc: 0, fwdCnt: 0, len: 1 }, Buffer.alloc(0)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(accepted.length, 0);
  assert.equal(traced, ['packet shorter than its header', 'packet longer than its buffers']);
});

test('a guest that sends more than its credit is reset', async () => {
  const parts = machine({ receiveBuffer: 1000 });
  const raw = new RawVsock(parts);
  const packet = (op: number, payload = Buffer.alloc(0)) =>
    raw.send(packetBytes({ ...addresses, type: 1, op, flags: 0, bufAlloc: 1000, fwdCnt: 0 }, payload));
  packet(1);
  await eventually('response', () => raw.receive()[0]?.op === 2);
  packet(5, Buffer.alloc(1001));
  await eventually('reset', () => raw.receive()[0]?.op === 3);
  assert.is(parts.muxer.size.connections, 0);
});

test('a receive buffer too small for a packet stops the device', async () => {
  const { driver, faults, muxer } = machine();
  driver.start({ queues: 3 });
  driver.queue(0).add('', [], [44]);
  driver.kick(0);
  const [near] = streamPair();
  muxer.dial(1, new DuplexHostStream(near));
  await eventually('fault', () => faults.length === 1);
  assert.is(driver.get(0x70) & 0x40, 0x40);
  near.destroy();
});

test('a device reset drops every connection', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts);
  const socket = guest.connect(5000);
  await eventually('open', () => socket.state === 'open');
  guest.stop();
  const far = await eventually('accept', () => parts.accepted[0]);
  const state = collect(far.peer);
  parts.driver.put(0x70, 0);
  await eventually('end', () => state.ended);
  assert.equal(parts.muxer.size, { connections: 0, lingering: 0 });
  const again = new ModelGuest(parts);
  const second = again.connect(5000);
  await eventually('open', () => second.state === 'open');
  again.stop();
});

test('a transport reset drops connections, changes the CID and tells the guest', async () => {
  const parts = machine();
  const guest = new ModelGuest(parts);
  const socket = guest.connect(5000);
  await eventually('open', () => socket.state === 'open');
  parts.device.transportReset(77);
  assert.is(guest.raw.events(), 1);
  assert.equal([...parts.driver.config(0, 8)], [77, 0, 0, 0, 0, 0, 0, 0]);
  assert.is(parts.muxer.size.connections, 0);
  guest.stop();
});

test('the features are those of the transport: no SEQPACKET', () => {
  const { driver } = machine();
  driver.start({ features: 0xffffffffn, queues: 3 });
  assert.is(driver.features, (1n << 32n) | (1n << 28n) | (1n << 29n));
  assert.equal([...driver.config(0, 8)], [4, 0, 0, 0, 0, 0, 0, 0]);
});

test.run();
