import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GuestTimers } from '../../../src/hw/virtio/guest-timers.js';
import { eventually } from '../../support/deadline.js';

const test = suite('hw/virtio/guest-timers');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('time stands still during a pause, and only what was left runs after it', async () => {
  const timers = new GuestTimers({ paused: true });
  let rang = 0;
  timers.after(60, () => {
    rang = performance.now();
  });
  await wait(120);
  assert.is(rang, 0);
  const started = performance.now();
  timers.resume();
  timers.resume();
  await wait(30);
  timers.pause();
  timers.pause();
  await wait(120);
  assert.is(rang, 0);
  timers.resume();
  await eventually('the timer', () => rang !== 0);
  // 60 ms of guest time and 120 ms of pause.
  assert.ok(rang - started >= 170, `${rang - started} ms`);
});

test('a timer that was stopped, or cleared with all, does not ring', async () => {
  const timers = new GuestTimers();
  let rings = 0;
  const stop = timers.after(10, () => {
    rings += 1;
  });
  stop();
  stop();
  timers.after(10, () => {
    rings += 1;
  });
  timers.clear();
  timers.pause();
  timers.resume();
  await wait(50);
  assert.is(rings, 0);
});

test.run();
