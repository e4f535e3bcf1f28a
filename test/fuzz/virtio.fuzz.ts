import * as fc from 'fast-check';
import { suite } from 'uvu';
import { hostileSession, recovers } from '../support/hostile-driver.js';
import { hostileRing, survives } from '../support/hostile-ring.js';

const test = suite('fuzz/virtio');
const numRuns = 1_000_000;
/** Each of up to 16 actions, in about half a millisecond. */
const sessions = 200_000;

test('hostile rings end in a fault or in buffers inside guest RAM', () => {
  fc.assert(fc.property(hostileRing, survives), { numRuns });
});

test('hostile drivers leave a device that serves the next one', async () => {
  await fc.assert(fc.asyncProperty(hostileSession, recovers), { numRuns: sessions });
});

test.run();
