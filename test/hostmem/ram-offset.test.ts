import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Extent, nextRamOffset } from '../../src/hostmem/ram-offset.js';

const test = suite('hostmem/ram-offset');

test('blocks never overlap, start on the grid, and a freed gap is used again', () => {
  const sizes = fc.array(fc.record({ size: fc.integer({ min: 1, max: 2 ** 40 }), free: fc.boolean() }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(sizes, (steps) => {
      const blocks: Extent[] = [];
      for (const { size, free } of steps) {
        const offset = nextRamOffset(blocks, size);
        assert.is(offset % (256 * 1024), 0);
        assert.ok(blocks.every((block) => offset + size <= block.offset || block.offset + block.size <= offset));
        blocks.push({ offset, size });
        if (!free) continue;
        const [gone] = blocks.splice(0, 1);
        if (gone === undefined) continue;
        const end = Math.max(...[...blocks, gone].map((block) => block.offset + block.size));
        assert.ok(nextRamOffset(blocks, gone.size) + gone.size <= end);
      }
    }),
  );
});

test('the smallest gap that fits is taken', () => {
  const grid = 256 * 1024;
  const blocks = [
    { offset: 0, size: grid },
    { offset: 5 * grid, size: grid },
    { offset: 8 * grid, size: 1 },
  ];
  assert.is(nextRamOffset(blocks, 2 * grid), 6 * grid);
  assert.is(nextRamOffset(blocks, 3 * grid), grid);
  assert.is(nextRamOffset(blocks, 5 * grid), 9 * grid);
});

test.run();
