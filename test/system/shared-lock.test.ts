import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SharedLock } from '../../src/system/shared-lock.js';
import { deadline } from '../support/deadline.js';

const test = suite('system/shared-lock');

test('a held lock is refused after the time limit, a released one is given', () => {
  const lock = new SharedLock(new Int32Array(new SharedArrayBuffer(4)));
  assert.is(lock.acquire(0), true);
  assert.is(lock.acquire(20), false);
  lock.release();
  assert.is(lock.acquire(0), true);
});

test('three threads that count under the lock lose nothing', async () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const source = `
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(({ SharedLock }) => {
      const lock = new SharedLock(workerData.words.subarray(0, 1));
      for (let i = 0; i < 20000; i++) {
        if (!lock.acquire(30000)) throw new Error('lock');
        workerData.words[1]++;
        lock.release();
      }
    });`;
  const module = new URL('../../src/system/shared-lock.js', import.meta.url).href;
  const ends = [1, 2, 3].map(
    () =>
      new Promise((resolve, reject) =>
        new Worker(source, { eval: true, workerData: { module, words } }).on('exit', resolve).on('error', reject),
      ),
  );
  await deadline('workers', Promise.all(ends), 60_000);
  assert.is(words[1], 60_000);
});

test.run();
