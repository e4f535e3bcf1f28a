import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  configRequest,
  encodeRequest,
  memTable,
  ReplyReader,
  readConfig,
  readU64,
  readVringState,
  u64,
  VhostUserError,
  vringAddr,
  vringState,
} from '../../../../src/hw/virtio/vhost-user/message.js';

const test = suite('hw/virtio/vhost-user/message');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('requests are those that QEMU 7.2.22 was seen to send', () => {
  const seen: [Uint8Array, string][] = [
    [u64(0x150000000n), '0000005001000000'],
    [vringState(1, 0x400), '0100000000040000'],
    [configRequest(8), '0000000008000000000000000000000000000000'],
    [
      memTable([
        { guestAddress: 0n, size: 0xf0000n, userAddress: 0x7fde9bfff000n, offset: 0n },
        { guestAddress: 0x100000n, size: 0xff00000n, userAddress: 0x7fde9c0ff000n, offset: 0x100000n },
      ]),
      `0200000000000000${'0000000000000000'}00000f000000000000f0ff9bde7f00000000000000000000` +
        `00001000000000000000f00f0000000000f00f9cde7f00000000100000000000`,
    ],
  ];
  for (const [bytes, expected] of seen) assert.is(hex(bytes), expected);
  // Less the log address, which nobody reads without VHOST_VRING_F_LOG.
  const addresses = { desc: 0x7fde9c2bf000n, used: 0x7fde9c2c4000n, avail: 0x7fde9c2c3000n };
  assert.is(
    hex(vringAddr(0, addresses)).slice(0, 64),
    '000000000000000000f02b9cde7f000000402c9cde7f000000302c9cde7f0000',
  );
  assert.is(hex(encodeRequest('getFeatures', new Uint8Array(0), false)), '010000000100000000000000');
  assert.is(hex(encodeRequest('setMemTable', new Uint8Array(2), true)), '0500000009000000020000000000');
});

const reply = fc.record({ request: fc.nat(40), payload: fc.uint8Array({ maxLength: 60 }) });
const encoded = ({ request, payload }: { request: number; payload: Uint8Array }) => {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(request, 0);
  header.writeUInt32LE(5, 4);
  header.writeUInt32LE(payload.length, 8);
  return Buffer.concat([header, payload]);
};

test('replies come out of a stream that is cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 })), (replies, cuts) => {
      const reader = new ReplyReader();
      const stream = Buffer.concat(replies.map(encoded));
      const seen = [];
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        seen.push(...reader.push(stream.subarray(at, at + cut)));
        at += cut;
      }
      assert.equal(
        seen.map(({ request, payload }) => [request, hex(payload)]),
        replies.map(({ request, payload }) => [request, hex(payload)]),
      );
    }),
  );
});

test('any bytes are replies or an error', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
      const reader = new ReplyReader();
      try {
        for (const chunk of chunks) reader.push(chunk);
      } catch (error) {
        assert.instance(error, VhostUserError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a reply of another size, or about another ring, is an error', () => {
  const broken: [() => unknown, string][] = [
    [() => readU64(new Uint8Array(7)), 'a reply with 7 bytes instead of 8'],
    [() => readVringState(vringState(1, 5), 0), 'a reply about ring 1 instead of 0'],
    [() => readConfig(new Uint8Array(12), 8), 'a reply with 12 bytes instead of 20'],
    [() => new ReplyReader().push(encoded({ request: 1, payload: new Uint8Array(4097) })), 'a reply of 4097 bytes'],
  ];
  for (const [work, message] of broken) {
    assert.throws(work, (error: Error) => error instanceof VhostUserError && error.message === message);
  }
});

test.run();
