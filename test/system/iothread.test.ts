import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { iothreads } from '../../src/system/iothread.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('system/iothread');

test('settings are kept, listed, and checked against each other', async () => {
  const { system } = createTestSystem();
  const objects = createUserObjects(system);
  const io = await objects.add({ 'qom-type': 'iothread', id: 'io', 'poll-max-ns': 5, 'aio-max-batch': 2n ** 62n });
  assert.equal(iothreads(system.tree), [
    {
      id: 'io',
      'thread-id': process.pid,
      'poll-max-ns': 5,
      'poll-grow': 0,
      'poll-shrink': 0,
      'aio-max-batch': 2n ** 62n,
    },
  ]);
  const range = 'poll-grow value must be in range [0, 9223372036854775807]';
  assert.is((await thrown(() => io.set('poll-grow', -4))).message, range);
  const pool = 'bad thread-pool-min/thread-pool-max values';
  assert.is((await thrown(() => io.set('thread-pool-max', 0))).message, pool);
  assert.is(io.get('thread-pool-max'), 64);
  const options = { 'qom-type': 'iothread', id: 'io2', 'thread-pool-min': 5, 'thread-pool-max': 2 };
  assert.is((await thrown(() => objects.add(options))).message, pool);
  await objects.add({ ...options, 'thread-pool-max': 5 });
});

test.run();
