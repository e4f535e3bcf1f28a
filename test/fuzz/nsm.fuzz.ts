import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NitroSecureModule, RESPONSE_LIMIT } from '../../src/attestation/nsm.js';
import { damagedRequest } from '../support/nsm-model.js';

const test = suite('fuzz/nsm');
const numRuns = 1_000_000;

test('malformed requests are answered, never more', async () => {
  let module = newModule();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(damagedRequest, fc.uint8Array({ maxLength: 64 })), async (bytes) => {
      if (++count % 1000 === 0) module = newModule();
      const answer = await module.handle(bytes);
      assert.ok(answer.length > 0 && answer.length <= RESPONSE_LIMIT);
      // A map of one pair, or the name of what was locked.
      assert.ok(answer[0] === 0xa1 || answer[0] === 0x67 || answer[0] === 0x68);
      assert.not(Buffer.from(answer).includes('InternalError'));
    }),
    { numRuns },
  );
});

function newModule(): NitroSecureModule {
  const random = (length: number) => new Uint8Array(length);
  return new NitroSecureModule({ moduleId: 'i-1-enc2', attest: () => new Uint8Array(100), random, strict: true });
}

test.run();
