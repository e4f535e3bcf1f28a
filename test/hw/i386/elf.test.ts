import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseElf } from '../../../src/hw/i386/elf.js';
import { bytesSource, elfImage, note, pvhNote } from '../../support/i386-kernels.js';
import { pattern } from '../../support/kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('ELF kernel');
const parse = (bytes: Uint8Array) => parseElf(bytesSource(bytes));
const text = { addr: 0x1000000n, bytes: pattern(5000) };
const data = { addr: 0x1200000n, bytes: pattern(100), memSize: 0x3000n };
const PT_NOTE = 4;
const noted = (bytes: Uint8Array) => elfImage([text, { type: PT_NOTE, addr: 0n, bytes }], 0x1000000n);

test('segments go to their physical addresses, with their zeroes', async () => {
  const image = await parse(elfImage([text, data], 0x1000123n));
  assert.equal(image.segments, [
    { offset: 176, addr: 0x1000000, fileSize: 5000, memSize: 5000 },
    { offset: 5176, addr: 0x1200000, fileSize: 100, memSize: 0x3000 },
  ]);
  assert.is(image.entry, 0x1000123);
  assert.is(image.end, 0x1203000);
  assert.is(image.protocol, 'linux64');
  assert.is(image.initrdLimit, 2 ** 31);
  assert.is(image.cmdlineSize, 2047);
});

test('empty and foreign segments are left out', async () => {
  const empty = { addr: 1n, bytes: pattern(0) };
  const stack = { type: 0x6474e551, addr: 2n ** 63n, bytes: pattern(7) };
  assert.is((await parse(elfImage([empty, text, stack], 0x1000000n))).segments.length, 1);
});

test('a PVH note wins over the entry point', async () => {
  const image = await parse(noted(pvhNote(0x1000040)));
  assert.is(image.protocol, 'pvh');
  assert.is(image.entry, 0x1000040);
});

test('other notes are passed over, whatever their sizes', async () => {
  const others = [note('Xen', 17, pattern(8)), note('Xenx', 18, pattern(8)), note('', 18, pattern(3))];
  assert.is((await parse(noted(Buffer.concat(others)))).protocol, 'linux64');
  assert.is((await parse(noted(Buffer.concat([...others, pvhNote(0x1000010)])))).entry, 0x1000010);
  const endless = Buffer.concat([Buffer.from('ffffffffffffffff12000000', 'hex'), pvhNote(1)]);
  assert.is((await parse(noted(endless))).protocol, 'linux64');
});

const faults: [what: string, edit: (bytes: Buffer) => Buffer | undefined, hint: RegExp][] = [
  ['a cut-off header', (b) => b.subarray(0, 63), /the file 63/],
  ['a 32-bit file', (b) => void b.writeUInt8(1, 4), /class and data are 0x101/],
  ['another machine', (b) => void b.writeUInt16LE(183, 18), /e_machine is 183, not 62/],
  ['odd header sizes', (b) => void b.writeUInt16LE(32, 54), /e_phentsize is 32, not 56/],
  ['too many headers', (b) => void b.writeUInt16LE(0xffff, 56), /e_phnum is 65535, at most 128/],
  ['headers beyond the file', (b) => void b.writeBigUInt64LE(100_000n, 32), /e_phoff 0x186a0 end beyond the file/],
  ['a wild offset', (b) => void b.writeBigUInt64LE(2n ** 63n, 32), /e_phoff is 0x8000000000000000, beyond/],
  [
    'a segment beyond the file',
    (b) => void b.writeBigUInt64LE(2n ** 40n, 72),
    /program header 0: p_offset 0x10000000000 /,
  ],
  ['a wild address', (b) => void b.writeBigUInt64LE(2n ** 52n, 88), /p_paddr of program header 0 is 0x10000000000000/],
  ['more file than memory', (b) => void b.writeBigUInt64LE(4999n, 104), /p_filesz 0x1388 is more than p_memsz 0x1387/],
  ['no segment', (b) => void b.writeUInt16LE(0, 56), /no PT_LOAD segment/],
];
for (const [what, edit, hint] of faults) {
  test(`${what} is refused with field and value`, async () => {
    const bytes = elfImage([text, data], 0x1000000n);
    const error = await thrown(() => parse(edit(bytes) ?? bytes));
    assert.is(error.message, 'invalid kernel header');
    assert.match(error.hint ?? '', hint);
  });
}

test('a PVH note without room for its entry is refused', async () => {
  const error = await thrown(() => parse(noted(note('Xen', 18, pattern(2)))));
  assert.match(error.hint ?? '', /PVH note at 0x1438 has an entry of 2 bytes/);
});

test.run();
