import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VhostUserFrontEnd } from '../../../../src/hw/virtio/vhost-user/front-end.js';
import { deadline } from '../../../support/deadline.js';

const test = suite('hw/virtio/vhost-user/front-end');

/** A back end that answers as `answer` says, and keeps what it was sent. */
function session(answer: (request: number, payload: Buffer) => Buffer | undefined) {
  const sent: { request: number; flags: number; payload: Buffer; fds: readonly number[] }[] = [];
  const lost: string[] = [];
  let destroyed = 0;
  const frontEnd: VhostUserFrontEnd = new VhostUserFrontEnd(
    {
      send: (bytes, fds) => {
        const message = Buffer.from(bytes);
        const payload = message.subarray(12);
        const request = message.readUInt32LE(0);
        sent.push({ request, flags: message.readUInt32LE(4), payload, fds });
        const reply = answer(request, payload);
        if (reply !== undefined) queueMicrotask(() => frontEnd.receive(framed(request, reply)));
      },
      destroy: () => {
        destroyed += 1;
      },
    },
    ({ message }) => lost.push(message),
  );
  return { frontEnd, sent, lost, destroyed: () => destroyed };
}

function framed(request: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(request, 0);
  header.writeUInt32LE(5, 4);
  header.writeUInt32LE(payload.length, 8);
  return Buffer.concat([header, payload]);
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** Features with protocol features; protocol features CONFIG and others. */
const usual = (request: number, payload: Buffer): Buffer | undefined => {
  if (request === 1) return u64((1n << 32n) | (1n << 30n) | 1n);
  if (request === 15) return u64(0xffffn & ~(1n << 3n));
  if (request === 11) return Buffer.concat([payload.subarray(0, 4), Buffer.from([7, 0, 0, 0])]);
  return undefined;
};

const ring = (index: number) => ({
  ...{ index, size: 128, base: 9, kick: 20 + index, call: 30 + index },
  addresses: { desc: 1n, used: 2n, avail: 3n },
});

test('only what this side knows is negotiated, and nothing is acknowledged that was not agreed on', async () => {
  const { frontEnd, sent, lost } = session(usual);
  assert.is(await deadline('connect', frontEnd.connect()), (1n << 32n) | 1n);
  const memory = [{ guestAddress: 0n, size: 4096n, userAddress: 0x1000n, offset: 0n }];
  await deadline('start', frontEnd.start(1n << 32n, memory, [40], [ring(0), ring(1)]));
  assert.is(await deadline('stop', frontEnd.stop(1)), 7);
  assert.equal(
    sent.map(({ request }) => request),
    [1, 15, 16, 3, 2, 5, 8, 10, 9, 13, 12, 8, 10, 9, 13, 12, 18, 18, 11],
  );
  assert.ok(sent.every(({ flags }) => flags === 1));
  assert.equal(sent[2]?.payload, u64(1n << 9n));
  assert.equal(sent[4]?.payload, u64((1n << 32n) | (1n << 30n)));
  assert.equal(
    sent.flatMap(({ fds }) => fds),
    [40, 30, 20, 31, 21],
  );
  assert.equal(lost, []);
});

test('a session that has failed fails every request, tells it once and closes the channel', async () => {
  const { frontEnd, lost, destroyed } = session(() => undefined);
  const connecting = frontEnd.connect().catch((error: Error) => error.message);
  frontEnd.fail(new Error('gone'));
  frontEnd.fail(new Error('gone again'));
  assert.is(await deadline('connect', connecting), 'gone');
  assert.is(
    await deadline(
      'stop',
      frontEnd.stop(0).catch((error: Error) => error.message),
    ),
    'gone',
  );
  frontEnd.receive(Buffer.from('late'));
  assert.equal(lost, ['gone']);
  assert.is(destroyed(), 1);
});

test('a reply to nothing, or to something else, ends the session', async () => {
  const unasked = session(usual);
  unasked.frontEnd.receive(framed(1, u64(0n)));
  assert.equal(unasked.lost, ['a reply to request 1, which was not made']);
  const other = session(() => undefined);
  const connecting = other.frontEnd.connect().catch((error: Error) => error.message);
  other.frontEnd.receive(framed(15, u64(0n)));
  assert.is(await deadline('connect', connecting), 'a reply to request 15 instead of 1');
  assert.is(other.destroyed(), 1);
});

test('a back end without protocol features is of no use', async () => {
  const { frontEnd } = session((request) => (request === 1 ? u64(1n << 32n) : undefined));
  const message = await deadline(
    'connect',
    frontEnd.connect().catch((error: Error) => error.message),
  );
  assert.is(message, 'the back end has no protocol features');
});

test.run();
