import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pvhStartInfo } from '../../../src/hw/i386/pvh.js';

const test = suite('PVH start info');
const BASE = 0x6000;

test('module and memory map are found behind it', () => {
  const bytes = Buffer.from(
    pvhStartInfo({
      cmdline: 0x20000,
      initrd: { addr: 0x1f000000, size: 4321 },
      e820: [
        { addr: 0, size: 0x9fc00, type: 'ram' },
        { addr: 0x9fc00, size: 0x60400, type: 'reserved' },
      ],
      rsdp: 0xe0000,
    }),
  );
  // Xen public/arch-x86/hvm/start_info.h
  assert.equal([bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(12)], [0x336ec578, 1, 1]);
  assert.equal([bytes.readBigUInt64LE(24), bytes.readBigUInt64LE(32)], [0x20000n, 0xe0000n]);
  const module = Number(bytes.readBigUInt64LE(16)) - BASE;
  assert.equal([bytes.readBigUInt64LE(module), bytes.readBigUInt64LE(module + 8)], [0x1f000000n, 4321n]);
  const map = Number(bytes.readBigUInt64LE(40)) - BASE;
  assert.is(bytes.readUInt32LE(48), 2);
  assert.equal(
    [bytes.readBigUInt64LE(map + 24), bytes.readBigUInt64LE(map + 32), bytes.readUInt32LE(map + 40)],
    [0x9fc00n, 0x60400n, 2],
  );
  assert.is(bytes.length, map + 48);
});

test('without a ramdisk there is no module', () => {
  const bytes = Buffer.from(pvhStartInfo({ cmdline: 1, initrd: { addr: 0, size: 0 }, e820: [], rsdp: 0 }));
  assert.equal([bytes.readUInt32LE(12), bytes.readBigUInt64LE(16)], [0, 0n]);
});

test.run();
