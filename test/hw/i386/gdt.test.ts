import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGdt, gdt, loadSegment } from '../../../src/hw/i386/gdt.js';

const test = suite('GDT');

test('the table is that of spec virtio.md, section 7', () => {
  const bytes = Buffer.from(encodeGdt(gdt('long')));
  assert.is(bytes.length, 48);
  assert.is(bytes.readBigUInt64LE(0x10), 0x00af9b000000ffffn);
  assert.is(bytes.readBigUInt64LE(0x18), 0x00cf93000000ffffn);
  assert.is(bytes.readBigUInt64LE(0x20), 0x008f8b000000ffffn);
});

test('a segment is cached field by field', () => {
  // Every field of this descriptor differs from its neighbours: base 0xa1b2c3d4, limit 0x56789 bytes, type 5, DPL 2.
  const descriptors = [0n, 0xa115c5b2c3d46789n];
  assert.equal(loadSegment(descriptors, 8), {
    selector: 8,
    base: 0xa1b2c3d4,
    limit: 0x56789,
    type: 5,
    s: 0,
    dpl: 2,
    present: 1,
    avl: 1,
    l: 0,
    db: 0,
    g: 0,
  });
});

test('the limit of a granular segment counts pages', () => {
  assert.is(loadSegment(gdt('protected'), 0x10).limit, 0xffffffff);
  assert.is(loadSegment(gdt('protected'), 0x20).limit, 0x67);
});

test('a selector beyond the table is an error', () => {
  assert.throws(() => loadSegment(gdt('long'), 0x30), RangeError);
});

test.run();
