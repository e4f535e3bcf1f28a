import * as fc from 'fast-check';
import { suite } from 'uvu';
import { hostileSession, recovers } from '../../support/hostile-driver.js';

const test = suite('hw/virtio/device-loop');

test('hostile drivers leave a device that serves the next one', async () => {
  await fc.assert(fc.asyncProperty(hostileSession, recovers), { numRuns: 1_000 });
});

test.run();
