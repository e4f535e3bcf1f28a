import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EventLimiter } from '../../../src/hw/virtio/event-limiter.js';
import { eventually } from '../../support/deadline.js';

const test = suite('hw/virtio/event-limiter');

test('a second lets so many events through, tells how many it did not, and the next one starts anew', async () => {
  const told: number[] = [];
  const limiter = new EventLimiter(3, (count) => told.push(count));
  const passed = () => Array.from({ length: 10 }, () => limiter.pass()).filter(Boolean).length;
  assert.is(passed(), 3);
  assert.is(passed(), 0);
  // The limiter's own timer does not keep a process alive; this wait does.
  await eventually('the end of the second', () => told.length === 1);
  assert.equal(told, [17]);
  assert.is(passed(), 3);
});

test.run();
