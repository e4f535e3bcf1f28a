import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CommandLine, commandLine } from '../../../src/hw/i386/cmdline.js';
import { virtioSlot } from '../../../src/hw/i386/memory-layout.js';
import { thrown } from '../../support/thrown.js';

const test = suite('kernel command line');
const line = (options: Partial<CommandLine>) =>
  Buffer.from(commandLine({ append: '', transports: [], limit: 2047, ...options })).toString();

test("the image's line, -append and the transports from the highest down are joined as QEMU does", () => {
  // spec virtio.md, section 5
  assert.is(
    line({
      image: Buffer.from('reboot=k panic=30'),
      append: 'quiet',
      transports: [virtioSlot(6, false), virtioSlot(7, false)],
    }),
    'reboot=k panic=30 quiet virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11\0',
  );
});

test('the space before -append is there without -append too', () => {
  assert.is(line({ image: Buffer.from('a') }), 'a \0');
  assert.is(line({ append: 'b' }), 'b\0');
});

test("what follows a NUL in the image's line is not for the guest", () => {
  assert.is(line({ image: Buffer.from('a\0b'), append: 'c' }), 'a c\0');
});

test('bytes that are no UTF-8 pass unchanged', () => {
  const bytes = commandLine({ image: Buffer.from([0xff, 0xfe]), append: 'ü', transports: [], limit: 2047 });
  assert.is(Buffer.from(bytes).toString('hex'), 'fffe20c3bc00');
});

test('a line of the length that the kernel takes is accepted, one byte more is not', async () => {
  assert.is(line({ append: 'x'.repeat(2047) }).length, 2048);
  const error = await thrown(() => line({ append: 'x'.repeat(2048) }));
  assert.is(error.message, 'kernel command line of 2048 bytes is too long, the kernel takes 2047');
  await thrown(() => line({ append: 'x'.repeat(0x7fc00), limit: 0xffffffff }));
  await thrown(() => line({ append: 'a\0b' }));
});

test.run();
