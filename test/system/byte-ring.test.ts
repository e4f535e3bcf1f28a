import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ByteRing } from '../../src/system/byte-ring.js';

const test = suite('system/byte-ring');

test('bytes come out as they went in, whatever is put in and taken out when', () => {
  const step = fc.oneof(fc.record({ push: fc.uint8Array({ maxLength: 20 }) }), fc.record({ take: fc.nat(20) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ring = new ByteRing(new SharedArrayBuffer(8 + ByteRing.size(16)), 8, 16);
      const inside: number[] = [];
      for (const step of steps) {
        if ('take' in step) assert.equal([...ring.take(step.take)], inside.splice(0, step.take));
        else {
          for (const byte of step.push) {
            assert.is(ring.push(byte), inside.length < 16);
            if (inside.length < 16) inside.push(byte);
          }
        }
        assert.is(ring.length, inside.length);
        assert.is(ring.free, 16 - inside.length);
      }
    }),
  );
});

test('waiting for room ends after its limit', () => {
  const ring = new ByteRing(new SharedArrayBuffer(ByteRing.size(4)), 0, 4);
  ring.awaitRoom(10_000);
  for (const byte of [1, 2, 3, 4]) ring.push(byte);
  const start = performance.now();
  ring.awaitRoom(20);
  assert.ok(performance.now() - start >= 19);
});

test.run();
