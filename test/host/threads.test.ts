import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kickThread, takeKicks, threadId } from '../../src/host/threads.js';
import { deadline } from '../support/deadline.js';

const test = suite('threads');
const libcModule = new URL('../../src/host/libc.js', import.meta.url).href;

test('the main thread has the id of the process, and its task directory', () => {
  assert.is(threadId(), process.pid);
  assert.ok(existsSync(`/proc/${process.pid}/task/${threadId()}`));
});

test('a kick ends the wait of a worker in a system call with EINTR', async () => {
  takeKicks();
  const worker = new Worker(
    `import(${JSON.stringify(libcModule)}).then(({ libc }) => {
      const { parentPort } = require('node:worker_threads');
      parentPort.postMessage(libc.gettid());
      parentPort.postMessage(libc.poll(Buffer.alloc(8), 0, 60_000));
    })`,
    { eval: true },
  );
  const messages: number[] = [];
  const tid = await deadline('the id', new Promise<number>((resolve) => worker.once('message', resolve)));
  assert.is.not(tid, process.pid);
  const answered = new Promise<void>((resolve) => {
    worker.on('message', (result: number) => {
      messages.push(result);
      resolve();
    });
  });
  // The worker may not be in the call yet: poll(2) has nothing like immediate_exit.
  const again = setInterval(() => kickThread(tid), 10);
  await deadline('the end of the wait', answered);
  clearInterval(again);
  assert.equal(messages, [-4]);
  await deadline('the end of the worker', worker.terminate());
});

test('a kick of a thread that is gone does nothing', () => {
  takeKicks();
  kickThread(2 ** 22 - 1);
});

test.run();
