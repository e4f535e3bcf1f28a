import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mmap } from '../../src/host/memory.js';
import { preallocate, writeZeros } from '../../src/hostmem/prealloc.js';
import { deadline } from '../support/deadline.js';

const test = suite('hostmem/prealloc');
const MIB = 2 ** 20;

test('the way of older kernels populates as well', async () => {
  using mapping = mmap({ size: 80 * MIB });
  await deadline('zeros', writeZeros(mapping));
  // Reading alone would not: MADV_POPULATE_WRITE has nothing left to do and residence is complete.
  await deadline('populate', preallocate(mapping, 3, true));
  for (const window of mapping.windows(79 * MIB)) assert.ok(window.every((byte) => byte === 0));
});

test('memory that cannot be written says so', async () => {
  using mapping = mmap({ size: MIB, writable: false });
  let text = '';
  await preallocate(mapping, 1, false).catch((error) => {
    text = error.message;
  });
  assert.match(text, /Bad address|Invalid argument/);
});

test.run();
