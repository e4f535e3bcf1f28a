import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { zeroPage } from '../../../src/hw/i386/boot-params.js';

const test = suite('zero page');
// Offsets: Linux asm/bootparam.h; e2e compares them with the compiler's.
const page = (over: Partial<Parameters<typeof zeroPage>[0]>) =>
  Buffer.from(
    zeroPage({
      setupHeader: new Uint8Array(0x7b).fill(0xaa),
      cmdline: 0x20000,
      initrd: { addr: 0, size: 0 },
      e820: [],
      rsdp: 0,
      ...over,
    }),
  );

test('the setup header is the file’s but for what a loader fills in', () => {
  const bytes = page({ e820: [{ addr: 0, size: 1, type: 'ram' }] });
  assert.is(bytes.length, 4096);
  const kept = [...bytes.subarray(0x1f1, 0x26c)]
    .map((byte, i) => (byte === 0xaa ? -1 : 0x1f1 + i))
    .filter((at) => at > 0);
  const range = (from: number, size: number) => Array.from({ length: size }, (_, i) => from + i);
  assert.equal(kept, [...range(0x210, 1), ...range(0x218, 8), ...range(0x228, 4), ...range(0x250, 8)]);
  assert.is(bytes[0x210], 0xff);
  assert.is(bytes[0x1ef], 0);
});

test('addresses and sizes beyond 32 bits go to the extension fields', () => {
  const bytes = page({ cmdline: 0x1_23456789, initrd: { addr: 0x2_aabbccdd, size: 0x3_00000001 }, rsdp: 0xe0000 });
  assert.equal([bytes.readUInt32LE(0x228), bytes.readUInt32LE(0xc8)], [0x23456789, 1]);
  assert.equal([bytes.readUInt32LE(0x218), bytes.readUInt32LE(0xc0)], [0xaabbccdd, 2]);
  assert.equal([bytes.readUInt32LE(0x21c), bytes.readUInt32LE(0xc4)], [1, 3]);
  assert.is(bytes.readBigUInt64LE(0x70), 0xe0000n);
});

test('at most 128 memory ranges are told', () => {
  const entries = (count: number) => Array.from({ length: count }, () => ({ addr: 1, size: 2, type: 'ram' as const }));
  const bytes = page({ e820: entries(128) });
  assert.is(bytes[0x1e8], 128);
  assert.is(bytes.readUInt32LE(0x2d0 + 127 * 20 + 16), 1);
  assert.throws(() => page({ e820: entries(129) }), RangeError);
});

test.run();
